"""The packed truth: what a person submits, as one JSON document, parsed and checked.

Two tasks, two shapes. Both carry `schema` so that a later version can still read them. An
annotation revision freezes such a document; everything else about it is derived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from labeling.records import (
    At,
    Contribution,
    FirstError,
    NoError,
    Origin,
    Score,
    StepLabel,
    Unknown,
    Validity,
    derive_rating,
    find_first_error,
)

Kind = TypeVar("Kind", bound=StrEnum)

SCHEMA = 1
NOTE_LIMIT = 10_000
UNMARKED = StepLabel()
_TEXT_OR_NOTHING = (str, type(None))
_PLAIN_FIELDS = frozenset({"position", "validity", "contribution"})
_PLAIN_LABELS: dict[tuple[str, str | None], StepLabel] = {
    (str(validity), contribution and str(contribution)): StepLabel(
        validity=validity, contribution=contribution
    )
    for validity in Validity
    for contribution in (None, *Contribution)
}


class Task(StrEnum):
    RATE_STEPS = "rate_steps"
    VERIFY_INJECTION = "verify_injection"


class VerdictValue(StrEnum):
    ACCEPT = "accept"
    ACCEPT_WITH_EDITS = "accept_with_edits"
    REJECT = "reject"
    UNSURE = "unsure"
    BAD_PROBLEM = "bad_problem"


class RejectCode(StrEnum):
    NOT_AN_ERROR = "not_an_error"
    WRONG_TYPE = "wrong_type"
    ORIGINAL_WRONG = "original_wrong"
    NOT_DIFFERENT = "not_different"
    SELF_ANNOUNCING = "self_announcing"
    IMPLAUSIBLE = "implausible"
    OTHER = "other"


class OverrideReason(StrEnum):
    """Why a person's word on a step is not the machine's."""

    MISSED_ERROR = "missed_error"
    FALSE_ALARM = "false_alarm"
    MISREAD = "misread"
    INHERITED = "inherited"
    CONTRIBUTION = "contribution"
    GUIDELINES = "guidelines"
    OTHER = "other"


class Reply(StrEnum):
    """An answer to a question about the whole solution."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


class Outcome(StrEnum):
    """How a rating of steps ended."""

    COMPLETE = "complete"
    FIRST_ERROR = "first_error"
    GAVE_UP = "gave_up"
    BAD_PROBLEM = "bad_problem"


class ContentError(ValueError):
    """The document cannot be taken as it is; `field` says where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class StepJudgement:
    """A StepLabel with its position: one entry of the packed document."""

    position: int
    label: StepLabel


@dataclass(frozen=True, slots=True)
class Override:
    """Why the person's rating of a step is not the proposed one."""

    position: int
    reason: OverrideReason


@dataclass(frozen=True, slots=True)
class Proposal:
    """The machine's ratings that stood beside the steps: -1, 0, +1, None where it said nothing.

    Written by the server when the work is submitted: machine, human and final values stay apart.
    """

    suggestion: int
    ratings: tuple[int | None, ...]

    def find(self, position: int) -> int | None:
        return self.ratings[position] if position < len(self.ratings) else None


@dataclass(frozen=True, slots=True)
class RatingContent:
    """A rating of steps: the steps judged (only those), how it ended, and a note.

    `bulk` names the steps that were rated with others in one action. `overrides` say why a rating
    is not the proposed one. `proposal` and `before_reveal` (what was said of a step before machine
    evidence on it was opened, where that was another word) come from the server alone.
    """

    steps: tuple[StepJudgement, ...]
    outcome: Outcome = Outcome.COMPLETE
    note: str = ""
    bulk: tuple[int, ...] = ()
    overrides: tuple[Override, ...] = ()
    proposal: Proposal | None = None
    before_reveal: tuple[StepJudgement, ...] = ()
    task: Task = Task.RATE_STEPS

    def labels(self, n_steps: int) -> list[StepLabel | None]:
        by_position = {judgement.position: judgement.label for judgement in self.steps}
        return [by_position.get(position) for position in range(n_steps)]

    def first_error(self, n_steps: int) -> FirstError:
        if self.outcome in (Outcome.GAVE_UP, Outcome.BAD_PROBLEM):
            return Unknown(f"the outcome is {self.outcome}")
        return find_first_error(self.labels(n_steps))


@dataclass(frozen=True, slots=True)
class Edit:
    """One structured repair of a modified solution or its claim.

    op: `flag`/`unflag` (position), `shift` (by), `replace` (position, text), `insert_after`
    (position, text; -1 inserts before the first step), `delete` (position), `set_type` (text).
    Positions are those of the modified solution as it was shown.
    """

    op: str
    position: int | None = None
    text: str = ""
    by: int | None = None


EDIT_OPS = ("flag", "unflag", "shift", "replace", "insert_after", "delete", "set_type")


@dataclass(frozen=True, slots=True)
class VerdictContent:
    """A verdict on an injection.

    `blind_first_error` is the judgement made before the claim was shown (At, NoError, or Unknown
    when it was not asked); `error_positions` are the erroneous steps in the reviewer's view, in
    the numbering of the solution as it was shown; `labels` are optional judgements per step.
    `correct` and `different` answer the two questions about a second solution to the same problem
    (is it correct? does it really differ?); None where they were not asked.
    """

    verdict: VerdictValue
    error_positions: tuple[int, ...] = ()
    error_type: str = ""
    reject_code: RejectCode | None = None
    edits: tuple[Edit, ...] = ()
    steps: tuple[StepJudgement, ...] = ()
    blind_first_error: FirstError = Unknown("not asked")
    note: str = ""
    correct: Reply | None = None
    different: Reply | None = None
    before_reveal: tuple[StepJudgement, ...] = ()
    task: Task = Task.VERIFY_INJECTION

    def first_error(self, n_steps: int) -> FirstError:
        if self.verdict in (VerdictValue.UNSURE, VerdictValue.BAD_PROBLEM):
            return Unknown(f"the verdict is {self.verdict}")
        inside = [position for position in self.error_positions if 0 <= position < n_steps]
        return At(min(inside)) if inside else NoError()


Content = RatingContent | VerdictContent


def parse_content(data: object, *, n_steps: int) -> Content:
    """The document as a typed value, or ContentError with the field at fault.

    Checks shapes and ranges only; whether a partial document may be submitted is the protocol's
    question (`labeling.states`).
    """
    mapping = _mapping(data, "content")
    if mapping.get("schema", SCHEMA) != SCHEMA:
        raise ContentError("schema", f"version {mapping.get('schema')!r} is not known here.")
    task = mapping.get("task")
    if task == Task.RATE_STEPS:
        return RatingContent(
            steps=_judgements(mapping.get("steps", []), n_steps=n_steps),
            outcome=_choice(Outcome, mapping.get("outcome", "complete"), "outcome"),
            note=_text(mapping.get("note", ""), "note"),
            bulk=_positions(mapping.get("bulk", []), "bulk", n_steps=n_steps),
            overrides=_overrides(mapping.get("overrides", []), n_steps=n_steps),
            proposal=_proposal(mapping.get("proposal"), n_steps=n_steps),
            before_reveal=_judgements(
                mapping.get("before_reveal", []), n_steps=n_steps, field="before_reveal"
            ),
        )
    if task == Task.VERIFY_INJECTION:
        code = mapping.get("reject_code") or None
        return VerdictContent(
            verdict=_choice(VerdictValue, mapping.get("verdict"), "verdict"),
            error_positions=_positions(
                mapping.get("error_positions", []), "error_positions", n_steps=n_steps
            ),
            error_type=_text(mapping.get("error_type", ""), "error_type"),
            reject_code=None if code is None else _choice(RejectCode, code, "reject_code"),
            edits=_edits(mapping.get("edits", []), n_steps=n_steps),
            steps=_judgements(mapping.get("steps", []), n_steps=n_steps),
            blind_first_error=parse_first_error(mapping.get("blind_first_error"), n_steps=n_steps),
            note=_text(mapping.get("note", ""), "note"),
            correct=_optional_choice(Reply, mapping, "correct", "content"),
            different=_optional_choice(Reply, mapping, "different", "content"),
            before_reveal=_judgements(
                mapping.get("before_reveal", []), n_steps=n_steps, field="before_reveal"
            ),
        )
    raise ContentError("task", f"{task!r} is not a task; use 'rate_steps' or 'verify_injection'.")


def pack_content(content: Content) -> dict[str, Any]:
    """The document as JSON-ready data: the inverse of `parse_content`."""
    if isinstance(content, RatingContent):
        return _pack_rating(content)
    packed: dict[str, Any] = {
        "schema": SCHEMA,
        "task": str(content.task),
        "verdict": str(content.verdict),
        "error_positions": list(content.error_positions),
        "error_type": content.error_type,
        "reject_code": "" if content.reject_code is None else str(content.reject_code),
        "edits": [
            {key: value for key, value in asdict(edit).items() if value not in (None, "")}
            for edit in content.edits
        ],
        "steps": [_pack_judgement(judgement) for judgement in content.steps],
        "blind_first_error": pack_first_error(content.blind_first_error),
        "note": content.note,
    }
    # Only where they were asked or seen: a stored document stays small.
    if content.correct is not None:
        packed["correct"] = content.correct.value
    if content.different is not None:
        packed["different"] = content.different.value
    if content.before_reveal:
        packed["before_reveal"] = [_pack_judgement(one) for one in content.before_reveal]
    return packed


def _pack_rating(content: RatingContent) -> dict[str, Any]:
    packed: dict[str, Any] = {
        "schema": SCHEMA,
        "task": str(content.task),
        "steps": [_pack_judgement(judgement) for judgement in content.steps],
        "outcome": str(content.outcome),
        "note": content.note,
    }
    if content.bulk:
        packed["bulk"] = list(content.bulk)
    if content.overrides:
        packed["overrides"] = [
            {"position": one.position, "reason": one.reason.value} for one in content.overrides
        ]
    if content.proposal is not None:
        packed["proposal"] = {
            "suggestion": content.proposal.suggestion,
            "ratings": list(content.proposal.ratings),
        }
    if content.before_reveal:
        packed["before_reveal"] = [_pack_judgement(one) for one in content.before_reveal]
    return packed


def pack_first_error(value: FirstError) -> dict[str, Any]:
    """{"at": 3} | {"none": true} | {"unknown": reason}."""
    if isinstance(value, At):
        return {"at": value.position}
    if isinstance(value, NoError):
        return {"none": True}
    return {"unknown": value.reason}


def parse_first_error(data: object, *, n_steps: int | None = None) -> FirstError:
    """The inverse of `pack_first_error`; nothing at all is Unknown("not asked")."""
    if data is None:
        return Unknown("not asked")
    mapping = _mapping(data, "first_error")
    if "at" in mapping:
        return At(_position(mapping["at"], "first_error.at", n_steps=n_steps))
    if mapping.get("none") is True:
        return NoError()
    return Unknown(_text(mapping.get("unknown", "not given"), "first_error.unknown"))


def pack_label(label: StepLabel) -> dict[str, Any]:
    """A StepLabel as JSON: only what was said, so that a stored document stays small."""
    packed: dict[str, Any] = {}
    # Spelled out, not looped over: an import and a release pack every label of a data set.
    if label.validity is not None:
        packed["validity"] = label.validity.value
    if label.contribution is not None:
        packed["contribution"] = label.contribution.value
    if label.origin is not None:
        packed["origin"] = label.origin.value
    if label.error_types:
        packed["error_types"] = list(label.error_types)
    if label.unsure:
        packed["unsure"] = True
    if label.note:
        packed["note"] = label.note
    if label.severity:
        packed["severity"] = label.severity
    if label.confidence:
        packed["confidence"] = label.confidence
    if label.rating is not None:
        packed["rating"] = label.rating
    if label.score is not None:
        packed["score"] = _pack_score(label.score)
    if label.redundancy is not None:
        packed["redundancy"] = _pack_score(label.redundancy)
    return packed


def parse_label(data: object, field: str = "label") -> StepLabel:
    """The inverse of `pack_label`; a label that says nothing is refused."""
    mapping = _mapping(data, field)
    types = mapping.get("error_types", [])
    if not isinstance(types, list | tuple) or not all(isinstance(code, str) for code in types):
        raise ContentError(f"{field}.error_types", "is a list of error type codes.")
    rating = mapping.get("rating")
    if rating is not None and (isinstance(rating, bool) or rating not in (-1, 0, 1)):
        raise ContentError(f"{field}.rating", f"is -1, 0 or 1, not {rating!r}.")
    return StepLabel(
        validity=_optional_choice(Validity, mapping, "validity", field),
        contribution=_optional_choice(Contribution, mapping, "contribution", field),
        origin=_optional_choice(Origin, mapping, "origin", field),
        error_types=tuple(types),
        unsure=bool(mapping.get("unsure", False)),
        note=_text(mapping.get("note", ""), f"{field}.note"),
        rating=rating,
        score=_parse_score(mapping.get("score"), f"{field}.score"),
        redundancy=_parse_score(mapping.get("redundancy"), f"{field}.redundancy"),
        severity=_text(mapping.get("severity", ""), f"{field}.severity"),
        confidence=_text(mapping.get("confidence", ""), f"{field}.confidence"),
    )


def _pack_score(score: Score) -> dict[str, Any]:
    return {"raw": score.raw, "scale": score.scale, "rule": score.rule}


def _parse_score(data: object, field: str) -> Score | None:
    if data is None:
        return None
    mapping = _mapping(data, field)
    return Score(
        raw=float(mapping["raw"]),
        scale=str(mapping.get("scale", "")),
        rule=str(mapping.get("rule", "")),
    )


def ratings_of(content: RatingContent, n_steps: int) -> list[int | None]:
    """-1/0/+1 per step, None where the step was not judged or the reviewer was unsure of it."""
    return [
        None if label is None or (label.unsure and label.validity is None) else derive_rating(label)
        for label in content.labels(n_steps)
    ]


def _pack_judgement(judgement: StepJudgement) -> dict[str, Any]:
    return {"position": judgement.position, **pack_label(judgement.label)}


def _judgements(data: object, *, n_steps: int, field: str = "steps") -> tuple[StepJudgement, ...]:
    if not isinstance(data, list | tuple):
        raise ContentError(field, "is a list of judged steps.")
    judged: dict[int, StepJudgement] = {}
    for index, entry in enumerate(data):
        judgement = _find_plain_judgement(entry, n_steps=n_steps)
        if judgement is None:
            judgement = _parse_judgement(entry, f"{field}[{index}]", n_steps=n_steps)
        if judgement.position in judged:
            raise ContentError(
                f"{field}[{index}].position", f"step {judgement.position + 1} stands twice."
            )
        if judgement.label is not UNMARKED:
            # Where nothing was said about the step, it stays unmarked.
            judged[judgement.position] = judgement
    return tuple([judged[position] for position in sorted(judged)])


def _parse_judgement(entry: object, field: str, *, n_steps: int) -> StepJudgement:
    mapping = _mapping(entry, field)
    position = _position(mapping.get("position"), f"{field}.position", n_steps=n_steps)
    label = parse_label(mapping, field)
    return StepJudgement(position, UNMARKED if label == UNMARKED else label)


def _find_plain_judgement(entry: object, *, n_steps: int) -> StepJudgement | None:
    """The judgement where it is on the two axes and in order, as nearly all are; else None.

    A release parses every judgement of a data set. Judgements never change, so equal ones are
    shared instead of built anew, which would take most of its time.
    """
    if type(entry) is not dict or not entry.keys() <= _PLAIN_FIELDS:
        return None
    position, validity = entry.get("position"), entry.get("validity")
    contribution = entry.get("contribution")
    # The very types: True is equal to 1, and would find what is kept for it.
    if type(position) is not int or type(validity) is not str:
        return None
    if not 0 <= position < n_steps or type(contribution) not in _TEXT_OR_NOTHING:
        return None
    return _share_judgement(position, validity, contribution)


@lru_cache(maxsize=4096)
def _share_judgement(
    position: int, validity: str, contribution: str | None
) -> StepJudgement | None:
    label = _PLAIN_LABELS.get((validity, contribution))
    return None if label is None else StepJudgement(position, label)


def _edits(data: object, *, n_steps: int) -> tuple[Edit, ...]:
    if not isinstance(data, list | tuple):
        raise ContentError("edits", "is a list of edits.")
    edits = []
    for index, entry in enumerate(data):
        field = f"edits[{index}]"
        mapping = _mapping(entry, field)
        op = mapping.get("op")
        if op not in EDIT_OPS:
            raise ContentError(f"{field}.op", f"{op!r} is not one of {', '.join(EDIT_OPS)}.")
        position = mapping.get("position")
        if op in ("flag", "unflag", "replace", "insert_after", "delete"):
            of_inserted = op == "flag" and mapping.get("text") == "inserted"
            lowest = -1 if op == "insert_after" or of_inserted else 0
            position = _position(position, f"{field}.position", n_steps=n_steps, lowest=lowest)
        text = _text(mapping.get("text", ""), f"{field}.text", limit=100_000)
        if op in ("replace", "insert_after", "set_type") and not text.strip():
            raise ContentError(f"{field}.text", f"{op!r} needs a text.")
        by = mapping.get("by")
        if op == "shift" and (isinstance(by, bool) or not isinstance(by, int) or by == 0):
            raise ContentError(f"{field}.by", f"a shift is a whole number but 0, not {by!r}.")
        edits.append(Edit(op=str(op), position=position, text=text, by=by))
    return tuple(edits)


def _overrides(data: object, *, n_steps: int) -> tuple[Override, ...]:
    if not isinstance(data, list | tuple):
        raise ContentError("overrides", "is a list of steps with reasons.")
    found: dict[int, Override] = {}
    for index, entry in enumerate(data):
        field = f"overrides[{index}]"
        mapping = _mapping(entry, field)
        position = _position(mapping.get("position"), f"{field}.position", n_steps=n_steps)
        if position in found:
            raise ContentError(f"{field}.position", f"step {position + 1} stands twice.")
        reason = _choice(OverrideReason, mapping.get("reason"), f"{field}.reason")
        found[position] = Override(position, reason)
    return tuple([found[position] for position in sorted(found)])


def _proposal(data: object, *, n_steps: int) -> Proposal | None:
    if data is None:
        return None
    mapping = _mapping(data, "proposal")
    ratings = mapping.get("ratings")
    if not isinstance(ratings, list | tuple) or len(ratings) != n_steps:
        raise ContentError("proposal.ratings", "has a rating or null for each step.")
    for rating in ratings:
        if rating is not None and (isinstance(rating, bool) or rating not in (-1, 0, 1)):
            raise ContentError("proposal.ratings", f"are -1, 0, 1 or null, not {rating!r}.")
    suggestion = _position(mapping.get("suggestion"), "proposal.suggestion", n_steps=None)
    return Proposal(suggestion, tuple(ratings))


def _positions(data: object, field: str, *, n_steps: int) -> tuple[int, ...]:
    if not isinstance(data, list | tuple):
        raise ContentError(field, "is a list of step positions.")
    return tuple(
        sorted(
            {
                _position(value, f"{field}[{index}]", n_steps=n_steps)
                for index, value in enumerate(data)
            }
        )
    )


def _position(value: object, field: str, *, n_steps: int | None, lowest: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ContentError(field, f"is a whole number, not {value!r}.")
    if value < lowest or (n_steps is not None and value >= n_steps):
        raise ContentError(field, f"{value} is not the position of a step (0 to {n_steps!r} - 1).")
    return value


def _choice(kind: type[Kind], value: object, field: str) -> Kind:
    try:
        return kind(str(value)) if value is not None else kind("")
    except ValueError:
        known = ", ".join(repr(str(member)) for member in kind)
        raise ContentError(field, f"{value!r} is not one of {known}.") from None


def _optional_choice(
    kind: type[Kind], mapping: Mapping[str, Any], name: str, field: str
) -> Kind | None:
    value = mapping.get(name) or None
    return None if value is None else _choice(kind, value, f"{field}.{name}")


def _text(value: object, field: str, *, limit: int = NOTE_LIMIT) -> str:
    if not isinstance(value, str):
        raise ContentError(field, f"is a text, not {type(value).__name__}.")
    if len(value) > limit:
        raise ContentError(field, f"has {len(value):,} characters; {limit:,} are allowed.")
    if "\x00" in value:
        raise ContentError(field, "holds a NUL character, which cannot be stored.")
    return value


def _mapping(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ContentError(field, f"is an object, not {type(value).__name__}.")
    return value


def unjudged_positions(content: RatingContent, n_steps: int) -> Sequence[int]:
    """Positions that have no judgement yet, in order."""
    judged = {judgement.position for judgement in content.steps if says_something(judgement.label)}
    return [position for position in range(n_steps) if position not in judged]


def says_something(label: StepLabel) -> bool:
    """Is the step judged? A note or an error type alone is no judgement; being unsure is one."""
    return label.unsure or any(
        value is not None for value in (label.rating, label.validity, label.contribution)
    )
