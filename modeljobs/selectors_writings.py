"""Files that workers write: the newest of a thing, and one by its number. Nothing here writes."""

from __future__ import annotations

from labeling.access import Capability, require
from labeling.models import Project, User
from modeljobs.models import ConsensusRun, FileWriting, ModelJob
from workbench.errors import NotFound


def find_newest_writing(of: ModelJob | ConsensusRun) -> FileWriting | None:
    """The last writing that was asked for of a job or a comparison, however it stands."""
    writings = FileWriting.objects.select_related("reading__created_by", "requested_by")
    if isinstance(of, ModelJob):
        return writings.filter(job=of).order_by("-pk").first()
    return writings.filter(run=of).order_by("-pk").first()


def get_writing(user: User, writing_id: int) -> FileWriting:
    """A writing, for those who may ask for one in its project."""
    missing = f"There is no writing {writing_id} that you may see."
    found = (
        FileWriting.objects.select_related(
            "job__project", "run__project", "reading", "requested_by"
        )
        .filter(pk=writing_id)
        .first()
    )
    if found is None:
        raise NotFound(missing)
    require(user, find_project(found), Capability.EXPORT, missing=missing)
    return found


def find_project(writing: FileWriting) -> Project:
    """The project whose file it is."""
    owner = writing.job or writing.run
    if owner is None:
        raise ValueError(f"Writing {writing.pk} is of nothing.")
    return owner.project
