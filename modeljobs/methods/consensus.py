"""Where rollouts and a judge agree: the filter between RPE labels and a training set.

GenPRM (Zhao et al. 2025) keeps a solution only if every step's label from RPE is the one that the
judge's first error implies, and so drops about half. How the judge's several samples are put to the
vote is not published; here it is a setting, and recorded. Nothing is lost: every solution that is
not kept has a reason, and can go to people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Literal, get_args

from labeling.records import At, FirstError, NoError, Unknown

Vote = Literal["unanimity", "majority"]
VOTES: Final[tuple[Vote, ...]] = get_args(Vote)
Scope = Literal["all", "prefix"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)


class Decision(StrEnum):
    """What becomes of a solution. All but KEPT can go to people."""

    KEPT = "kept"
    DISAGREEMENT = "disagreement"
    # The judge's samples do not agree among themselves, or are evenly split.
    JUDGE_SPLIT = "judge_split"
    # Too few of the judge's samples could be read.
    JUDGE_UNREAD = "judge_unread"
    # RPE has no verdict for a step that counts: it is unknown or lies within the band.
    RPE_OPEN = "rpe_open"


@dataclass(frozen=True, slots=True)
class ConsensusRule:
    """How the two are compared; stored with the result.

    `vote`: all of the judge's samples say the same, or more than half of them; a sample that could
    not be read agrees with nobody. `scope`: "all" compares every step (before the judge's first
    error correct, from it on wrong), as published; "prefix" compares up to and with the first error
    of either, for sets that are cut there.
    """

    vote: Vote = "unanimity"
    scope: Scope = "all"

    def __post_init__(self) -> None:
        if self.vote not in VOTES:
            raise ValueError(f"vote must be one of {', '.join(VOTES)}, not {self.vote!r}.")
        if self.scope not in SCOPES:
            raise ValueError(f"scope must be one of {', '.join(SCOPES)}, not {self.scope!r}.")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One solution: the RPE verdict of each step (None where open) and the judge's samples.

    `policy` and `judge` are the models' names.
    """

    key: str
    rpe: tuple[bool | None, ...]
    judged: tuple[FirstError, ...]
    policy: str
    judge: str


@dataclass(frozen=True, slots=True)
class StepAgreement:
    """One step: what both say, and whether it was compared. `agrees` is None where it was not."""

    rpe: bool | None
    judge: bool | None
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class Consensus:
    """What was found of one solution. `first_disagreement` is 0-based.

    `judge_first_error` is the outcome of the vote.
    """

    key: str
    decision: Decision
    judge_first_error: FirstError
    steps: tuple[StepAgreement, ...]
    first_disagreement: int | None = None

    @property
    def is_kept(self) -> bool:
        return self.decision is Decision.KEPT


@dataclass(frozen=True, slots=True)
class Funnel:
    """How many solutions are left after each question, and how the compared steps fared."""

    given: int
    judge_read: int
    judge_settled: int
    rpe_settled: int
    kept: int
    steps_compared: int
    steps_agreeing: int

    @property
    def dropped_share(self) -> float | None:
        """The share of given solutions that is not kept; published: about 0.51."""
        return 1.0 - self.kept / self.given if self.given else None


@dataclass(frozen=True, slots=True)
class ConsensusReport:
    """All solutions in the order given, the counts, and the rule that was applied."""

    found: tuple[Consensus, ...]
    funnel: Funnel
    rule: ConsensusRule
    policies: tuple[str, ...]
    judges: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """Plain JSON to store beside the kept solutions."""
        return {
            "rule": asdict(self.rule),
            "funnel": asdict(self.funnel) | {"dropped_share": self.funnel.dropped_share},
            "decisions": dict(sorted(Counter(str(one.decision) for one in self.found).items())),
            "policies": list(self.policies),
            "judges": list(self.judges),
        }


class SameModel(ValueError):
    """The judge is the policy: its agreement with its own rollouts would say nothing."""


def filter_solutions(candidates: Iterable[Candidate], rule: ConsensusRule) -> ConsensusReport:
    """Compare every candidate; SameModel where a judge is the policy."""
    listed = list(candidates)
    found = tuple(find_consensus(one, rule) for one in listed)
    return ConsensusReport(
        found,
        count_funnel(found),
        rule,
        tuple(sorted({one.policy for one in listed})),
        tuple(sorted({one.judge for one in listed})),
    )


def find_consensus(candidate: Candidate, rule: ConsensusRule) -> Consensus:
    """1. The judge's vote. 2. What it implies for each step. 3. The comparison, step by step."""
    check_models(policy=candidate.policy, judge=candidate.judge)
    _check_positions(candidate)
    vote = settle_judge(candidate.judged, rule.vote)
    steps = compare_steps(candidate.rpe, vote, rule.scope)
    if isinstance(vote, Unknown):
        readable = [one for one in candidate.judged if not isinstance(one, Unknown)]
        needed = _count_needed(len(candidate.judged), rule.vote)
        is_read = bool(candidate.judged) and len(readable) >= needed
        decision = Decision.JUDGE_SPLIT if is_read else Decision.JUDGE_UNREAD
        return Consensus(candidate.key, decision, vote, steps)
    wrong = [position for position, step in enumerate(steps) if step.agrees is False]
    if wrong:
        return Consensus(candidate.key, Decision.DISAGREEMENT, vote, steps, wrong[0])
    # Within the scope, a step that the judge speaks of and RPE leaves open decides nothing.
    scope = _find_scope(candidate.rpe, vote, rule.scope)
    is_open = not candidate.rpe or any(candidate.rpe[at] is None for at in range(scope))
    return Consensus(candidate.key, Decision.RPE_OPEN if is_open else Decision.KEPT, vote, steps)


def settle_judge(samples: Sequence[FirstError], vote: Vote) -> FirstError:
    """The first error that the judge's samples agree on, or Unknown with the reason."""
    if not samples:
        return Unknown("the judge gave no sample")
    counts = Counter(one for one in samples if not isinstance(one, Unknown))
    if not counts:
        return Unknown("none of the judge's samples could be read")
    best, votes = counts.most_common(1)[0]
    if votes >= _count_needed(len(samples), vote):
        return best
    return Unknown(f"{votes} of the judge's {len(samples)} samples agree, too few for {vote}")


def find_first_errors(
    verdicts: Sequence[Sequence[bool | None]], n_steps: int
) -> tuple[FirstError, ...]:
    """Each sample's first error, from its verdicts on one step after the other.

    `verdicts` has for each judged step, from the first on, one verdict of each sample. It may end
    before the solution does: a sample that has found no error by then is Unknown.
    """
    samples = max((len(step) for step in verdicts), default=0)
    return tuple(
        _find_first([step[at] if at < len(step) else None for step in verdicts], n_steps)
        for at in range(samples)
    )


def compare_steps(
    rpe: Sequence[bool | None], judged: FirstError, scope: Scope
) -> tuple[StepAgreement, ...]:
    """Each step with both verdicts; compared are those in the scope that both have judged."""
    end = _find_scope(rpe, judged, scope)
    steps = []
    for position, mine in enumerate(rpe):
        theirs = imply_label(judged, position)
        is_compared = position < end and mine is not None and theirs is not None
        steps.append(StepAgreement(mine, theirs, mine is theirs if is_compared else None))
    return tuple(steps)


def imply_label(judged: FirstError, position: int) -> bool | None:
    """What a first error says of a step: correct before it, wrong from it on."""
    match judged:
        case At(first):
            return position < first
        case NoError():
            return True
        case Unknown():
            return None


def count_funnel(found: Iterable[Consensus]) -> Funnel:
    """The counts after each question."""
    listed = list(found)
    decisions = Counter(one.decision for one in listed)
    judge_read = len(listed) - decisions[Decision.JUDGE_UNREAD]
    judge_settled = judge_read - decisions[Decision.JUDGE_SPLIT]
    compared = [step for one in listed for step in one.steps if step.agrees is not None]
    return Funnel(
        given=len(listed),
        judge_read=judge_read,
        judge_settled=judge_settled,
        rpe_settled=judge_settled - decisions[Decision.RPE_OPEN],
        kept=decisions[Decision.KEPT],
        steps_compared=len(compared),
        steps_agreeing=sum(step.agrees is True for step in compared),
    )


def check_models(*, policy: str, judge: str) -> None:
    """SameModel where both names name one model: the same last part, whatever its case."""
    if not policy.strip() or not judge.strip():
        raise ValueError("Consensus needs the names of the policy and of the judge.")
    if _shorten(policy) == _shorten(judge):
        raise SameModel(
            f"The judge {judge!r} is the policy that made the rollouts; another model must judge."
        )


def _find_first(verdicts: Sequence[bool | None], n_steps: int) -> FirstError:
    for position, verdict in enumerate(verdicts):
        if verdict is None:
            return Unknown(f"no verdict on step {position + 1}")
        if not verdict:
            return At(position)
    if len(verdicts) < n_steps:
        return Unknown(f"judging stopped after step {len(verdicts)}")
    return NoError()


def _shorten(name: str) -> str:
    return name.strip().rstrip("/").rpartition("/")[2].casefold()


def _count_needed(samples: int, vote: Vote) -> int:
    return samples if vote == "unanimity" else samples // 2 + 1


def _find_scope(rpe: Sequence[bool | None], judged: FirstError, scope: Scope) -> int:
    """How many steps from the beginning are compared."""
    if scope == "all":
        return len(rpe)
    first = [judged.position] if isinstance(judged, At) else []
    first += [position for position, label in enumerate(rpe) if label is False][:1]
    return min(first, default=len(rpe) - 1) + 1


def _check_positions(candidate: Candidate) -> None:
    for one in candidate.judged:
        if isinstance(one, At) and not 0 <= one.position < len(candidate.rpe):
            raise ValueError(
                f"The judge of {candidate.key!r} points to step {one.position + 1} of "
                f"{len(candidate.rpe)}; such a sample is Unknown."
            )
