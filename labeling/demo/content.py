"""The content of the demo project, read from its two JSON files and checked.

`problems.json` holds problems with their solutions and the truth about every step,
`injections.json` holds PRMBench-style claims of injected errors and the truth about every claim.
The files count the steps of an injection from one, as PRMBench does (Song et al. 2025); here all
positions are 0-based. What the fields mean stands in the `conventions` of each file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from labeling.content import RejectCode, VerdictValue
from labeling.records import (
    At,
    Contribution,
    FirstError,
    NoError,
    Origin,
    StepLabel,
    Validity,
    find_first_error,
)

Kind = TypeVar("Kind", bound=StrEnum)

SCHEMA = 1

# PRMBench's nine classes; the spelling of the first one is the benchmark's join key.
ERROR_CLASSES = (
    "redundency",
    "circular",
    "counterfactual",
    "step_contradiction",
    "domain_inconsistency",
    "confidence",
    "missing_condition",
    "deception",
    "multi_solutions",
)
# The class that is no error: another correct solution.
NO_ERROR_CLASS = "multi_solutions"
# Classes whose flagged steps are true, but lead nowhere.
IDLE_CLASSES = ("redundency", "circular")

DOMAINS = ("algebra", "counting", "number theory", "geometry", "probability")
LANGUAGES = ("en", "zh-Hans")

# What may be wrong with a claim on purpose.
DEFECTS = (
    "bad_problem",
    "error_not_subset",
    "flagged_right_step",
    "implausible",
    "missed_error",
    "not_an_error",
    "not_different",
    "off_by_one",
    "out_of_range",
    "self_announcing",
    "undeclared_change",
    "wrong_solution",
    "wrong_type",
)


class DemoContentError(ValueError):
    """The demo files contradict themselves; the message names the record."""


@dataclass(frozen=True, slots=True)
class DemoSolution:
    """A solution with the truth about every step. The reference solution is one of them."""

    id: str
    problem_id: str
    generator: str
    steps: tuple[str, ...]
    final_answer: str
    final_answer_correct: bool
    truth: tuple[StepLabel, ...]
    is_reference: bool = False

    @property
    def first_error(self) -> FirstError:
        return find_first_error(self.truth)


@dataclass(frozen=True, slots=True)
class DemoProblem:
    """A problem with its answer; `solutions` begins with the reference solution."""

    id: str
    domain: str
    language: str
    text: str
    reference_answer: str
    solutions: tuple[DemoSolution, ...]

    @property
    def reference_steps(self) -> tuple[str, ...]:
        return self.solutions[0].steps


@dataclass(frozen=True, slots=True)
class InjectionTruth:
    """What a perfect reviewer says about an injection.

    `error_positions` are the steps that do not hold under the modified question, own and inherited
    errors alike; for a redundant or circular claim, the superfluous or circular steps.
    """

    verdict: VerdictValue
    reject_code: RejectCode | None
    error_positions: tuple[int, ...]
    error_type: str
    defects: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class DemoInjection:
    """A modified solution with its claim. Claimed positions are as given: one may point too far."""

    id: str
    problem_id: str
    error_type: str
    original_question: str
    modified_question: str
    original_steps: tuple[str, ...]
    modified_steps: tuple[str, ...]
    claimed_changed_positions: tuple[int, ...]
    claimed_error_positions: tuple[int, ...]
    reason: str
    truth: InjectionTruth


@dataclass(frozen=True, slots=True)
class DemoContent:
    """Everything the demo project is made of, in the order of the files."""

    problems: tuple[DemoProblem, ...]
    injections: tuple[DemoInjection, ...]

    @property
    def solutions(self) -> tuple[DemoSolution, ...]:
        return tuple(solution for problem in self.problems for solution in problem.solutions)


@cache
def load_demo_content() -> DemoContent:
    """The demo content that comes with the package."""
    folder = resources.files("labeling.demo")
    return parse_demo_content(
        json.loads(folder.joinpath("problems.json").read_text("utf-8")),
        json.loads(folder.joinpath("injections.json").read_text("utf-8")),
    )


def parse_demo_content(problems: Mapping[str, Any], injections: Mapping[str, Any]) -> DemoContent:
    """The two documents as records, or DemoContentError where they contradict themselves."""
    for name, document in (("problems", problems), ("injections", injections)):
        if document.get("schema") != SCHEMA:
            raise DemoContentError(
                f"{name}: schema {document.get('schema')!r} is not known; this is version {SCHEMA}."
            )
    parsed = tuple(_parse_problem(row) for row in problems["problems"])
    _require_unique([problem.id for problem in parsed], "problem")
    by_id = {problem.id: problem for problem in parsed}
    content = DemoContent(
        problems=parsed,
        injections=tuple(_parse_injection(row, by_id) for row in injections["injections"]),
    )
    _require_unique([solution.id for solution in content.solutions], "solution")
    _require_unique([injection.id for injection in content.injections], "injection")
    return content


def _parse_problem(row: Mapping[str, Any]) -> DemoProblem:
    problem_id = str(row["id"])
    _require_known(row["domain"], DOMAINS, f"{problem_id}: domain")
    _require_known(row["language"], LANGUAGES, f"{problem_id}: language")
    steps = _texts(row["reference_solution_steps"], problem_id)
    reference = DemoSolution(
        id=f"{problem_id}-ref",
        problem_id=problem_id,
        generator="human",
        steps=steps,
        final_answer=str(row["reference_answer"]),
        final_answer_correct=True,
        truth=(StepLabel(validity=Validity.CORRECT, contribution=Contribution.ADVANCES),)
        * len(steps),
        is_reference=True,
    )
    others = tuple(_parse_solution(entry, problem_id) for entry in row["solutions"])
    return DemoProblem(
        id=problem_id,
        domain=str(row["domain"]),
        language=str(row["language"]),
        text=_text(row["problem"], problem_id),
        reference_answer=str(row["reference_answer"]),
        solutions=(reference, *others),
    )


def _parse_solution(row: Mapping[str, Any], problem_id: str) -> DemoSolution:
    solution_id = str(row["id"])
    steps = _texts(row["steps"], solution_id)
    truth = tuple(
        _parse_label(entry, f"{solution_id}, step {number}")
        for number, entry in enumerate(row["truth"], start=1)
    )
    if len(truth) != len(steps):
        raise DemoContentError(f"{solution_id}: {len(steps)} steps, but truth for {len(truth)}.")
    solution = DemoSolution(
        id=solution_id,
        problem_id=problem_id,
        generator=str(row["generator"]),
        steps=steps,
        final_answer=str(row["final_answer"]),
        final_answer_correct=bool(row["final_answer_correct"]),
        truth=truth,
    )
    stated: FirstError = NoError() if row["first_error"] is None else At(int(row["first_error"]))
    if solution.first_error != stated:
        raise DemoContentError(
            f"{solution_id}: first_error says {stated}, the steps say {solution.first_error}."
        )
    return solution


def _parse_label(row: Mapping[str, Any], where: str) -> StepLabel:
    label = StepLabel(
        validity=_member(Validity, row["validity"], f"{where}: validity"),
        contribution=_member(Contribution, row["contribution"], f"{where}: contribution"),
        origin=None
        if row["origin"] is None
        else _member(Origin, row["origin"], f"{where}: origin"),
        error_types=tuple(str(code) for code in row["error_types"]),
        note=str(row["note"]),
    )
    for code in label.error_types:
        _require_known(code, _STEP_CLASSES, f"{where}: error type")
    if (label.validity is Validity.CORRECT) != (label.origin is None):
        raise DemoContentError(f"{where}: a step has an origin exactly if it has an error.")
    if label.origin is Origin.OWN and not label.error_types:
        raise DemoContentError(f"{where}: an error made in this step needs a type.")
    return label


# A single step cannot be "another correct solution".
_STEP_CLASSES = tuple(code for code in ERROR_CLASSES if code != NO_ERROR_CLASS)


def _parse_injection(row: Mapping[str, Any], problems: Mapping[str, DemoProblem]) -> DemoInjection:
    injection_id = str(row["id"])
    problem = problems.get(row["problem_id"])
    if problem is None:
        raise DemoContentError(f"{injection_id}: there is no problem {row['problem_id']!r}.")
    _require_known(row["classification"], ERROR_CLASSES, f"{injection_id}: classification")
    steps = _texts(row["modified_process"], injection_id)
    return DemoInjection(
        id=injection_id,
        problem_id=problem.id,
        error_type=str(row["classification"]),
        original_question=problem.text,
        modified_question=_text(row["modified_question"], injection_id),
        original_steps=problem.reference_steps,
        modified_steps=steps,
        claimed_changed_positions=_positions(row["claimed_modified_steps"], injection_id),
        claimed_error_positions=_positions(row["claimed_error_steps"], injection_id),
        reason=str(row["reason"]),
        truth=_parse_truth(row["truth"], injection_id, n_steps=len(steps)),
    )


def _parse_truth(row: Mapping[str, Any], injection_id: str, *, n_steps: int) -> InjectionTruth:
    verdict = _member(VerdictValue, row["verdict"], f"{injection_id}: verdict")
    code = row["reject_code"]
    reject_code = (
        None if code is None else _member(RejectCode, code, f"{injection_id}: reject code")
    )
    if (verdict is VerdictValue.REJECT) != (reject_code is not None):
        raise DemoContentError(f"{injection_id}: a rejection, and nothing else, has a code.")
    positions = _positions(row["error_steps"], injection_id)
    if list(positions) != sorted(set(positions)) or any(p >= n_steps for p in positions):
        raise DemoContentError(
            f"{injection_id}: the true error steps {row['error_steps']!r} are not an increasing "
            f"list of step numbers from 1 to {n_steps}."
        )
    _require_known(row["error_type"], ERROR_CLASSES, f"{injection_id}: error type")
    for defect in row["defects"]:
        _require_known(defect, DEFECTS, f"{injection_id}: defect")
    if (verdict is VerdictValue.ACCEPT) != (not row["defects"]):
        raise DemoContentError(f"{injection_id}: a claim is accepted as it is if it has no defect.")
    return InjectionTruth(
        verdict=verdict,
        reject_code=reject_code,
        error_positions=positions,
        error_type=str(row["error_type"]),
        defects=tuple(str(defect) for defect in row["defects"]),
        note=str(row["note"]),
    )


def _positions(numbers: Sequence[int], where: str) -> tuple[int, ...]:
    """Step numbers counted from one, as 0-based positions."""
    if any(number < 1 for number in numbers):
        raise DemoContentError(f"{where}: step numbers are counted from 1, not {list(numbers)!r}.")
    return tuple(number - 1 for number in numbers)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DemoContentError(f"{where}: {value!r} is not a text.")
    return value


def _texts(values: Sequence[object], where: str) -> tuple[str, ...]:
    if not values:
        raise DemoContentError(f"{where}: there are no steps.")
    return tuple(_text(value, where) for value in values)


def _member(kind: type[Kind], value: object, where: str) -> Kind:
    _require_known(value, [member.value for member in kind], where)
    return kind(str(value))


def _require_known(value: object, known: Sequence[str], where: str) -> None:
    if value not in known:
        raise DemoContentError(f"{where}: {value!r} is not one of {', '.join(known)}.")


def _require_unique(ids: Sequence[str], what: str) -> None:
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise DemoContentError(f"The {what} id {one!r} stands twice.")
        seen.add(one)
