"""PRM800K: a labelled chain of steps, each chosen among candidate completions.

Source: Lightman et al. 2023 (PRM800K), both phases. Ratings are -1, 0, +1, or null where the
labeller gave none. Per position of the chain:

1. `chosen_completion` says which completion the chain went on with: it is the step.
2. Without one, `human_completion` is the step: the labeller wrote it.
3. Without either (the first error of phase 2, the end of a given-up chain) the *first* completion
   is the step: in phase 2 that is the pre-generated one, the others are tries to do better.
4. A position with no text at all (`completions` null) is no step; its place is remembered.

All other completions become the step's alternatives with their ratings, in their order, and the
places are noted in `extra`, so that nothing is lost. A labeller's flag means "unsure, look again".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from labeling.content import Outcome
from labeling.formats.base import BuildContext, FieldDoc, FormatInfo, ParseContext, RowFormat
from labeling.formats.fields import (
    FieldError,
    Row,
    as_object,
    show_value,
    take_list,
    take_object,
    take_optional_bool,
    take_optional_int,
    take_optional_text,
    take_others,
    take_problem_text,
    take_text,
    wrong_type,
)
from labeling.formats.selection import choose_label_set, state_first_error
from labeling.records import (
    EMPTY,
    Alternative,
    At,
    Author,
    FirstError,
    LabelSet,
    NoError,
    Problem,
    Solution,
    Step,
    StepLabel,
    Unknown,
    derive_rating,
    find_first_error,
    label_from_rating,
)

NAME = "prm800k"
# On a solution.
QUESTION = f"{NAME}.question"
OTHER = f"{NAME}.other"
LABEL = f"{NAME}.label"
EMPTY_POSITIONS = f"{NAME}.empty_positions"
# On a set of labels. `finish_reason` was null, though the labels would have told.
NO_REASON = f"{NAME}.no_finish_reason"
GENERATION = f"{NAME}.generation"
QUALITY_CONTROL = f"{NAME}.is_quality_control_question"
SCREENING = f"{NAME}.is_initial_screening_question"
# On a step: how it came to be the step (absent: chosen), where it stood among the completions
# (absent: first), whether `completions` was null, and what else its position held.
PICK = f"{NAME}.pick"
PLACE = f"{NAME}.place"
NO_COMPLETIONS = f"{NAME}.no_completions"
POSITION = f"{NAME}.position"
# On a step or an alternative.
FLAGGED = f"{NAME}.flagged"
SOURCE = f"{NAME}.source"
MORE = f"{NAME}.more"

ANSWER_HEADING = "# Answer"

OUTCOMES = {
    "solution": Outcome.COMPLETE,
    "found_error": Outcome.FIRST_ERROR,
    "give_up": Outcome.GAVE_UP,
    "bad_problem": Outcome.BAD_PROBLEM,
}
_REASONS = {str(outcome): reason for reason, outcome in OUTCOMES.items()}

_KNOWN = frozenset(
    {
        "labeler",
        "timestamp",
        "generation",
        "is_quality_control_question",
        "is_initial_screening_question",
        "question",
        "label",
    }
)
_KNOWN_LABEL = frozenset({"steps", "total_time", "finish_reason"})
_KNOWN_POSITION = frozenset({"completions", "human_completion", "chosen_completion"})
_KNOWN_COMPLETION = frozenset({"text", "rating", "source", "flagged"})
# Labels of which there are many alike share one record.
_RATED = {rating: label_from_rating(rating) for rating in (-1, 0, 1)}


class _Candidate(NamedTuple):
    """A completion as records hold it."""

    text: str
    label: StepLabel | None
    source: str
    extra: dict[str, Any]


def parse_row(row: Row, context: ParseContext) -> list[Solution]:
    question = take_object(row, "question")
    label = take_object(row, "label")
    positions = take_list(label, "steps", at="label.", limit=context.max_steps)

    steps: list[Step] = []
    labels: list[StepLabel | None] = []
    empty: list[dict[str, Any]] = []
    for index, position in enumerate(positions):
        field = f"label.steps[{index}]"
        read = _read_position(as_object(position, field), field)
        if read is None:
            empty.append({"position": index, "completions": position.get("completions")})
        else:
            steps.append(read[0])
            labels.append(read[1])
    if not steps:
        raise FieldError("label.steps", "'label.steps' holds no step with a text.")

    outcome = _read_outcome(label)
    more = take_others(question, {"problem", "ground_truth_solution", "ground_truth_answer"})
    extra: dict[str, Any] = {}
    if more:
        extra[QUESTION] = more
    if empty:
        extra[EMPTY_POSITIONS] = empty
    for key, others in (
        (LABEL, take_others(label, _KNOWN_LABEL)),
        (OTHER, take_others(row, _KNOWN)),
    ):
        if others:
            extra[key] = others
    return [
        Solution(
            problem=Problem(
                take_problem_text(question, "problem", at="question."),
                reference_answer=take_optional_text(
                    question, "ground_truth_answer", at="question."
                ),
                reference_solution=take_optional_text(
                    question, "ground_truth_solution", at="question."
                ),
            ),
            steps=tuple(steps),
            final_answer=_find_answer(steps[-1].text),
            label_sets=(_make_label_set(row, label, labels, outcome),),
            extra=extra or EMPTY,
        )
    ]


def _make_label_set(row: Row, label: Row, labels: list[StepLabel | None], outcome: str) -> LabelSet:
    extra: dict[str, Any] = {}
    generation = take_optional_int(row, "generation")
    if generation is not None:
        extra[GENERATION] = generation
    for key, name in (
        (QUALITY_CONTROL, "is_quality_control_question"),
        (SCREENING, "is_initial_screening_question"),
    ):
        if take_optional_bool(row, name):
            extra[key] = True
    first_error: FirstError
    if outcome in (Outcome.GAVE_UP, Outcome.BAD_PROBLEM):
        first_error = Unknown(f"the outcome is {outcome}")
    else:
        first_error = find_first_error(labels)
        if not outcome and not isinstance(first_error, Unknown):
            extra[NO_REASON] = True
    return LabelSet(
        Author.HUMAN,
        tuple(labels),
        first_error,
        rater=take_text(row, "labeler", ""),
        created_at=take_text(row, "timestamp", ""),
        total_ms=take_optional_int(label, "total_time", at="label."),
        outcome=outcome,
        extra=extra or EMPTY,
    )


def _read_outcome(label: Row) -> str:
    reason = take_optional_text(label, "finish_reason", at="label.")
    if not reason:
        return ""
    if reason not in OUTCOMES:
        raise FieldError(
            "label.finish_reason",
            f"'label.finish_reason' is one of {', '.join(OUTCOMES)}, not {reason!r}.",
        )
    return str(OUTCOMES[reason])


def _read_position(position: Row, field: str) -> tuple[Step, StepLabel | None] | None:
    """The step at this position with its label, or None where it holds no text."""
    given = position.get("completions")
    if given is not None and not isinstance(given, list):
        raise wrong_type(f"{field}.completions", "a list or null", given)
    candidates = [
        _read_completion(as_object(item, f"{field}.completions[{index}]"), f"{field}.completions")
        for index, item in enumerate(given or ())
    ]
    human = position.get("human_completion")
    written = (
        None
        if human is None
        else _read_completion(
            as_object(human, f"{field}.human_completion"), f"{field}.human_completion"
        )
    )
    chosen = take_optional_int(position, "chosen_completion", at=f"{field}.")
    if chosen is not None and not 0 <= chosen < len(candidates):
        raise FieldError(
            f"{field}.chosen_completion",
            f"'{field}.chosen_completion' is {chosen}, but there are {len(candidates)} "
            "completions, counted from 0.",
        )

    noted: dict[str, Any] = {}
    if chosen is not None:
        picked, place = candidates.pop(chosen), chosen
    elif written is not None:
        picked, place, written = written, 0, None
        noted[PICK] = "human"
        if given is None:
            noted[NO_COMPLETIONS] = True
    elif candidates:
        picked, place = candidates.pop(0), 0
        noted[PICK] = "first"
    else:
        return None
    if place:
        noted[PLACE] = place
    others = take_others(position, _KNOWN_POSITION)
    if others:
        noted[POSITION] = others
    alternatives = [_make_alternative(candidate) for candidate in candidates]
    if written is not None:
        # Both a chosen and a human completion: the human one is the last alternative.
        alternatives.append(_make_alternative(written, human=True))
    extra = {**noted, **picked.extra}
    step = Step(picked.text, alternatives=tuple(alternatives), extra=extra or EMPTY)
    return step, picked.label


def _make_alternative(candidate: _Candidate, *, human: bool = False) -> Alternative:
    extra = {**candidate.extra, **({PICK: "human"} if human else {})}
    return Alternative(
        candidate.text, candidate.label, source=candidate.source, extra=extra or EMPTY
    )


def _read_completion(item: Row, field: str) -> _Candidate:
    rating = item.get("rating")
    if rating is not None and (isinstance(rating, bool) or rating not in (-1, 0, 1)):
        raise FieldError(
            f"{field}.rating",
            f"'{field}.rating' is -1, 0, 1 or null, not {show_value(rating)}.",
        )
    flagged = take_optional_bool(item, "flagged", at=f"{field}.")
    label = None if rating is None else _RATED[int(rating)]
    if flagged:
        # The flag is the labeller's "unsure": a rating beside it stays as it was given.
        label = StepLabel(
            validity=label.validity if label else None,
            contribution=label.contribution if label else None,
            rating=label.rating if label else None,
            unsure=True,
        )
    source = take_text(item, "source", "", at=f"{field}.")
    extra: dict[str, Any] = {}
    if flagged is None:
        extra[FLAGGED] = None
    if source:
        extra[SOURCE] = source
    more = take_others(item, _KNOWN_COMPLETION)
    if more:
        extra[MORE] = more
    return _Candidate(take_text(item, "text", at=f"{field}."), label, source, extra)


def _find_answer(text: str) -> str | None:
    """What stands under the heading "# Answer" of the last step, where there is one."""
    _, heading, answer = text.rpartition(ANSWER_HEADING)
    return (answer.strip() or None) if heading else None


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[Mapping[str, Any]]:
    log = context.log
    for solution in solutions:
        label_set = choose_label_set(solution)
        if label_set is None or not solution.steps:
            log.skip(solution, "It has no labels." if solution.steps else "It has no steps.")
            continue
        extra = label_set.extra
        yield {
            "labeler": label_set.rater,
            "timestamp": label_set.created_at,
            "generation": extra.get(GENERATION),
            "is_quality_control_question": extra.get(QUALITY_CONTROL, False),
            "is_initial_screening_question": extra.get(SCREENING, False),
            "question": _build_question(solution),
            "label": {
                "steps": _build_positions(solution, label_set),
                "total_time": label_set.total_ms,
                "finish_reason": _name_reason(label_set),
                **solution.extra.get(LABEL, EMPTY),
            },
            **solution.extra.get(OTHER, EMPTY),
        }


def _build_question(solution: Solution) -> dict[str, Any]:
    """The question object: phase 1 knows problem and answer only, phase 2 the solution too."""
    problem = solution.problem
    more = solution.extra.get(QUESTION, EMPTY)
    question: dict[str, Any] = {"problem": problem.text}
    if more or problem.reference_solution is not None:
        question["ground_truth_solution"] = problem.reference_solution
    question["ground_truth_answer"] = problem.reference_answer
    question.update(more)
    return question


def _build_positions(solution: Solution, label_set: LabelSet) -> list[dict[str, Any]]:
    positions = [
        _build_position(step, label_set.labels[index] if index < len(label_set.labels) else None)
        for index, step in enumerate(solution.steps)
    ]
    for empty in solution.extra.get(EMPTY_POSITIONS, ()):
        positions.insert(
            empty["position"],
            {
                "completions": empty["completions"],
                "human_completion": None,
                "chosen_completion": None,
            },
        )
    return positions


def _build_position(step: Step, label: StepLabel | None) -> dict[str, Any]:
    pick = step.extra.get(PICK)
    own = _build_completion(step.text, label, step.extra)
    human = own if pick == "human" else None
    completions: list[dict[str, Any]] = []
    for alternative in step.alternatives:
        built = _build_completion(alternative.text, alternative.label, alternative.extra)
        if alternative.extra.get(PICK) == "human" and human is None:
            human = built
        else:
            completions.append(built)
    chosen = None
    if pick != "human":
        place = min(step.extra.get(PLACE, 0), len(completions))
        completions.insert(place, own)
        chosen = None if pick == "first" else place
    none_given = pick == "human" and not completions and step.extra.get(NO_COMPLETIONS)
    return {
        "completions": None if none_given else completions,
        "human_completion": human,
        "chosen_completion": chosen,
        **step.extra.get(POSITION, EMPTY),
    }


def _build_completion(
    text: str, label: StepLabel | None, extra: Mapping[str, Any]
) -> dict[str, Any]:
    built: dict[str, Any] = {
        "text": text,
        "rating": None if label is None else derive_rating(label),
    }
    if SOURCE in extra:
        built["source"] = extra[SOURCE]
    built["flagged"] = True if label is not None and label.unsure else extra.get(FLAGGED, False)
    built.update(extra.get(MORE, EMPTY))
    return built


def _name_reason(label_set: LabelSet) -> str | None:
    """The finish_reason: as the outcome says, else as the first error tells, else null."""
    if label_set.outcome in _REASONS:
        return _REASONS[label_set.outcome]
    if label_set.extra.get(NO_REASON):
        return None
    first_error = state_first_error(label_set)
    if isinstance(first_error, At):
        return "found_error"
    return "solution" if isinstance(first_error, NoError) else None


FORMAT = RowFormat(
    info=FormatInfo(
        name=NAME,
        title="PRM800K",
        description="Chains of rated steps with the alternatives that were not taken; both phases.",
        suffixes=(".jsonl",),
        index_convention="chosen_completion counts from 0; steps have no numbers.",
        fields=(
            FieldDoc("labeler", "text", "who rated"),
            FieldDoc("timestamp", "text", "when"),
            FieldDoc("generation", "whole number or null", "null in phase 1, -1 in the screening"),
            FieldDoc("is_quality_control_question", "true or false", "an item of known answer"),
            FieldDoc("is_initial_screening_question", "true or false", "an item of the screening"),
            FieldDoc("question", "object", "problem, ground_truth_answer, and more in phase 2"),
            FieldDoc("label.steps", "list", "completions, human_completion, chosen_completion"),
            FieldDoc("label.total_time", "whole number", "milliseconds"),
            FieldDoc(
                "label.finish_reason", "text", "solution, found_error, give_up or bad_problem"
            ),
        ),
    ),
    parse=parse_row,
    build=build_rows,
)
