"""The demo project: our own problems, injections with known truth, three simulated annotators.

Everything an invented person did is marked as simulated wherever it shows. What is left in the
queue is for the newcomer: an injection comes first.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling import records
from labeling.content import (
    RatingContent,
    RejectCode,
    Reply,
    StepJudgement,
    VerdictContent,
    VerdictValue,
    pack_content,
    pack_first_error,
    parse_first_error,
)
from labeling.demo.annotators import (
    CAREFUL,
    HASTY,
    LENIENT,
    Habit,
    simulate_step_ratings,
    simulate_verdict,
)
from labeling.demo.content import DemoContent, DemoInjection, DemoSolution, load_demo_content
from labeling.demo.guidance import GUIDELINES, RULINGS
from labeling.models import (
    Annotation,
    Dispute,
    Membership,
    Project,
    ReviewItem,
    Source,
    User,
)
from labeling.services.adjudications import decide
from labeling.services.annotations import reveal_claim, submit
from labeling.services.assignments import claim_item
from labeling.services.demo_training import add_demo_training
from labeling.services.guidance import make_ruling
from labeling.services.importing import ImportOptions, store_records
from labeling.services.members import add_member
from labeling.services.projects import create_project, ensure_source
from labeling.services.releases import build_release, create_release

SLUG = "demo"
SOURCE = "Demo problems"
INJECTED = "Demo injections"
SEED = 20260101
# Of every ten items, this many are done by two simulated people, and one more by one of them.
DONE_OF_TEN = 6
STARTED_OF_TEN = 1
ADJUDICATED_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class _Simulated:
    user: User
    habit: Habit


def load_demo(*, lead: User) -> Project | None:
    """The demo project with its work done so far; None where it is there already."""
    if Project.objects.filter(slug=SLUG).exists():
        return None
    with transaction.atomic():
        # All or nothing: a demo that was interrupted half-way is loaded again, whole.
        project = _build_project(lead)
    release = create_release(
        project=project,
        name="demo-1",
        by=lead,
        note="Built when the demo was loaded.",
        options={"on_blocking": "leave_out"},
    )
    build_release(release.pk)
    return project


def _build_project(lead: User) -> Project:
    content = load_demo_content()
    project = create_project(
        name="Demo: verifying injected errors",
        slug=SLUG,
        by=lead,
        description="Problems of our own and work by three simulated annotators: try anything.",
        is_demo=True,
    )
    _write_guidance(project, lead)
    _store_content(project, content, lead)
    people = [_join(project, habit) for habit in (CAREFUL, LENIENT, HASTY)]
    judge = _make_user("sim-adjudicator", "Simulated adjudicator")
    add_member(project=project, user=judge, role=Membership.Role.ADJUDICATOR, by=lead)
    truth = _Truth(content)
    _do_work(project, people, truth)
    _settle_disputes(project, judge, truth)
    add_demo_training(project, lead=lead, content=content)
    return project


def _write_guidance(project: Project, lead: User) -> None:
    """The first version of the guidelines, in every language, and rulings on them."""
    translations = {code: text for code, text in GUIDELINES.items() if code != "en"}
    texts = {"guidelines": GUIDELINES["en"], "guideline_translations": translations}
    Project.objects.filter(pk=project.pk).update(**texts)
    project.guideline_versions.update(text=GUIDELINES["en"], translations=translations)
    project.refresh_from_db()
    for ruling in RULINGS:
        make_ruling(
            project=project,
            by=lead,
            error_type=ruling.error_type,
            question=ruling.words["en"]["question"],
            answer=ruling.words["en"]["answer"],
            translations={code: words for code, words in ruling.words.items() if code != "en"},
        )


def _store_content(project: Project, content: DemoContent, lead: User) -> None:
    facts: dict[str, Any] = {
        "licence": "Apache-2.0",
        "redistribution": Source.Redistribution.ALLOWED,
        "citation": "Written for this project.",
    }
    problems = ensure_source(project=project, name=SOURCE, by=lead, **facts)
    injected = ensure_source(project=project, name=INJECTED, by=lead, **facts)
    rows = [_solution_record(content, solution) for solution in content.solutions]
    # Injections and solutions take turns in the queue, in an order that mixes classes.
    order = Random(SEED)  # noqa: S311 - a fixed order, not a secret
    order.shuffle(rows)
    injections = list(content.injections)
    order.shuffle(injections)
    # The first thing a newcomer meets is a plain injection whose claim is right.
    injections.sort(key=lambda injection: not _is_plain(injection))
    easy, rest = injections[0], injections[1:]
    order.shuffle(rest)
    claims = [_injection_record(content, injection) for injection in [easy, *rest]]
    options = ImportOptions(producer="demo")
    now = timezone.now()
    for index in range(max(len(rows), len(claims))):
        for source, record in (
            (injected, claims[index] if index < len(claims) else None),
            (problems, rows[index] if index < len(rows) else None),
        ):
            if record is not None:
                store_records(
                    project=project, source=source, items=[record], options=options, now=now
                )


def _is_plain(injection: DemoInjection) -> bool:
    """One or two wrong steps, rightly claimed, the question as it was: easy to see and to judge."""
    return (
        injection.error_type == "deception"
        and injection.truth.verdict is VerdictValue.ACCEPT
        and not injection.truth.defects
        and len(injection.claimed_error_positions) <= 2
        and injection.modified_question == injection.original_question
    )


def _solution_record(content: DemoContent, solution: DemoSolution) -> records.Solution:
    problem = next(p for p in content.problems if p.id == solution.problem_id)
    return records.Solution(
        problem=records.Problem(
            text=problem.text,
            source_id=problem.id,
            reference_answer=problem.reference_answer,
            family=problem.id,
            domain=problem.domain,
            language=problem.language,
        ),
        steps=tuple(records.Step(text) for text in solution.steps),
        source_id=solution.id,
        generator=solution.generator,
        final_answer=solution.final_answer,
        final_answer_correct=solution.final_answer_correct,
    )


def _injection_record(content: DemoContent, injection: DemoInjection) -> records.Solution:
    problem = next(p for p in content.problems if p.id == injection.problem_id)
    return records.Solution(
        problem=records.Problem(
            text=injection.modified_question,
            source_id=problem.id,
            # A changed question has another answer, which nobody has worked out.
            reference_answer=(
                problem.reference_answer if injection.modified_question == problem.text else None
            ),
            family=problem.id,
            domain=problem.domain,
            language=problem.language,
        ),
        steps=tuple(records.Step(text) for text in injection.modified_steps),
        source_id=injection.id,
        generator="written by hand",
        injection=records.Injection(
            error_type=injection.error_type,
            original_problem=injection.original_question,
            original_steps=injection.original_steps,
            claimed_error_positions=injection.claimed_error_positions,
            claimed_changed_positions=injection.claimed_changed_positions,
            reason=injection.reason,
        ),
    )


def _make_user(username: str, display_name: str) -> User:
    user, created = User.objects.get_or_create(
        username=username,
        defaults={"display_name": display_name, "is_simulated": True, "is_active": False},
    )
    if created:
        # Nobody signs in as an invented person.
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def _join(project: Project, habit: Habit) -> _Simulated:
    user = _make_user(f"sim-{habit.name}", f"Simulated, {habit.name}")
    add_member(project=project, user=user, role=Membership.Role.ANNOTATOR, by=None)
    return _Simulated(user, habit)


class _Truth:
    """The known truth of each item, by its solution's key in its source."""

    def __init__(self, content: DemoContent) -> None:
        self.solutions = {solution.id: solution for solution in content.solutions}
        self.injections = {injection.id: injection for injection in content.injections}

    def packed(self, item: ReviewItem) -> dict[str, Any]:
        """The right submission for this item."""
        key = item.solution.source_key
        if item.task == ReviewItem.Task.VERIFY_INJECTION:
            injection = self.injections[key]
            truth = injection.truth
            return pack_content(
                VerdictContent(
                    verdict=truth.verdict,
                    error_positions=tuple(sorted(truth.error_positions)),
                    error_type=truth.error_type,
                    reject_code=truth.reject_code,
                    note=truth.note,
                    **_answer_questions(injection, truth.verdict, truth.reject_code),
                )
            )
        labels = self.solutions[key].truth
        return pack_content(
            RatingContent(
                steps=tuple(StepJudgement(position, label) for position, label in enumerate(labels))
            )
        )

    def simulated(self, item: ReviewItem, habit: Habit) -> dict[str, Any]:
        """What an annotator of this habit says of the item."""
        key = item.solution.source_key
        if item.task == ReviewItem.Task.VERIFY_INJECTION:
            injection = self.injections[key]
            said = simulate_verdict(habit, injection, seed=key)
            blind = said["blind_first_error"]
            n_steps = item.solution.n_steps
            return {
                "task": "verify_injection",
                "verdict": said["verdict"],
                "reject_code": said["reject_code"] or "",
                "error_positions": [p for p in said["error_steps"] if 0 <= p < n_steps],
                "error_type": said["error_type"],
                "note": said["note"] or _needed_note(said["verdict"], said["reject_code"]),
                "blind_first_error": pack_first_error(
                    records.NoError() if blind is None else records.At(blind)
                ),
                **_answer_questions(injection, said["verdict"], said["reject_code"]),
            }
        ratings = simulate_step_ratings(habit, self.solutions[key].truth, seed=key)
        return {
            "task": "rate_steps",
            "steps": [{"position": position, **rating} for position, rating in enumerate(ratings)],
        }


def _answer_questions(
    injection: DemoInjection, verdict: str, reject_code: str | None
) -> dict[str, Any]:
    """The answers that go with a verdict on another correct solution; {} for any other claim."""
    if injection.claimed_error_positions or verdict in (
        VerdictValue.UNSURE,
        VerdictValue.BAD_PROBLEM,
    ):
        return {}
    is_accepted = verdict in (VerdictValue.ACCEPT, VerdictValue.ACCEPT_WITH_EDITS)
    is_same = reject_code == RejectCode.NOT_DIFFERENT
    return {
        "correct": Reply.YES if is_accepted or is_same else Reply.NO,
        "different": Reply.NO if is_same else Reply.YES,
    }


def _needed_note(verdict: str, reject_code: str | None) -> str:
    """Some verdicts need a word of explanation, which a simulated person has not got."""
    if verdict == VerdictValue.BAD_PROBLEM or reject_code == RejectCode.OTHER:
        return "Simulated: no reason was worked out."
    return ""


def _do_work(project: Project, people: list[_Simulated], truth: _Truth) -> None:
    items = list(
        ReviewItem.objects.filter(project=project)
        .select_related("solution__problem", "project__taxonomy")
        .order_by("queue_order")
    )
    start = timezone.now()
    for index, item in enumerate(items):
        turn = index % 10
        # The first item stays whole for the newcomer.
        wanted = 0
        if 0 < turn <= DONE_OF_TEN:
            wanted = 2
        elif turn <= DONE_OF_TEN + STARTED_OF_TEN and turn:
            wanted = 1
        first = (index // 2) % len(people)
        for offset in range(wanted):
            person = people[(first + offset) % len(people)]
            _submit_as(person, item, truth, now=start + timedelta(milliseconds=index))


def _submit_as(person: _Simulated, item: ReviewItem, truth: _Truth, *, now: datetime) -> None:
    assignment = claim_item(user=person.user, item=item, now=now)
    data = truth.simulated(item, person.habit)
    if item.task == ReviewItem.Task.VERIFY_INJECTION:
        reveal_claim(
            assignment=assignment,
            lease_token=assignment.lease_token,
            blind_first_error=parse_first_error(data["blind_first_error"]),
            now=now,
        )
    # No one sat at a screen: no active time is recorded, rather than an invented one.
    submit(
        assignment=assignment,
        lease_token=assignment.lease_token,
        data=data,
        idempotency_key=uuid.uuid4(),
        kind=Annotation.Kind.SIMULATED,
        now=now,
    )


def _settle_disputes(project: Project, judge: User, truth: _Truth) -> None:
    disputes = list(_open_disputes(project))
    for dispute in disputes[: int(len(disputes) * ADJUDICATED_SHARE)]:
        decide(
            dispute=dispute,
            by=judge,
            data=truth.packed(dispute.item),
            reason="By the answer key that the demo was written with.",
            seen_version=dispute.version,
            idempotency_key=uuid.uuid4(),
        )


def _open_disputes(project: Project) -> Iterator[Dispute]:
    yield from (
        Dispute.objects.filter(project=project, state=Dispute.State.OPEN)
        .select_related("item__solution__problem", "item__project", "project__taxonomy")
        .order_by("pk")
    )
