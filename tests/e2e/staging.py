"""What tests do behind the pages of a running system, with its environment; JSON comes back.

python -m tests.e2e.staging pages             something to show on every page: name to path
python -m tests.e2e.staging give NAME TASK    an item of that task for a new person of that name
python -m tests.e2e.staging verifying         injections and disputes for a new person each
python -m tests.e2e.staging rate NAME N MODE [RATING …]
                                              N steps to rate in a project of its own, with what
                                              a machine proposes of each, for a new person
python -m tests.e2e.staging expire NUMBER     end the lease of an assignment
python -m tests.e2e.staging count NUMBER      the revisions that an assignment led to
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

SLUG = "demo"
# One good line and one that cannot be read: the page of an import shows both.
IMPORTED = (
    '{"prompt": "What is $7-4$?", "completions": ["$7-4=3$."], "labels": [true]}\n'
    '{"prompt": 7, "completions": []}\n'
)


def main(arguments: list[str]) -> int:
    """Do what the first argument names; 0."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings.dev")
    import django

    django.setup()
    action, *rest = arguments
    actions: dict[str, Callable[..., object]] = {
        "pages": stage,
        "give": give,
        "rate": give_steps,
        "verifying": stage_verifying,
        "expire": expire,
        "queue": give_queue,
        "count": count_revisions,
        "take_ahead": take_ahead,
    }
    json.dump(actions[action](*rest), sys.stdout)
    return 0


def give(name: str, task: str) -> dict[str, str]:
    """Make the person, with their name as the password, and give them a waiting item."""
    from django.db.models import Exists, OuterRef
    from django.urls import reverse

    from labeling.models import Assignment, Membership, Project, ReviewItem, User
    from labeling.services.assignments import claim_item
    from labeling.services.members import add_member

    project = Project.objects.get(slug=SLUG)
    user = User.objects.create_user(name, password=name)
    add_member(project=project, user=user, role=Membership.Role.ANNOTATOR, by=None)
    # One that nobody has touched: what others do to it cannot matter.
    touched = Assignment.objects.filter(item=OuterRef("pk"))
    untouched = ReviewItem.objects.filter(~Exists(touched), project=project, task=task)
    # Another solution is asked other questions: see claims.py.
    item = untouched.exclude(solution__injection__claimed_error_positions=[]).first()
    assert item is not None, f"no untouched item is left to {task}"
    held = claim_item(user=user, item=item)
    path = reverse("labeling:assignment", args=[held.pk])
    return {"path": path, "assignment": str(held.pk), "steps": str(item.solution.n_steps)}


def give_steps(name: str, n_steps: str, mode: str, *proposed: str) -> dict[str, str]:
    """Make the person and a project with one item in that mode, and give them the item."""
    from django.urls import reverse

    from labeling.models import Membership, User
    from labeling.services.assignments import claim_item
    from labeling.services.members import add_member

    lead = User.objects.get(username="admin")
    item = _make_steps(lead, name, int(n_steps), mode, [int(rating) for rating in proposed])
    user = User.objects.create_user(name, password=name)
    add_member(project=item.project, user=user, role=Membership.Role.ANNOTATOR, by=None)
    held = claim_item(user=user, item=item)
    path = reverse("labeling:assignment", args=[held.pk])
    return {"path": path, "assignment": str(held.pk), "steps": n_steps}


def _make_steps(lead: Any, name: str, n_steps: int, mode: str, proposed: list[int]) -> Any:
    """An item in a project of that name and mode, with what a machine proposes, if anything."""
    from labeling.services.projects import create_project
    from tests.labeling.factories import enqueue, make_solution
    from tests.labeling.services.test_proposals import METHOD, propose

    protocol: dict[str, Any] = {"proposal_method": METHOD, "blind_share": 0} if proposed else {}
    project = create_project(name=name, slug=name, by=lead, mode=mode, **protocol)
    # Of all heights, so that nobody can guess where the next one is.
    steps = [
        f"So $x_{{{number}}} = \\frac{{{number}}}{{2}}$" + ", and so on" * (number % 7 * 6)
        for number in range(n_steps)
    ]
    item = enqueue(make_solution(project, key=name, steps=steps))
    if proposed:
        propose(item.solution, *proposed)
    return item


def stage_verifying() -> dict[str, dict[str, str]]:
    """Injections and disputes of known kinds, for a new person each: see `tests.e2e.claims`."""
    from tests.e2e.claims import stage_verifying

    return stage_verifying()


def expire(assignment: str) -> int:
    """End the lease, as when its time has run out; how many were ended, if not by the reaper."""
    from django.utils import timezone

    from labeling.models import Assignment
    from labeling.services.assignments import expire_leases

    over = timezone.now() - timedelta(minutes=1)
    Assignment.objects.filter(pk=assignment).update(lease_expires_at=over)
    return expire_leases()


def give_queue(name: str, n_items: str) -> dict[str, str]:
    """Make the person and a project with so many items, and give them the first of them."""
    from django.urls import reverse

    from labeling.models import Membership, User
    from labeling.services.assignments import claim_next
    from labeling.services.members import add_member
    from tests.labeling.factories import make_items, make_project

    project = make_project(User.objects.get(username="admin"), name)
    items = make_items(project, int(n_items))
    user = User.objects.create_user(name, password=name)
    add_member(project=project, user=user, role=Membership.Role.ANNOTATOR, by=None)
    held = claim_next(user=user, project=project)
    assert held is not None
    path = reverse("labeling:assignment", args=[held.pk])
    steps = str(items[0].solution.n_steps)
    return {"path": path, "assignment": str(held.pk), "steps": steps}


def take_ahead(assignment: str) -> int:
    """Give the item that comes after this one to others; to how many."""
    from labeling.models import Assignment, Membership, User
    from labeling.services.assignments import claim_item, peek_next
    from labeling.services.members import add_member

    item = peek_next(held=Assignment.objects.get(pk=assignment))
    assert item is not None, "nothing comes after it"
    for number in range(item.free_slots):
        user = User.objects.create_user(f"faster-{assignment}-{number}")
        add_member(project=item.project, user=user, role=Membership.Role.ANNOTATOR, by=None)
        claim_item(user=user, item=item)
    return item.free_slots


def count_revisions(assignment: str) -> int:
    """How many submissions the person of this assignment has made of its item."""
    from labeling.models import AnnotationRevision, Assignment

    held = Assignment.objects.get(pk=assignment)
    return AnnotationRevision.objects.filter(
        annotation__item=held.item_id, annotation__annotator=held.annotator_id
    ).count()


def stage() -> dict[str, str]:
    """The pages of the demo project as its lead sees them: name to path."""
    from django.urls import reverse

    from labeling.models import Dispute, Project, ReviewItem, User
    from labeling.services.members import invite
    from tests.e2e.claims import stage_solutions
    from tests.e2e.training_staging import stage_training

    lead = User.objects.get(username="admin")
    project = Project.objects.get(slug=SLUG)
    pages = {
        "home": reverse("labeling:home"),
        "account": reverse("labeling:account"),
        "account-keys": reverse("labeling:account-keys"),
        "tokens": reverse("labeling:tokens"),
        "project-new": reverse("labeling:project-new"),
        "engines": reverse("modeljobs:engines"),
        "engine-new": reverse("modeljobs:engine-new") + "?kind=openai_compatible",
        "api-docs": reverse("api:docs"),
        "not-found": "/nothing/",
        "agreement-items": reverse("labeling:agreement-items", args=[SLUG]) + "?kind=existence",
        "disputes-decided": reverse("labeling:disputes", args=[SLUG]) + "?state=decided",
        "job-new": reverse("modeljobs:job-new", args=[SLUG]),
        "jobs": reverse("modeljobs:jobs", args=[SLUG]),
        "yield": reverse("modeljobs:yield", args=[SLUG]),
    }
    for name in (
        *("overview", "work", "submitted", "browse", "imports", "agreement", "disputes"),
        "proposals",
        *("releases", "settings", "guidelines", "taxonomy", "members"),
    ):
        pages[name] = reverse(f"labeling:{name}", args=[SLUG])
    invite(project=project, role="annotator", by=lead, note="for the new colleague")
    pages |= _stage_work(project, lead)
    for task, state, name in (
        (ReviewItem.Task.RATE_STEPS, Dispute.State.OPEN, "dispute-rating"),
        (ReviewItem.Task.VERIFY_INJECTION, Dispute.State.OPEN, "dispute-verdict"),
        (ReviewItem.Task.VERIFY_INJECTION, Dispute.State.DECIDED, "dispute-decided"),
    ):
        dispute = Dispute.objects.filter(project=project, item__task=task, state=state).first()
        assert dispute is not None, f"the demo has no {state} dispute over {task}"
        pages[name] = reverse("labeling:dispute", args=[dispute.pk])
    pages |= stage_solutions(lead)
    pages |= _stage_data(project, lead)
    pages |= _stage_consensus(lead)
    pages |= _stage_modes(lead)
    pages |= _stage_comments(project, lead)
    pages |= stage_training(project, lead)
    pages |= _stage_guidance(lead)
    pages |= _stage_reports(lead)
    return pages | _stage_job(project, lead) | _stage_evidence(lead) | _stage_rollouts(lead)


def _stage_work(project: Any, lead: Any) -> dict[str, str]:
    """Items in the lead's hands: sealed, opened, half rated, and one whose time is over."""
    from django.urls import reverse
    from django.utils import timezone

    from labeling.models import Assignment, ReviewItem
    from labeling.records import At
    from labeling.services.annotations import reveal_claim, submit
    from labeling.services.assignments import claim_item, expire_leases, save_draft

    waiting = ReviewItem.objects.filter(project=project, state="waiting").order_by("queue_order")
    injections = waiting.filter(task=ReviewItem.Task.VERIFY_INJECTION)
    sealed = claim_item(user=lead, item=injections[0])
    # A changed question shows most of what the page can show.
    opened = claim_item(
        user=lead,
        item=injections.filter(solution__injection__question_changed=True).exclude(
            pk=sealed.item_id
        )[0],
    )
    reveal_claim(assignment=opened, lease_token=opened.lease_token, blind_first_error=At(0))
    ratings = waiting.filter(task=ReviewItem.Task.RATE_STEPS)
    half, finished, expired = (claim_item(user=lead, item=item) for item in ratings[:3])
    steps = [{"position": 0, "validity": "correct"}, {"position": 1, "validity": "wrong"}]
    save_draft(
        assignment=half,
        lease_token=half.lease_token,
        content={"task": "rate_steps", "steps": steps},
        seen_version=0,
    )
    submit(
        assignment=finished,
        lease_token=finished.lease_token,
        data={
            "task": "rate_steps",
            "steps": [
                {"position": position, "validity": "correct", "contribution": "advances"}
                for position in range(finished.item.solution.n_steps)
            ],
        },
        idempotency_key=uuid.uuid4(),
        active_ms=61_000,
    )
    Assignment.objects.filter(pk=expired.pk).update(
        lease_expires_at=timezone.now() - timedelta(minutes=1)
    )
    expire_leases()
    return {
        name: reverse("labeling:assignment", args=[assignment.pk])
        for name, assignment in (
            ("verify-sealed", sealed),
            ("verify-open", opened),
            ("rate", half),
            ("assignment-submitted", finished),
            ("assignment-expired", expired),
        )
    }


def _stage_modes(lead: Any) -> dict[str, str]:
    """Steps to rate as PRM800K has them rated, and steps with a machine's ratings to confirm."""
    from django.urls import reverse

    from labeling.services.assignments import claim_item

    made = {
        "rate-prm800k": _make_steps(lead, "prm800k", 4, "prm800k", []),
        "rate-proposed": _make_steps(lead, "proposed", 4, "all_steps", [1, 1, -1, 1]),
    }
    return {
        name: reverse("labeling:assignment", args=[claim_item(user=lead, item=item).pk])
        for name, item in made.items()
    }


def _stage_data(project: Any, lead: Any) -> dict[str, str]:
    """Solutions with words of people and of machines, an injection, an import, a release."""
    from django.urls import reverse

    from labeling.models import Injection, Release, ReviewItem
    from labeling.services.transfers import create_import, run_import

    batch = create_import(
        project=project,
        by=lead,
        chunks=[IMPORTED.encode()],
        filename="three-sums.jsonl",
        format_name="trl",
        send=False,
    )
    run_import(batch.pk)
    rated = ReviewItem.objects.filter(project=project, task="rate_steps", state="decided").first()
    verified = ReviewItem.objects.filter(
        project=project, task="verify_injection", state="decided"
    ).first()
    assert rated is not None
    assert verified is not None
    injection = Injection.objects.get(modified=verified.solution_id)
    release = Release.objects.filter(project=project, state=Release.State.READY).first()
    assert release is not None
    return {
        "import": reverse("labeling:import", args=[batch.pk]),
        "solution": reverse("labeling:solution", args=[rated.solution_id]),
        "solution-injected": reverse("labeling:solution", args=[injection.modified_id]),
        "injection": reverse("labeling:injection", args=[injection.pk]),
        "release": reverse("labeling:release", args=[release.pk]),
    }


def _stage_job(project: Any, lead: Any) -> dict[str, str]:
    """A finished job of the scripted engine, with failures among its items."""
    from django.urls import reverse

    from modeljobs.models import JobItem
    from modeljobs.runner import run_job
    from modeljobs.services.engines import ensure_scripted_engine
    from modeljobs.services.jobs import create_job, start

    engine = ensure_scripted_engine()
    job = create_job(
        project=project,
        engine=engine,
        method="injection",
        parameters={"error_types": ["deception", "confidence", "missing_condition"]},
        seed=3,
        selection={"correct_only": True, "limit": 8},
        by=lead,
    )
    start(job=job, by=lead)
    run_job(job_id=job.pk, worker="staging")
    item = JobItem.objects.filter(job=job, state=JobItem.State.DONE).first()
    assert item is not None
    return {
        "job": reverse("modeljobs:job", args=[job.pk]),
        "job-items": reverse("modeljobs:items", args=[job.pk]),
        "job-item": reverse("modeljobs:item", args=[item.pk]),
        "engine": reverse("modeljobs:engine", args=[engine.pk]),
    }


def _stage_evidence(lead: Any) -> dict[str, str]:
    """Steps that a machine has checked, with every kind of ending, and people's runs of its code;
    in a project of its own, whose reviewers may open evidence from the start.
    """
    from django.urls import reverse

    from labeling.services.assignments import claim_item
    from modeljobs.services.reveals import open_evidence
    from tests.labeling.factories import enqueue, make_project, make_solution
    from tests.modeljobs.web.rows import (
        add_check,
        add_evidence,
        add_rating,
        add_trial,
        make_job,
    )

    project = make_project(lead, "evidence", machine_evidence="always", equality_checks="always")
    steps = [
        r"The terms are $2, 7, 12, \dots, 97$, so their number is $\frac{97-2}{5} = 19$.",
        r"Each of them leaves the remainder $2$ when it is divided by $5$.",
        r"Their sum is therefore $\frac{19\,(2+97)}{2}$, which is no whole number of cents.",
        r"So the answer is $\boxed{990}$.",
    ]
    solution = make_solution(
        project,
        "progression",
        steps=steps,
        question=r"What is the sum of all $n \le 100$ with $n \equiv 2 \pmod 5$?",
    )
    job = make_job(project, lead, [solution], kind="tiny")
    item = job.items.get()
    for position, samples in enumerate(_build_samples()):
        add_evidence(item, position, samples)
    add_trial(item, lead)
    add_trial(item, lead, state="failed", status="killed", output="", error="It opened a socket.")
    add_trial(item, lead, status="not_run", output="", analysis=r"We check that $2+2=5$.")
    add_rating(item, lead, value="wrong", note=r"It never looks at $\frac{97-2}{5}$.")
    add_rating(item, lead, value="wrong_reason")
    held = claim_item(user=lead, item=enqueue(solution))
    add_check(held.item, lead)
    add_check(held.item, lead, state="failed", answer="", reason='{"code": "no_worker"}')
    open_evidence(assignment=held, position=0)
    query = "?position=0&sample=0&block=0"
    return {
        "job-new-genprm": reverse("modeljobs:job-new", args=[SLUG]) + "?method=genprm",
        "job-verified": reverse("modeljobs:job", args=[job.pk]),
        "job-verified-items": reverse("modeljobs:items", args=[job.pk]),
        "item-verified": reverse("modeljobs:item", args=[item.pk]),
        "item-evidence": reverse("modeljobs:item-evidence", args=[item.pk]),
        "trials": reverse("modeljobs:trials", args=[item.pk]) + query,
        "rationale": reverse("modeljobs:rationales", args=[item.pk]) + query,
        "job-rationales": reverse("modeljobs:job-rationales", args=[job.pk]),
        "job-rationales-none": reverse("modeljobs:job-rationales", args=[job.pk]) + "?value=sound",
        "solution-evidence": reverse("modeljobs:solution-evidence", args=[solution.pk]),
        "assignment-equalities": reverse("modeljobs:assignment-equalities", args=[held.pk]),
        "item-equalities": reverse("modeljobs:item-equalities", args=[held.item_id]),
        "solution-verified": reverse("labeling:solution", args=[solution.pk]),
        "rate-evidence": reverse("labeling:assignment", args=[held.pk]),
        "assignment-evidence": reverse("modeljobs:assignment-evidence", args=[held.pk]),
    }


def _stage_rollouts(lead: Any) -> dict[str, str]:
    """Labels by rollouts with every kind of state, scores of PRMs and critics, and references in
    doubt; in a project whose reviewers may open evidence from the start.
    """
    from django.urls import reverse
    from django.utils import timezone

    from labeling.services.assignments import claim_item
    from modeljobs.methods.rpe_labels import LabelRule
    from modeljobs.services.reveals import open_evidence
    from tests.labeling.factories import enqueue, make_project, make_solution
    from tests.modeljobs.counting import (
        add_doubt,
        add_evidence_of,
        add_rollouts,
        add_scores,
        add_writing,
        count_job,
    )
    from tests.modeljobs.web.rows import make_job
    from tests.modeljobs.writing_now import freeze

    project = make_project(lead, "rollouts", machine_evidence="always")
    question = r"What is the sum of all $n \le 100$ with $n \equiv 2 \pmod 5$?"
    steps = [
        r"The terms are $2, 7, 12, \dots, 97$.",
        r"Their number is $\frac{97-2}{5} + 1 = 20$.",
        r"Each of them leaves the remainder $2$.",
        r"Their mean is $\frac{2+97}{2} = 49$.",
        r"Their sum is therefore $20 \cdot 49 = 980$.",
        r"So the answer is $\boxed{980}$.",
    ]
    solutions = [
        make_solution(project, f"progression-{n}", steps=steps, question=f"{question} ({n})")
        for n in range(6)
    ]
    falling = ((42, 22), (43, 21), (51, 13), (44, 20), (9, 55), (2, 62), (0, 1))
    broken = ((42, 22), (43, 21), (51, 13), (55, 9), (9, 55), (2, 62), (0, 1))
    sound = ((42, 22), (44, 20), (52, 12), (55, 9), (60, 4), (63, 1), (1, 0))
    hopeless = ((0, 64), (0, 64), (0, 64), (0, 64), (0, 64), (0, 64), (0, 1))
    easy = ((64, 0), (64, 0), (62, 2), (64, 0), (64, 0), (64, 0), (1, 0))
    counts = [falling, sound, hopeless, easy, sound, broken]
    job = count_job(project, lead, solutions, counts, kind="tiny")
    first, doubted = job.items.order_by("pk")[:2]
    # Formulas behind closed lids wait until they are opened: few are enough.
    add_evidence_of(first, falling, reference="990", with_texts=1)
    add_rollouts(
        doubted,
        0,
        4,
        52,
        kind="rpe_start",
        reference="990",
        other="1000",
        reasons={"undecided": {"not_comparable": 6}, "truncated": {"length": 2}},
        suspect={"answer": "1000", "rollouts": 52, "answered": 56, "whole": "1000"},
    )
    freeze(job=job, rule=LabelRule(), by=lead, note="For the first training run.")
    # Heard of tomorrow: nobody takes it for a worker that was lost.
    busy = count_job(project, lead, solutions[:2], [falling, sound], kind="tiny")
    tomorrow = timezone.now() + timedelta(days=1)
    add_writing(busy, done=3_000, total=10_000, beat_at=tomorrow)
    judged = make_job(project, lead, solutions[:1])
    judged.method = "prm"
    judged.save()
    scored = judged.items.get()
    add_scores(scored, 0, texts=["The step lists every number that leaves the remainder two."])
    add_scores(scored, 1, scores=[], verdict=None, reason="The reply names no verdict.")
    problem = make_solution(project, "doubted", question=question).problem
    add_doubt(solutions[1].problem, doubted, reference="990", answer="1000", rollouts=52)
    add_doubt(
        problem,
        None,
        reference="980",
        answer="990",
        state="wrong",
        corrected_answer="990",
        note="The list was one short.",
        decided_by=lead,
        decided_at=timezone.now(),
    )
    held = claim_item(user=lead, item=enqueue(solutions[0]))
    for position in (0, 1, 3):
        open_evidence(assignment=held, position=position)
    return {
        "job-rollouts": reverse("modeljobs:job", args=[job.pk]),
        "job-labels": reverse("modeljobs:labels", args=[job.pk]),
        "job-labels-writing": reverse("modeljobs:labels", args=[busy.pk]),
        "item-rollouts": reverse("modeljobs:item", args=[first.pk]),
        "item-scores": reverse("modeljobs:item-evidence", args=[scored.pk]),
        "solution-rollouts": reverse("labeling:solution", args=[solutions[0].pk]),
        "assignment-rollouts": reverse("modeljobs:assignment-evidence", args=[held.pk]),
        "doubts": reverse("modeljobs:doubts", args=["rollouts"]),
    }


def _stage_consensus(lead: Any) -> dict[str, str]:
    """Rollouts and a judge, compared, with the conversations of what is kept."""
    from django.urls import reverse

    from tests.labeling.factories import make_project
    from tests.modeljobs.consensus_rows import make_comparison
    from tests.modeljobs.writing_now import freeze_conversations

    run = make_comparison(make_project(lead, "consensus"), lead)
    freeze_conversations(run=run, by=lead)
    return {
        "consensus-runs": reverse("modeljobs:consensus-runs", args=["consensus"]),
        "consensus-empty": reverse("modeljobs:consensus-runs", args=[SLUG]),
        "consensus": reverse("modeljobs:consensus", args=[run.pk]),
    }


def _stage_comments(project: Any, lead: Any) -> dict[str, str]:
    """Flags, a thread with an answer, one that is settled, one withdrawn; and one to the lead."""
    from django.urls import reverse

    from labeling.models import Assignment, Membership, ReviewItem, User
    from labeling.services.assignments import claim_item
    from labeling.services.comments import add_comment, reply, resolve, withdraw
    from labeling.services.members import add_member

    reviewer = User.objects.create_user("reviewer", password="reviewer")
    add_member(project=project, user=reviewer, role=Membership.Role.ANNOTATOR, by=None)
    waiting = ReviewItem.objects.filter(
        project=project, state="waiting", free_slots__gt=0, solution__n_steps__gt=2
    )
    touched = Assignment.objects.filter(annotator=lead).values("item")
    item, other = waiting.exclude(pk__in=touched).order_by("-queue_order")[:2]
    claim_item(user=reviewer, item=item)

    def say(by: Any, text: str, **more: Any) -> Any:
        return add_comment(item=item, by=by, text=text, idempotency_key=uuid.uuid4(), **more)

    asked = r"Is $\frac{1}{3} \approx 0.33$ a mistake here, or a rounding that we let pass?"
    first = say(reviewer, asked, position=1, reason="guidelines", names=[lead.pk])
    answered = reply(
        to=first, by=lead, text="It is a rounding: see the rulings.", idempotency_key=uuid.uuid4()
    )
    reply(to=answered, by=reviewer, text="Thank you.", idempotency_key=uuid.uuid4())
    say(reviewer, "The figure that the problem speaks of is missing.", reason="problem")
    resolve(comment=say(reviewer, "Do I judge a step that only repeats?"), by=lead)
    withdraw(comment=say(reviewer, "Never mind."), by=reviewer)
    say(lead, "Take $n$ as a whole number throughout.", audience="everyone")
    mine = claim_item(user=lead, item=other)
    add_comment(
        item=other,
        by=lead,
        text="I am not sure about $2^{10}$.",
        idempotency_key=uuid.uuid4(),
        position=0,
    )
    return {
        "comments": reverse("labeling:comments", args=[SLUG]),
        "comments-none": reverse("labeling:comments", args=["consensus"]),
        "comments-to-you": reverse("labeling:comments-to-you"),
        "item-comments": reverse("labeling:item-comments", args=[item.pk]),
        "assignment-comments": reverse("labeling:assignment-comments", args=[mine.pk]),
    }


def _stage_guidance(lead: Any) -> dict[str, str]:
    """Guidelines that changed since the lead read them, and a ruling that was withdrawn; in a
    project of its own.
    """
    from django.urls import reverse

    from labeling.selectors.guidance import find_edition
    from labeling.services.guidance import make_ruling, note_reading, withdraw_ruling
    from labeling.services.projects import publish_guidelines
    from tests.labeling.factories import make_project

    project = make_project(lead, "guidance")

    def publish(*, last: str) -> None:
        publish_guidelines(
            project=project,
            by=lead,
            text=f"# Rounding\n\nA result $\\frac{{1}}{{3}}$ stays exact.\n\n- one\n- {last}",
            translations={"zh-hans": f"# 取整\n\n结果 $\\frac{{1}}{{3}}$ 保持精确。\n\n- {last}"},
            seen_version=project.guideline_version,
        )

    def rule(question: str, **more: Any) -> Any:
        return make_ruling(project=project, by=lead, question=question, answer="No.", **more)

    publish(last="two")
    gone = rule(r"Is $0.33$ a third?")
    note_reading(project=project, person=lead, seen=find_edition(project))
    publish(last="two and three")
    withdraw_ruling(ruling=gone, by=lead)
    rule("Is a guess that is tested a circle?", error_type="circular")
    panel = reverse("labeling:guidelines-panel", args=["guidance"])
    return {
        "guidelines-panel": reverse("labeling:guidelines-panel", args=[SLUG]),
        "guidelines-changed": panel,
        "guidelines-search": f"{panel}?q=rounding",
        "rulings": reverse("labeling:rulings", args=["guidance"]) + "?make",
        "rulings-none": reverse("labeling:rulings", args=["consensus"]),
    }


def _build_samples() -> list[list[dict[str, Any]]]:
    """The samples of three steps: votes apart, bounds and failures, and nothing to be read."""
    from tests.modeljobs.web.rows import make_block, make_sample

    counting = "len([n for n in range(1, 101) if n % 5 == 2])"
    wide = make_block(f"values = [{counting}]\nprint(values, {'9' * 160})", "[20] " + "9" * 300)
    return [
        [
            make_sample(
                0,
                0.12,
                analysis=r"An arithmetic progression from $2$ to $97$ in steps of $5$ has "
                r"$\frac{97-2}{5}+1 = 20$ terms: the step drops one.",
                blocks=[make_block(f"print({counting})", "20"), wide],
            ),
            make_sample(1, 0.04, bound="at_most"),
            make_sample(2, 0.81),
        ],
        [
            make_sample(0, 0.97, bound="at_least", blocks=[]),
            make_sample(
                1,
                0.55,
                blocks=[
                    make_block("1/0", "Code execute Error: ZeroDivisionError", status="error"),
                    make_block("print('...')", "20 " * 200, is_truncated=True),
                ],
            ),
            make_sample(2, 0.2, blocks=[make_block("print(2)", "2", status="imagined")]),
        ],
        [
            make_sample(0, None, blocks=[make_block("while True: pass", "", status="timeout")]),
            make_sample(1, None, blocks=[]),
        ],
    ]


def _stage_reports(lead: Any) -> dict[str, str]:
    """Originals that reviewers found wrong, and words of the lead's own that can be opened again;
    in a project of its own, which shows decisions.
    """
    from django.urls import reverse

    from labeling.models import Annotation, Membership, SourceReport
    from labeling.records import At
    from labeling.services.annotations import reveal_claim, revise, submit
    from labeling.services.assignments import claim_item
    from labeling.services.reports import confirm, dismiss, report_original
    from tests.labeling.factories import (
        enqueue,
        join,
        make_injection_item,
        make_project,
        make_solution,
        make_user,
        rating,
        verdict,
    )

    project = make_project(lead, "originals", decisions_shown=True)
    person = make_user("wagtail")
    join(project, person, Membership.Role.ANNOTATOR)
    wrong = {"reject_code": "original_wrong", "error_positions": [], "error_type": ""}
    rejected = verdict("reject", note="Step 1 counts the end twice.", **wrong)

    def say(user: Any, item: Any, data: dict[str, Any]) -> Annotation:
        held = claim_item(user=user, item=item)
        if item.task == "verify_injection":
            reveal_claim(assignment=held, lease_token=held.lease_token, blind_first_error=At(1))
        key = uuid.uuid4()
        token = held.lease_token
        revision = submit(assignment=held, lease_token=token, data=data, idempotency_key=key)
        return revision.annotation

    def reopen(annotation: Annotation, data: dict[str, Any]) -> None:
        revise(
            annotation=annotation,
            by=lead,
            data=data,
            reason="I had read the third line of the problem as a condition.",
            seen_number=1,
            idempotency_key=uuid.uuid4(),
        )

    rated = say(
        lead,
        enqueue(make_solution(project, "rated")),
        rating("correct", "correct", "wrong", note="The unit is lost."),
    )
    reopen(rated, rating("correct", "wrong", "wrong"))
    verified = say(lead, make_injection_item(project, "verified"), verdict())
    for key in ("open", "wrong", "right"):
        item = make_injection_item(project, key)
        say(person, item, rejected)
        report_original(item=item, reporter=person, note="Step 1 counts the end twice.")
    _first, second, third = SourceReport.objects.filter(project=project).order_by("pk")
    confirm(report=second, by=lead, reason="It counts $n$ and $n+1$ both.")
    dismiss(report=third, by=lead, reason="The end belongs to it: $0 \\le k \\le n$.")
    reports = reverse("labeling:reports", args=[project.slug])
    mine = reverse("labeling:submitted", args=[project.slug])
    return {
        "reports": reports,
        "reports-confirmed": f"{reports}?state=confirmed",
        "reports-dismissed": f"{reports}?state=dismissed",
        "reports-none": reverse("labeling:reports", args=[SLUG]) + "?state=dismissed",
        "submitted-changed": f"{mine}?changed=on",
        "submitted-nothing": f"{mine}?text=nowhere",
        "solution-reported": reverse("labeling:solution", args=[second.original_id]),
        "assignment-changed": _closed_page(rated),
        "reopen": reverse("labeling:annotation-reopen", args=[rated.pk]),
        "reopen-verdict": reverse("labeling:annotation-reopen", args=[verified.pk]),
    }


def _closed_page(annotation: Any) -> str:
    """The page of an item that its reviewer has submitted."""
    from django.urls import reverse

    first = annotation.revisions.get(number=1)
    return reverse("labeling:assignment", args=[first.assignment_id])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
