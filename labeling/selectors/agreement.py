"""How far people agree: packed revisions to ratings to figures with intervals.

What counts: first revisions of planned assignments, by people of this project, on items where the
claim, others' work or a machine's proposals could not have steered them. Machines are never raters
here. The unit is the step for step ratings and the solution for first errors and verdicts;
intervals resample problem families, because the steps and siblings of one problem are not
independent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from labeling.content import (
    Content,
    RatingContent,
    VerdictContent,
    VerdictValue,
    parse_content,
    ratings_of,
)
from labeling.metrics.agreement import (
    NominalAgreement,
    RankedAgreement,
    summarise_nominal,
    summarise_ranked,
)
from labeling.metrics.first_error import (
    FirstErrorAgreement,
    FirstErrorIntervals,
    classify_disagreement,
    first_error_intervals,
    pack_first_errors,
    summarise_first_errors,
)
from labeling.metrics.intervals import (
    AgreementIntervals,
    WilsonInterval,
    agreement_intervals,
    wilson_interval,
)
from labeling.metrics.ratings import Ratings, number_step_units, pack_ratings
from labeling.models import Annotation, AnnotationRevision, Assignment, Dispute, Project
from labeling.queueing import agreement_key, find_disagreements
from labeling.records import FirstError, Unknown

TERNARY = (-1, 0, 1)
BINARY = (-1, 1)
VERDICTS = tuple(str(value) for value in VerdictValue)
DRAWS = 2000
SEED = 7
# Fewer units in common than this: the number is shown as "only n", not as a finding.
FEW = 10


@dataclass(frozen=True, slots=True)
class Word:
    """One person's first word on one item."""

    item_id: int
    solution_id: int
    family_id: int
    rater_id: int
    n_steps: int
    content: Content
    active_ms: int


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """Everything the agreement page and endpoint show; None where there is nothing of a task."""

    steps: NominalAgreement | None
    ranked: RankedAgreement | None
    step_intervals: AgreementIntervals | None
    first_error: FirstErrorAgreement | None
    first_error_intervals: FirstErrorIntervals | None
    verdicts: NominalAgreement | None
    verdict_intervals: AgreementIntervals | None
    correctness: WilsonInterval | None
    kinds: dict[str, int]
    raters: dict[int, str]
    items_judged_twice: int
    items_judged: int
    open_disputes: int
    simulated_raters: int
    draws: int
    seed: int


def load_words(project: Project, *, include_simulated: bool = True) -> list[Word]:
    """Each person's first revision on each planned item, oldest first."""
    revisions = (
        AnnotationRevision.objects.filter(
            annotation__project=project,
            annotation__item__isnull=False,
            number=1,
            assignment__purpose=Assignment.Purpose.PLANNED,
        )
        .exclude(annotation__kind=Annotation.Kind.IMPORTED)
        # Two people who both saw the machine's word do not agree of themselves.
        .exclude(assignment__proposal=Assignment.Proposal.SHOWN)
        .order_by("pk")
        .values_list(
            "annotation__item_id",
            "annotation__solution_id",
            "annotation__solution__problem__family_id",
            "annotation__annotator_id",
            "annotation__solution__n_steps",
            "content",
            "active_ms",
        )
    )
    if not include_simulated:
        revisions = revisions.exclude(annotation__kind=Annotation.Kind.SIMULATED)
    return [
        Word(item, solution, family, rater, n_steps, parse_content(content, n_steps=n_steps), ms)
        for item, solution, family, rater, n_steps, content, ms in revisions.iterator(2000)
    ]


def build_report(
    project: Project,
    *,
    include_simulated: bool = True,
    draws: int = DRAWS,
    seed: int = SEED,
) -> AgreementReport:
    """All figures of a project, with bootstrap intervals over problem families."""
    words = load_words(project, include_simulated=include_simulated)
    ratings = [word for word in words if isinstance(word.content, RatingContent)]
    verdicts = [word for word in words if isinstance(word.content, VerdictContent)]
    binary = project.rating_view == Project.RatingView.BINARY
    packed = pack_step_ratings(ratings, binary=binary)
    firsts = pack_words_first_errors(words)
    voted = pack_verdicts(verdicts)
    judged = Counter(word.item_id for word in words)
    raters = {word.rater_id for word in words}
    members = dict(project.memberships.filter(user__in=raters).values_list("user_id", "pseudonym"))
    simulated = (
        project.annotations.filter(kind=Annotation.Kind.SIMULATED, annotator__in=raters)
        .values("annotator")
        .distinct()
        .count()
    )
    return AgreementReport(
        steps=None if packed is None else summarise_nominal(packed),
        ranked=None if packed is None else summarise_ranked(packed),
        step_intervals=(
            None if packed is None else agreement_intervals(packed, seed=seed, draws=draws)
        ),
        first_error=None if firsts is None else summarise_first_errors(firsts),
        first_error_intervals=(
            None if firsts is None else first_error_intervals(firsts, seed=seed, draws=draws)
        ),
        verdicts=None if voted is None else summarise_nominal(voted),
        verdict_intervals=(
            None if voted is None else agreement_intervals(voted, seed=seed, draws=draws)
        ),
        correctness=count_accepted(verdicts),
        kinds=count_kinds(words, binary=binary),
        raters={pk: members.get(pk, f"#{pk}") for pk in sorted(raters)},
        items_judged_twice=sum(count >= 2 for count in judged.values()),
        items_judged=len(judged),
        open_disputes=Dispute.objects.filter(project=project, state=Dispute.State.OPEN).count(),
        simulated_raters=simulated,
        draws=draws,
        seed=seed,
    )


def pack_step_ratings(words: Sequence[Word], *, binary: bool = False) -> Ratings | None:
    """Step ratings with (solution, position) as units and families as clusters."""
    solution: list[int] = []
    position: list[int] = []
    rater: list[int] = []
    value: list[int] = []
    family: list[int] = []
    for word in words:
        if not isinstance(word.content, RatingContent):
            continue
        for index, rating in enumerate(ratings_of(word.content, word.n_steps)):
            if rating is None:
                # Not judged, or unsure: missing, never a neutral rating.
                continue
            solution.append(word.solution_id)
            position.append(index)
            rater.append(word.rater_id)
            value.append((0 if rating < 0 else 1) if binary else rating + 1)
            family.append(word.family_id)
    if not value:
        return None
    return pack_ratings(
        unit=number_step_units(solution, position),
        rater=rater,
        value=value,
        categories=BINARY if binary else TERNARY,
        cluster=family,
    )


def pack_words_first_errors(words: Sequence[Word]) -> Ratings | None:
    """First errors: from ratings, and from the blind judgement on injections where there is one.

    A verdict given after the claim was open says where the claim points; only what was said
    before counts as this person's own finding.
    """
    answers: list[FirstError] = [own_first_error(word) for word in words]
    if all(isinstance(answer, Unknown) for answer in answers):
        return None
    return pack_first_errors(
        solution=[word.solution_id for word in words],
        rater=[word.rater_id for word in words],
        first_error=answers,
        family=[word.family_id for word in words],
    )


def own_first_error(word: Word) -> FirstError:
    """Where this person, unaided, saw the first error."""
    if isinstance(word.content, VerdictContent):
        return word.content.blind_first_error
    return word.content.first_error(word.n_steps)


def pack_verdicts(words: Sequence[Word]) -> Ratings | None:
    if not words:
        return None
    return pack_ratings(
        unit=[word.item_id for word in words],
        rater=[word.rater_id for word in words],
        value=[
            VERDICTS.index(str(word.content.verdict))
            for word in words
            if isinstance(word.content, VerdictContent)
        ],
        categories=VERDICTS,
        cluster=[word.family_id for word in words],
    )


def count_accepted(words: Sequence[Word]) -> WilsonInterval | None:
    """PRMBench's first qualification rate: accepted of those that got a verdict (§3.4 there)."""
    accepted = {VerdictValue.ACCEPT, VerdictValue.ACCEPT_WITH_EDITS}
    given = [
        word.content.verdict
        for word in words
        if isinstance(word.content, VerdictContent)
        and word.content.verdict is not VerdictValue.UNSURE
    ]
    if not given:
        return None
    return wilson_interval(sum(verdict in accepted for verdict in given), len(given))


def count_kinds(words: Sequence[Word], *, binary: bool = False) -> dict[str, int]:
    """Of the items judged at least twice, how many show each kind of disagreement."""
    by_item: dict[int, list[Word]] = {}
    for word in words:
        by_item.setdefault(word.item_id, []).append(word)
    counts: Counter[str] = Counter()
    for group in by_item.values():
        if len(group) < 2:
            continue
        contents = [word.content for word in group]
        if not differ(group, binary=binary):
            continue
        counts.update(find_disagreements(contents, n_steps=group[0].n_steps, binary=binary))
    return dict(counts)


def differ(group: Sequence[Word], *, binary: bool = False) -> bool:
    """Do these words on one item say different things?"""
    keys = {agreement_key(word.content, n_steps=word.n_steps, binary=binary) for word in group}
    return len(keys) > 1 or None in keys


def list_pair_items(
    project: Project, first: int, second: int, *, kind: str = ""
) -> list[tuple[int, int, bool]]:
    """(item id, solution id, whether they differ) for the items both people judged."""
    by_item: dict[int, dict[int, Word]] = {}
    for word in load_words(project):
        by_item.setdefault(word.item_id, {})[word.rater_id] = word
    binary = project.rating_view == Project.RatingView.BINARY
    found = []
    for item_id, by_rater in sorted(by_item.items()):
        if first in by_rater and second in by_rater:
            group = [by_rater[first], by_rater[second]]
            if kind:
                kinds = find_disagreements(
                    [word.content for word in group], n_steps=group[0].n_steps, binary=binary
                )
                if kind not in kinds:
                    continue
            found.append((item_id, group[0].solution_id, differ(group, binary=binary)))
    return found


def list_kind_items(project: Project, kind: str) -> list[tuple[int, int]]:
    """(item id, solution id) of the items that show this kind of disagreement."""
    by_item: dict[int, list[Word]] = {}
    for word in load_words(project):
        by_item.setdefault(word.item_id, []).append(word)
    binary = project.rating_view == Project.RatingView.BINARY
    return [
        (item_id, group[0].solution_id)
        for item_id, group in sorted(by_item.items())
        if len(group) > 1
        and differ(group, binary=binary)
        and kind
        in find_disagreements(
            [word.content for word in group], n_steps=group[0].n_steps, binary=binary
        )
    ]


def seconds_per_step(words: Sequence[Word]) -> dict[int, float | None]:
    """Median active seconds a step by rater; None where no time was recorded."""
    by_rater: dict[int, list[float]] = {}
    for word in words:
        by_rater.setdefault(word.rater_id, [])
        if word.active_ms and word.n_steps:
            by_rater[word.rater_id].append(word.active_ms / 1000 / word.n_steps)
    return {
        rater: (sorted(values)[len(values) // 2] if values else None)
        for rater, values in by_rater.items()
    }


def count_first_error_kinds(words: Sequence[Word]) -> dict[str, int]:
    """Pairs of people by what their first errors differ in."""
    by_item: dict[int, list[FirstError]] = {}
    for word in words:
        by_item.setdefault(word.item_id, []).append(own_first_error(word))
    counts: Counter[str] = Counter()
    for answers in by_item.values():
        for index, first in enumerate(answers):
            for second in answers[index + 1 :]:
                kind = classify_disagreement(first, second)
                if kind is not None:
                    counts[str(kind)] += 1
    return dict(counts)
