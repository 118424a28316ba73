"""Votes on the first error of a solution, and what they say of each of its steps.

A vote is At, NoError, or None where the sample's reply could not be read. ProcessBench (Zheng et
al. 2024) takes the commonest vote of eight; of even ones it takes the first that was given, which
is a setting here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from labeling.content import pack_first_error
from labeling.records import At, FirstError, NoError, Score, StepLabel, Unknown, Validity
from modeljobs.methods.critic_samples import Sample
from modeljobs.methods.parsing import Unparsed

Vote = At | NoError
SCALE = "vote share"
RULES: Mapping[str, str] = {
    "plurality": "most votes; even votes decide nothing",
    "first": "most votes; of even ones the first given",
    "majority": "more than half of all samples",
}


def decide_vote(votes: Sequence[Vote | None], rule: str) -> FirstError:
    """What the votes say together by one of `RULES`."""
    given = [vote for vote in votes if vote is not None]
    if not given:
        return Unknown("no sample could be read")
    # Counter keeps the order in which votes were first given.
    (first, most), *others = Counter(given).most_common()
    if rule == "majority" and 2 * most <= len(votes):
        return Unknown(f"no first error has more than half of {len(votes)} votes")
    if rule == "plurality" and others and others[0][1] == most:
        return Unknown(f"the votes are even, with {most} for each of several")
    return first


def label_steps(
    votes: Sequence[Vote | None], first_error: FirstError, *, steps: int, rule: str
) -> list[StepLabel | None]:
    """Right before the first error, wrong at it, and not judged after it.

    The score is the share of right among the samples that judged the step: one that names an
    earlier error says nothing of it.
    """
    labels: list[StepLabel | None] = []
    for position in range(steps):
        verdict = find_verdict(first_error, position)
        share = find_share(votes, position)
        if verdict is None or share is None:
            labels.append(None)
            continue
        labels.append(
            StepLabel(
                validity=Validity.CORRECT if verdict else Validity.WRONG,
                score=Score(share, scale=SCALE, rule=RULES[rule]),
            )
        )
    return labels


def sum_up_step(
    votes: Sequence[Vote | None], first_error: FirstError, position: int, *, rule: str
) -> dict[str, Any]:
    """What is said of one step, for its evidence: plain JSON."""
    right, wrong = count_votes(votes, position)
    share = find_share(votes, position)
    verdict = find_verdict(first_error, position)
    score = {
        "name": "validity",
        "raw": share,
        "scale": SCALE,
        "rule": RULES[rule],
        "verdict": verdict,
    }
    # One vote cannot differ from itself.
    is_shared = share is not None and right + wrong > 1
    return {
        "scores": [score],
        "verdict": verdict,
        "uncertainty": min(share, 1 - share) if share is not None and is_shared else None,
        "reason": "" if verdict is not None else _explain_open(first_error),
        "verdicts": [None if vote is None else find_verdict(vote, position) for vote in votes],
        "right": right,
        "wrong": wrong,
        "unread": sum(vote is None for vote in votes),
    }


def count_votes(votes: Sequence[Vote | None], position: int) -> tuple[int, int]:
    """How many samples call the step right and wrong; one that ended before it says neither."""
    said = [find_verdict(vote, position) for vote in votes if vote is not None]
    return said.count(True), said.count(False)


def find_share(votes: Sequence[Vote | None], position: int) -> float | None:
    """The share of right among the samples that judged the step; None where none did."""
    right, wrong = count_votes(votes, position)
    return right / (right + wrong) if right + wrong else None


def find_verdict(first_error: FirstError, position: int) -> bool | None:
    """Is the step right, by the first error? None where that does not tell."""
    match first_error:
        case NoError():
            return True
        case At(place) if position <= place:
            return position < place
        case _:
            return None


def read_vote(sample: Sample[Vote]) -> Vote | None:
    return None if isinstance(sample.found, Unparsed) else sample.found


def pack_vote(sample: Sample[Vote]) -> dict[str, Any]:
    """The vote in labelling's own form: {"at": 3} | {"none": true} | {"unknown": reason}."""
    return pack_first_error(read_vote(sample) or Unknown(sample.reason))


def _explain_open(first_error: FirstError) -> str:
    if isinstance(first_error, Unknown):
        return f"The samples name no first error together: {first_error.reason}."
    return "The step comes after the first error and was not judged."
