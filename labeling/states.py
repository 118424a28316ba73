"""What may be submitted under a protocol, as pure rules."""

from __future__ import annotations

from dataclasses import dataclass

from labeling.content import (
    Content,
    Outcome,
    Proposal,
    RatingContent,
    RejectCode,
    Reply,
    VerdictContent,
    VerdictValue,
    ratings_of,
    says_something,
    unjudged_positions,
)
from labeling.records import At, Validity, derive_rating


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is missing before a document may be submitted."""

    field: str
    message: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class SubmissionRules:
    """The part of a project's protocol that says what a complete submission is."""

    stop_at_first_error: bool
    allow_partial: bool
    asks_error_types: bool
    error_codes: frozenset[str]
    # The ratings that stood beside the steps, where a machine's labels were to be confirmed.
    proposal: Proposal | None = None
    # Is it a second solution to the same problem, of which two questions are asked?
    asks_replies: bool = False


def find_gaps(content: Content, *, n_steps: int, rules: SubmissionRules) -> list[Gap]:
    """What is still missing or contradictory, in the order a reviewer would mend it."""
    if isinstance(content, RatingContent):
        return _find_rating_gaps(content, n_steps=n_steps, rules=rules)
    return _find_verdict_gaps(content, n_steps=n_steps, rules=rules)


def _find_rating_gaps(content: RatingContent, *, n_steps: int, rules: SubmissionRules) -> list[Gap]:
    gaps = [
        Gap(
            f"steps[{judgement.position}].error_types",
            f"Error type {code!r} is not in the taxonomy in force.",
            judgement.position,
        )
        for judgement in content.steps
        for code in judgement.label.error_types
        if code not in rules.error_codes
    ]
    if content.outcome in (Outcome.GAVE_UP, Outcome.BAD_PROBLEM):
        if not content.note.strip():
            gaps.append(Gap("note", "Say why, in a word or two."))
        return gaps
    missing = unjudged_positions(content, n_steps)
    if rules.stop_at_first_error:
        wrong = [
            judgement.position
            for judgement in content.steps
            if judgement.label.validity is Validity.WRONG or derive_rating(judgement.label) == -1
        ]
        first = min(wrong, default=n_steps)
        # What comes after the first error is not judged: that is the mode's point.
        missing = [position for position in missing if position < first]
        gaps.extend(
            Gap(
                f"steps[{judgement.position}]",
                f"Step {judgement.position + 1} comes after the first error: it is not judged.",
                judgement.position,
            )
            for judgement in content.steps
            if judgement.position > first and says_something(judgement.label)
        )
    if not rules.allow_partial:
        gaps.extend(
            Gap(f"steps[{position}]", f"Step {position + 1} is not judged yet.", position)
            for position in missing
        )
    elif not content.steps:
        gaps.append(Gap("steps", "Judge at least one step."))
    gaps.extend(_find_override_gaps(content, n_steps=n_steps, proposal=rules.proposal))
    return gaps


def find_overridden(content: RatingContent, *, n_steps: int, proposal: Proposal) -> list[int]:
    """The steps whose rating is another than the proposed one. To be unsure is not to override."""
    said = ratings_of(content, n_steps)
    return [
        position
        for position in range(n_steps)
        if said[position] is not None
        and proposal.find(position) is not None
        and said[position] != proposal.find(position)
    ]


def _find_override_gaps(
    content: RatingContent, *, n_steps: int, proposal: Proposal | None
) -> list[Gap]:
    if proposal is None:
        return []
    explained = {override.position for override in content.overrides}
    return [
        Gap(
            f"overrides[{position}]",
            f"Say why step {position + 1} is not what was proposed.",
            position,
        )
        for position in find_overridden(content, n_steps=n_steps, proposal=proposal)
        if position not in explained
    ]


def _find_verdict_gaps(
    content: VerdictContent, *, n_steps: int, rules: SubmissionRules
) -> list[Gap]:
    gaps = []
    if content.error_type and content.error_type not in rules.error_codes:
        gaps.append(
            Gap("error_type", f"Error type {content.error_type!r} is not in the taxonomy in force.")
        )
    if content.verdict is VerdictValue.REJECT:
        if content.reject_code is None:
            gaps.append(Gap("reject_code", "Choose why the injection is rejected."))
        elif content.reject_code is RejectCode.OTHER and not content.note.strip():
            gaps.append(Gap("note", "Say in the note why the injection is rejected."))
    if content.verdict is VerdictValue.BAD_PROBLEM and not content.note.strip():
        gaps.append(Gap("note", "Say in the note what is wrong with the problem."))
    if rules.asks_replies:
        gaps.extend(_find_reply_gaps(content))
    blind = content.blind_first_error
    if isinstance(blind, At) and blind.position >= n_steps:
        gaps.append(Gap("blind_first_error", "The first judgement points past the last step."))
    return gaps


def _find_reply_gaps(content: VerdictContent) -> list[Gap]:
    """Both questions are answered before such a solution is accepted or rejected for them."""
    if content.verdict in (VerdictValue.UNSURE, VerdictValue.BAD_PROBLEM):
        return []
    gaps = []
    if content.correct is None:
        gaps.append(Gap("correct", "Say whether this solution is correct."))
    if content.different is None:
        gaps.append(Gap("different", "Say whether it really differs from the original."))
    accepts = content.verdict in (VerdictValue.ACCEPT, VerdictValue.ACCEPT_WITH_EDITS)
    replies = (content.correct, content.different)
    if accepts and any(reply not in (None, Reply.YES) for reply in replies):
        gaps.append(Gap("verdict", "A solution is accepted when it is correct and really differs."))
    if accepts and content.error_positions:
        gaps.append(Gap("error_positions", "An accepted solution has no error step: unflag it."))
    return gaps
