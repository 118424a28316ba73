"""What the workspace pages are drawn from, made up: no database, but the real records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from labeling.alignment import align_steps, diff_text
from labeling.selectors.disputes import CellView, MatrixRow, PersonView
from labeling.selectors.review import ClaimView, ErrorTypeView, ForkRow, StepView

STEPS = [
    "Factor the expression: $n^2+3n = n(n+3)$.",
    r"Since $10 = 2\cdot 5$, the product must be divisible by both $2$ and $5$.",
    "The numbers $n$ and $n+3$ differ by an odd number, so exactly one of them is even.",
    "So let us think about what this tells us.",
    r"There are $\lfloor \tfrac{100}{5}\rfloor = 20$ multiples of $5$.",
    r"The number of such integers is $\boxed{39}$.",
]
ORIGINAL = [
    r"We split $\tfrac{16}{x} = \tfrac{8}{x}+\tfrac{8}{x}$.",
    "The terms are all positive because $x>0$.",
    r"The bound is $3\sqrt[3]{64}=12$.",
    r"The minimum of $f$ is $\boxed{12}$.",
]
MODIFIED = [
    ORIGINAL[0],
    r"The terms are nonzero because $x\neq 0$.",
    "The product of the terms is constant, so their signs play no role.",
    ORIGINAL[2],
    r"The minimum over all $x$ is $\boxed{12}$.",
]
QUESTION = r"Let $x>0$. Find the minimum value of $f(x)=x^2+\dfrac{16}{x}$."
NEW_QUESTION = r"Let $x$ be nonzero. Find the minimum value of $f(x)=x^2+\dfrac{16}{x}$."
TYPES = [
    ErrorTypeView("counting", "Counting", "Basic", "The number of objects is wrong.", "", ""),
    ErrorTypeView("domain", "Domain", "Soundness", "A rule where it does not hold.", "", ""),
    ErrorTypeView("logic", "Logic", "Soundness", "It does not follow.", "From $a$ to $b$.", ""),
]
CLAIM = ClaimView(
    error_type="domain",
    error_type_name="Domain",
    error_positions=[1, 2],
    changed_positions=[1, 2],
    reason="The secret reason: AM–GM needs $x > 0$.",
    lints=[
        {
            "code": "W14",
            "severity": "warn",
            "message": "Counted before step 3 was inserted?",
            "step": None,
            "fix": {"op": "shift", "by": 1},
        },
        {
            "code": "W23",
            "severity": "warn",
            "message": "Rests on step 3 and is not flagged.",
            "step": 4,
            "fix": {"op": "flag", "position": 4},
        },
    ],
    is_scripted=False,
    producer="import",
)
# A claim that offers another correct solution: it points at no step.
OFFER = replace(
    CLAIM,
    error_type="multi_solutions",
    error_type_name="Another solution",
    error_positions=[],
    changed_positions=[],
    reason="",
    lints=[],
)
PROTOCOL = {
    "mode": "all_steps",
    "stop_at_first_error": False,
    "rating_view": "ternary",
    "asks_contribution": True,
    "asks_origin": True,
    "asks_error_types": True,
    "show_reference_answer": True,
    "allow_partial": False,
    "hide_claim": True,
}
API = "/api/v1/assignments/7"


def step_views(texts: list[str]) -> list[StepView]:
    return [
        StepView(position, position, position + 1, text, "text")
        for position, text in enumerate(texts)
    ]


def _shared(**changed: Any) -> dict[str, Any]:
    context: dict[str, Any] = {
        "project": {
            "name": "Counting",
            "url": "/p/",
            "guidelines_url": "/g/",
            "guideline_version": 3,
        },
        "assignment": {"id": 7, "lease_token": "the-token", "lease_expires_at": "2030-01-01"},
        "item": {"id": 1, "task": "rate_steps"},
        "problem": {
            "text": "For how many integers $n$ is $n^2+3n$ divisible by $10$?",
            "reference_answer": "$40$",
            "language": "en",
        },
        "protocol": dict(PROTOCOL),
        "error_types": TYPES,
        "draft": {"version": 0, "content": {}},
        "progress": {"done": 38, "total": 60},
        "urls": {
            "home": "/home",
            "login": "/login",
            "form": "/form",
            "draft": f"{API}/draft/",
            "heartbeat": f"{API}/heartbeat/",
            "reveal": f"{API}/reveal/",
            "submit": f"{API}/submit/",
            "skip": f"{API}/skip/",
            "submit_next": "/assignments/7/submit/",
            "skip_next": "/assignments/7/skip/",
            # Of those tests only that are about it.
            "ahead": "",
            "again": "/again",
            "comments": "/assignments/7/comments/",
            "work": "/work",
        },
        "way": {"kind": "work", "asks_reason": False, "extra": {}},
        "keys": {},
        "single_keys": True,
        "view": "fork",
        "proposal": None,
        "gaps": [],
    }
    return context | changed


def rate_context(
    *,
    texts: list[str] | None = None,
    protocol: dict[str, Any] | None = None,
    draft: dict[str, Any] | None = None,
    proposed: Sequence[int | None] | None = None,
) -> dict[str, Any]:
    """What rate.html is drawn from; `proposed` are a machine's ratings, to be confirmed."""
    return _shared(
        steps=step_views(texts or STEPS),
        solution={"final_answer": "$39$", "final_answer_correct": False},
        protocol=PROTOCOL | (protocol or {}),
        draft=draft or {"version": 0, "content": {}},
        proposal=None
        if proposed is None
        else {
            "suggestion": 3,
            "method": "genprm",
            "producer": "GenPRM-7B",
            "is_scripted": True,
            "ratings": proposed,
        },
    )


def build_fork(original: list[str], modified: list[str]) -> list[ForkRow]:
    before, after = step_views(original), step_views(modified)
    rows = []
    for pair in align_steps(original, modified):
        one = None if pair.original is None else before[pair.original]
        other = None if pair.modified is None else after[pair.modified]
        edited = one is not None and other is not None and pair.kind == "edited"
        diff = diff_text(one.text, other.text) if one and other and edited else None
        rows.append(ForkRow(str(pair.kind), one, other, diff))
    return rows


def verify_context(
    *,
    is_sealed: bool = True,
    modified: list[str] | None = None,
    claim: ClaimView = CLAIM,
    **changed: Any,
) -> dict[str, Any]:
    """What verify.html is drawn from; `is_sealed` leaves the claim out."""
    texts = modified or MODIFIED
    return _shared(
        item={"id": 1, "task": "verify_injection"},
        problem={"text": NEW_QUESTION, "reference_answer": None, "language": "en"},
        question_diff=diff_text(QUESTION, NEW_QUESTION),
        fork=build_fork(ORIGINAL, texts),
        n_original_steps=len(ORIGINAL),
        n_steps=len(texts),
        claim=None if is_sealed else claim,
        blind_first_error=None if is_sealed else {"at": 1},
        has_evidence=False,
        evidence_note="",
        steps=step_views(texts),
        **changed,
    )


def _label(position: int, rating: int) -> dict[str, Any]:
    validity = "wrong" if rating < 0 else "correct"
    return {"position": position, "validity": validity, "rating": rating}


def _person(number: int, name: str, **said: Any) -> PersonView:
    blank: dict[str, Any] = {
        "verdict": "",
        "reject_code": "",
        "error_type": "",
        "error_positions": [],
        "blind_position": None,
        "note": "",
        "outcome": "complete",
        "content": {},
    }
    return PersonView(annotation_id=number, name=name, is_simulated=False, **(blank | said))


def adjudicate_ratings_context() -> dict[str, Any]:
    """Three reviewers who agree on all steps but the third and the fifth."""
    given = [[1, 1, 0, 1, 1, 1], [1, 1, -1, 1, 1, 1], [1, 1, -1, 1, 0, 1]]
    people = [
        _person(
            number,
            name,
            content={
                "steps": [_label(at, rating) for at, rating in enumerate(ratings)],
            },
        )
        for number, (name, ratings) in enumerate(
            zip(("Heron", "Wren", "Finch"), given, strict=True)
        )
    ]
    rows = []
    for step in step_views(STEPS):
        cells = [
            CellView(
                rating=ratings[step.position],
                unsure=False,
                judged=True,
                flagged=False,
                error_type="",
                origin="",
                note="",
            )
            for ratings in given
        ]
        agreed = len({cell.rating for cell in cells}) == 1
        rows.append(MatrixRow(step=step, cells=cells, agreed=agreed, majority=None, machine=[]))
    return _decision(people=people, rows=rows, kinds=["severity"])


def adjudicate_verdicts_context() -> dict[str, Any]:
    """One accepts with a shift, one rejects."""
    shifted = {
        "schema": 1,
        "task": "verify_injection",
        "verdict": "accept_with_edits",
        "error_positions": [2, 3],
        "error_type": "domain",
        "reject_code": "",
        "edits": [{"op": "shift", "by": 1}],
        "steps": [],
        "blind_first_error": {"at": 2},
        "note": "mine",
    }
    rejected = shifted | {"verdict": "reject", "reject_code": "not_an_error", "edits": []}
    people = [
        _person(1, "Heron", verdict="accept_with_edits", error_positions=[2, 3], content=shifted),
        _person(2, "Wren", verdict="reject", reject_code="not_an_error", content=rejected),
    ]
    context = _decision(people=people, rows=[], kinds=["verdict"])
    return context | {
        "item": {"id": 1, "task": "verify_injection"},
        "problem": {"text": NEW_QUESTION, "reference_answer": None, "language": "en"},
        "question_diff": diff_text(QUESTION, NEW_QUESTION),
        "fork": build_fork(ORIGINAL, MODIFIED),
        "claim": CLAIM,
        "n_original_steps": len(ORIGINAL),
        "n_steps": len(MODIFIED),
    }


def adjudicate_offer_context() -> dict[str, Any]:
    """Another solution: one accepts it, one finds that it does not really differ."""
    accepted = {
        "schema": 1,
        "task": "verify_injection",
        "verdict": "accept",
        "error_positions": [],
        "error_type": "multi_solutions",
        "reject_code": "",
        "edits": [],
        "steps": [],
        "blind_first_error": {"none": True},
        "note": "",
        "correct": "yes",
        "different": "yes",
    }
    rejected = accepted | {
        "verdict": "reject",
        "reject_code": "not_different",
        "blind_first_error": {"unknown": "cannot tell"},
        "different": "no",
    }
    people = [
        _person(1, "Heron", verdict="accept", content=accepted),
        _person(2, "Wren", verdict="reject", reject_code="not_different", content=rejected),
    ]
    return adjudicate_verdicts_context() | {"people": people, "claim": OFFER}


def _decision(
    *, people: list[PersonView], rows: list[MatrixRow], kinds: list[str]
) -> dict[str, Any]:
    context = _shared(
        dispute={"id": 3, "version": 4, "kinds": kinds},
        people=people,
        rows=rows,
        machines=[],
        fork=[],
        claim=None,
        question_diff=None,
        n_original_steps=0,
        n_steps=len(STEPS),
        earlier=[],
        is_own_work=False,
        decision={"content": {}, "reason": ""},
    )
    context["urls"]["decide"] = "/api/v1/disputes/3/decide/"
    context["urls"]["send_back"] = "/disputes/3/send-back/"
    return context
