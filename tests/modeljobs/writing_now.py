"""Files of labels and conversations, asked for and written at once, as with a worker there."""

from __future__ import annotations

from django.db import transaction

from labeling.models import User
from modeljobs.methods.rpe_labels import LabelRule
from modeljobs.models import ConsensusRun, FileWriting, LabelReading, ModelJob
from modeljobs.services.consensus import request_conversations
from modeljobs.services.readings import request_labels
from modeljobs.services.writing_runs import run_writing
from modeljobs.services.writings import Asked


def write(asked: Asked) -> FileWriting:
    """The writing as it stands after a worker had it."""
    run_writing(asked.writing.pk)
    return FileWriting.objects.get(pk=asked.writing.pk)


@transaction.atomic
def freeze(*, job: ModelJob, rule: LabelRule, by: User, note: str = "") -> LabelReading:
    """A frozen reading. In one transaction, so that a worker that runs meanwhile finds it done."""
    written = write(request_labels(job=job, rule=rule, by=by, note=note))
    assert written.reading is not None, written.error
    return written.reading


@transaction.atomic
def freeze_conversations(*, run: ConsensusRun, by: User) -> ConsensusRun:
    """The comparison with its conversations; in one transaction, as above."""
    written = write(request_conversations(run=run, by=by))
    assert written.state == FileWriting.State.DONE, written.error
    run.refresh_from_db()
    return run
