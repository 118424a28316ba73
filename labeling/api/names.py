"""Under which name a person shows to another: the project may hide who said what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labeling.models import Annotation, Membership, Project, User


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a project's people as one of them sees them; oneself always by name."""

    viewer_id: int
    hidden: bool
    pseudonyms: Mapping[int, str]

    def of(self, user: User) -> str:
        if not self.hidden or user.pk == self.viewer_id:
            return user.name
        return self.pseudonyms.get(user.pk, "somebody")

    def of_annotation(self, annotation: Annotation) -> str:
        """The reviewer's name; for an imported annotation the rater's as the file had it."""
        if annotation.annotator is None:
            return annotation.rater
        return self.of(annotation.annotator)


def load_names(project: Project, viewer: User) -> Names:
    """One query at most, however many names are asked for."""
    if not project.hide_names:
        return Names(viewer.pk, hidden=False, pseudonyms={})
    rows = Membership.objects.filter(project=project).values_list("user_id", "pseudonym")
    return Names(viewer.pk, hidden=True, pseudonyms=dict(rows))
