"""What a reviewer may know of an original, beside the injection that they verify."""

from __future__ import annotations

import pytest

from labeling.models import Injection, Project, User
from labeling.selectors.originals import describe_original
from labeling.services.reports import report_original
from tests.labeling.factories import STEPS, enqueue, make_injection_item, make_solution

pytestmark = pytest.mark.django_db


def make_siblings(project: Project, count: int) -> list[Injection]:
    """Injections into one original, each in the queue."""
    first = Injection.objects.get(modified=make_injection_item(project).solution)
    made = [first]
    for number in range(1, count):
        steps = (*STEPS[:2], f"So the answer is {number}.")
        modified = make_solution(project, f"sibling-{number}", steps=steps)
        made.append(
            Injection.objects.create(
                project=project,
                original=first.original,
                modified=modified,
                error_type="deception",
                claimed_error_positions=[2],
                claimed_changed_positions=[2],
                producer="test",
                created_at=first.created_at,
            )
        )
        enqueue(modified, task="verify_injection")
    return made


def test_the_others_are_counted(project: Project) -> None:
    one, other, _third = make_siblings(project, 3)
    for injection in (one, other):
        about = describe_original(injection.modified_id)
        assert about is not None
        assert about.n_others == 2


def test_a_report_is_told_at_every_sibling(project: Project, bob: User) -> None:
    one, other = make_siblings(project, 2)
    about = describe_original(one.modified_id)
    assert about is not None
    assert about.report is None
    report_original(item=other.modified.review_items.get(), reporter=bob)
    about = describe_original(one.modified_id)
    assert about is not None
    assert about.report is not None
    assert about.report.state == "open"


def test_what_is_no_injection_has_no_original(project: Project) -> None:
    assert describe_original(make_solution(project).pk) is None
