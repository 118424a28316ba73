"""What an installation of an earlier version holds, taken over by this one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.utils import timezone

from labeling.models import (
    Assignment,
    Dispute,
    Draft,
    Injection,
    Project,
    Release,
    ReviewItem,
    Solution,
    Suggestion,
    User,
)
from labeling.records import At
from labeling.selectors.agreement import build_report
from labeling.selectors.disputes import get_dispute_view
from labeling.selectors.dossiers import build_injection_dossier, build_solution_dossier
from labeling.selectors.progress import get_overview
from labeling.selectors.truth import LeftOut, TruthOptions, iterate_truth
from labeling.services.annotations import submit
from labeling.services.assignments import claim_item, expire_leases
from labeling.services.consistency import find_inconsistencies
from modeljobs.models import CodeTrial, EngineTest, JobItem, ModelJob, StepEvidence
from modeljobs.selectors import get_progress
from tests.upgrade.snapshots import Snapshot, list_snapshots
from tests.upgrade.world import INJECTED, RELEASE, SLUG, SUM


@pytest.fixture
def project(upgraded: Snapshot) -> Iterator[Project]:
    """The snapshot's project. What a test does to it is undone."""
    with transaction.atomic():
        yield Project.objects.get(slug=SLUG)
        transaction.set_rollback(True)


def test_there_is_a_snapshot_and_each_is_small():
    paths = list_snapshots()
    assert paths
    assert [path.stem for path in paths] == [f"{n:04}" for n in range(1, len(paths) + 1)]
    assert [path.name for path in paths if path.stat().st_size > 80_000] == []


def test_no_row_is_lost(upgraded, project):
    connection.check_constraints()
    before = upgraded.count_rows()
    after = {name: apps.get_model(name)._default_manager.count() for name in before}
    assert after == dict(before)
    assert list(find_inconsistencies()) == []


def test_every_word_can_be_read(project):
    overview = get_overview(project)
    # Two to rate, an imported injection and its original, a scored one, a made injection.
    assert overview.solutions == 6
    assert overview.by_state == {"agreed": 1, "waiting": 2, "decided": 1}

    rated = Solution.objects.get(
        project=project, problem__text=SUM["prompt"], origin=Solution.Origin.IMPORTED
    )
    dossier = build_solution_dossier(rated)
    # The project hides names, so its pages show these.
    shown = project.memberships.filter(user__username__in=["ada", "ben"])
    assert {person.name for person in dossier.raters} == {row.pseudonym for row in shown}
    assert sorted(len(person.revisions) for person in dossier.raters) == [1, 2]

    claimed = Injection.objects.get(project=project, producer="import")
    assert build_injection_dossier(claimed).claim.reason == INJECTED["reason"]

    scored = Suggestion.objects.get(project=project, method="math_shepherd")
    assert scored.first_error == {"at": 1}


def test_agreement_is_what_it_was(project):
    report = build_report(project)
    assert report.items_judged_twice == 2
    # Both rated both steps alike.
    assert report.steps is not None
    assert report.steps.percent_agreement.value == 1.0
    # One item: one accepts, one rejects.
    assert report.verdicts is not None
    assert report.verdicts.percent_agreement.value == 0.0


def test_what_was_settled_stays_settled(project):
    left_out = LeftOut()
    rows = list(iterate_truth(project, TruthOptions(), left_out=left_out))
    assert sorted(row.standing for row in rows) == ["agreed", "decided"]
    [injected] = [row.record for row in rows if row.record.injection is not None]
    assert injected.injection is not None
    assert injected.injection.claimed_error_positions == (0,)
    assert injected.label_sets[0].first_error == At(0)
    assert left_out.reasons == {"item is waiting": 2}

    view = get_dispute_view(Dispute.objects.get(project=project), User.objects.get(username="cleo"))
    assert [person.verdict for person in view.people] == ["accept", "reject"]
    assert [decision.reason for decision in view.earlier] == ["$3^2$ is $9$."]


def test_a_release_keeps_its_files_by_name_and_hash(project):
    release = Release.objects.get(project=project, name=RELEASE)
    assert {file.format: file.records for file in release.files.all()} == {
        "native": 2,
        "prmbench": 1,
        "trl": 2,
    }
    for file in release.files.all():
        assert release.manifest["files"][file.filename]["sha256"] == file.sha256


def test_a_finished_job_can_be_read(project):
    job = ModelJob.objects.get(project=project, method="injection")
    progress = get_progress(job, now=timezone.now())
    assert (progress.total, progress.finished, progress.counts) == (1, 1, {"done": 1})
    assert job.is_scripted


def test_what_a_model_found_of_each_step_is_there(project):
    # None in the snapshots from before there was GenPRM.
    items = JobItem.objects.filter(job__project=project, job__method="genprm")
    assert StepEvidence.objects.filter(item__in=items).count() == 2 * len(items)
    assert Suggestion.objects.filter(project=project, method="genprm").count() == len(items)
    assert CodeTrial.objects.count() == EngineTest.objects.count() == len(items)


def test_work_goes_on_where_it_stopped(project):
    """A lease of then has run out; its draft waits, and the person who kept it may finish."""
    ada = User.objects.get(username="ada")
    item = ReviewItem.objects.get(project=project, drafts__annotator=ada)
    held = Assignment.objects.get(item=item, annotator=ada, state=Assignment.State.OPEN)
    assert expire_leases(now=held.lease_expires_at + timedelta(seconds=1)) == 1

    again = claim_item(user=ada, item=item)
    draft = Draft.objects.get(item=item, annotator=ada)
    steps = [*draft.content["steps"], {"position": 1, "validity": "correct"}]
    submit(
        assignment=again,
        lease_token=again.lease_token,
        data={**draft.content, "steps": steps},
        idempotency_key=uuid.uuid4(),
    )
    again.refresh_from_db()
    assert again.state == Assignment.State.SUBMITTED
    assert list(find_inconsistencies()) == []
