"""One function for each lint of the catalogue, all on the same facts about an injection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from labeling.alignment import PairKind, measure_similarity, normalise_text
from labeling.formats.lint.context import name_problem
from labeling.formats.lint.facts import Facts, is_whole
from labeling.formats.lint.rules import LINTS, Fix, Lint
from labeling.formats.lint.texts import (
    Fault,
    contains_answer,
    find_announcement,
    find_boxed,
    find_faults,
    find_final_answer,
    find_named_steps,
    find_residue,
    is_blank,
    is_number,
    list_results,
    speaks_of_money,
)

CLAIM = "injection.claimed_error_positions"
DECLARED = "injection.claimed_changed_positions"
ORIGINAL = "injection.original_steps"
TYPE = "injection.error_type"
REASON = "injection.reason"
STEPS = "steps"
QUESTION = "problem.text"

# The answer of a modified solution is looked for in this many steps at its end.
ANSWER_STEPS = 2
# A last step with this share of tokens in common with the original's is that step again.
LEAST_LIKE = 0.5


def _number(positions: Sequence[int] | frozenset[int] | set[int]) -> str:
    """Positions as a reader sees them: from one, in order, neighbours as a range."""
    numbers = sorted(position + 1 for position in positions)
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    # Two neighbours are shorter as a list.
    return ", ".join(
        f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in ranges
    )


# -- The claim and its form ------------------------------------------------------------------------


def check_missing_parts(facts: Facts) -> Iterator[Lint]:
    _, no_type, no_question, no_steps, no_original = LINTS["E01"].messages
    if not facts.injection.error_type.strip():
        yield Lint("E01", no_type, field=TYPE)
    if not facts.solution.problem.text.strip():
        yield Lint("E01", no_question, field=QUESTION)
    if not facts.modified:
        yield Lint("E01", no_steps, field=STEPS)
    if not facts.original:
        yield Lint("E01", no_original, field=ORIGINAL)


def check_whole_numbers(facts: Facts) -> Iterator[Lint]:
    for field, positions in (
        (CLAIM, facts.injection.claimed_error_positions),
        (DECLARED, facts.injection.claimed_changed_positions),
    ):
        strange = [position for position in positions if not is_whole(position)]
        if strange:
            values = ", ".join(map(repr, strange))
            yield Lint("E02", LINTS["E02"].messages[0], {"values": values}, field=field)


def check_range(facts: Facts) -> Iterator[Lint]:
    for code, field, positions in (
        ("E03a", CLAIM, facts.errors),
        ("E03b", DECLARED, facts.declared),
    ):
        outside = {position for position in positions if not facts.is_inside(position)}
        if outside:
            params = {"steps": _number(outside), "last": len(facts.modified)}
            fix = find_shift(facts) if code == "E03a" else None
            yield Lint(code, LINTS[code].messages[0], params, field=field, fix=fix)


def check_error_count(facts: Facts) -> Iterator[Lint]:
    kind = facts.injection.error_type
    if kind.strip() and facts.has_error and not facts.injection.claimed_error_positions:
        yield Lint("E04", LINTS["E04"].messages[0], {"type": kind}, field=CLAIM)
    if not facts.has_error and facts.errors:
        params = {"type": kind, "steps": _number(facts.errors)}
        yield Lint("E08", LINTS["E08"].messages[0], params, field=CLAIM)


def check_identical(facts: Facts) -> Iterator[Lint]:
    if facts.modified and facts.modified == facts.original:
        yield Lint("E05", LINTS["E05"].messages[0], field=STEPS)


def check_blank(facts: Facts) -> Iterator[Lint]:
    here, original = LINTS["E06"].messages
    for position, text in enumerate(facts.modified):
        if is_blank(text):
            # The last step cannot be deleted: nothing would be left to judge.
            fix = Fix(op="delete", position=position) if len(facts.modified) > 1 else None
            yield Lint("E06", here, {"step": position + 1}, position, STEPS, fix)
    for position, text in enumerate(facts.original):
        if is_blank(text):
            yield Lint("E06", original, {"step": position + 1}, field=ORIGINAL)


def check_name(facts: Facts) -> Iterator[Lint]:
    count = facts.context.count_same_name(facts.solution, facts.injection)
    if count > 1:
        params = {
            "count": count,
            "type": facts.injection.error_type,
            "problem": name_problem(facts.solution),
        }
        yield Lint("E07", LINTS["E07"].messages[0], params, field="problem.source_id")


# -- The claim against what really differs ---------------------------------------------------------


def check_subset(facts: Facts) -> Iterator[Lint]:
    extra = facts.errors - facts.declared
    if extra:
        yield Lint("W11", LINTS["W11"].messages[0], {"steps": _number(extra)}, field=DECLARED)


def check_declared(facts: Facts) -> Iterator[Lint]:
    if not facts.has_error:
        # A second solution is new from start to end, and lists nothing.
        return
    only_unlisted, only_unchanged, both = LINTS["W12"].messages
    unlisted = facts.changed - facts.declared
    unchanged = {position for position in facts.declared if facts.is_inside(position)}
    unchanged -= facts.changed
    params = {}
    if unlisted:
        params["unlisted"] = _number(unlisted)
    if unchanged:
        params["unchanged"] = _number(unchanged)
    if params:
        template = both if len(params) == 2 else only_unlisted if unlisted else only_unchanged
        yield Lint("W12", template, params, field=DECLARED)


def check_unchanged_flags(facts: Facts) -> Iterator[Lint]:
    if facts.question_changed or facts.injection.error_type == "step_contradiction":
        return
    if facts.modified == facts.original:
        # E05 says so of all steps.
        return
    shifted = find_shift(facts) is not None
    before = Counter(map(normalise_text, facts.original))
    after = Counter(map(normalise_text, facts.modified))
    for pair in facts.pairs:
        if pair.kind is not PairKind.SAME or pair.modified not in facts.flagged:
            continue
        if pair.original is None:
            continue
        key = normalise_text(facts.modified[pair.modified])
        if after[key] > before[key]:
            # The step stands more often than it did, and any of its copies may be the new one.
            continue
        params = {"step": pair.modified + 1, "original": pair.original + 1}
        # Where a shift explains the flag, taking it away would be the wrong repair.
        fix = None if shifted else Fix(op="unflag", position=pair.modified)
        yield Lint("W13", LINTS["W13"].messages[0], params, pair.modified, CLAIM, fix)


def check_shift(facts: Facts) -> Iterator[Lint]:
    one_way, either_way = LINTS["W14"].messages
    shifts = list_shifts(facts)
    if len(shifts) > 1:
        # The claim does not tell which was meant, so there is no fix.
        yield Lint("W14", either_way, {"steps": _number(facts.errors)}, field=CLAIM)
        return
    for by in shifts:
        moved = {position + by for position in facts.errors}
        params = {"by": f"{by:+d}".replace("-", "−"), "steps": _number(moved)}
        yield Lint("W14", one_way, params, field=CLAIM, fix=Fix(op="shift", by=by))


def list_shifts(facts: Facts) -> list[int]:
    """The shifts by ±1 after which only changed steps are flagged; none where there is no need."""
    if not facts.errors or facts.errors <= facts.changed:
        return []
    return [by for by in (1, -1) if {position + by for position in facts.errors} <= facts.changed]


def find_shift(facts: Facts) -> Fix | None:
    """The one shift that explains the flags, or None."""
    shifts = list_shifts(facts)
    return Fix(op="shift", by=shifts[0]) if len(shifts) == 1 else None


def check_reason(facts: Facts) -> Iterator[Lint]:
    named = {number - 1 for number in find_named_steps(facts.injection.reason)}
    if named and facts.errors and not named & facts.errors:
        params = {"named": _number(named), "steps": _number(facts.errors)}
        yield Lint("W15", LINTS["W15"].messages[0], params, field=REASON)


def check_all_flagged(facts: Facts) -> Iterator[Lint]:
    if len(facts.modified) > 1 and len(facts.flagged) == len(facts.modified):
        yield Lint("W16", LINTS["W16"].messages[0], {"count": len(facts.modified)}, field=CLAIM)


def check_question(facts: Facts) -> Iterator[Lint]:
    if facts.question_changed:
        yield Lint("W17", LINTS["W17"].messages[0], field=QUESTION)


def check_original(facts: Facts) -> Iterator[Lint]:
    from_source, from_others = LINTS["W18"].messages
    problem = facts.solution.problem
    source = facts.context.sources.get(problem.family or problem.source_id)
    if source is not None:
        unlike = [
            position
            for position in range(max(len(source), len(facts.original)))
            if _step_at(source, position) != _step_at(facts.original, position)
        ]
        if unlike:
            yield Lint("W18", from_source, {"step": unlike[0] + 1}, field=ORIGINAL)
        return
    count = facts.context.count_other_originals(facts.solution, facts.injection)
    if count:
        yield Lint("W18", from_others, {"count": count}, field=ORIGINAL)


def _step_at(steps: Sequence[str], position: int) -> str | None:
    return normalise_text(steps[position]) if position < len(steps) else None


# -- The texts -------------------------------------------------------------------------------------


def check_residue(facts: Facts) -> Iterator[Lint]:
    here, original = LINTS["W19"].messages
    for position, text in enumerate(facts.modified):
        residue = find_residue(text)
        if residue is not None:
            params = {"step": position + 1, "found": residue.heading}
            fix: Fix | None = Fix(op="replace", position=position, text=residue.rest)
            if not residue.rest:
                fix = Fix(op="delete", position=position) if len(facts.modified) > 1 else None
            yield Lint("W19", here, params, position, STEPS, fix)
    for position, text in enumerate(facts.original):
        residue = find_residue(text)
        if residue is not None:
            params = {"step": position + 1, "found": residue.heading}
            yield Lint("W19", original, params, field=ORIGINAL)


def check_latex(facts: Facts) -> Iterator[Lint]:
    messages = LINTS["W20"].messages
    kinds = (Fault.DOLLAR, Fault.BRACE, Fault.BRACKET, Fault.PAIR, Fault.BACKSLASH)
    of_step = dict(zip(kinds, messages[: len(kinds)], strict=True))
    of_question = dict(zip(kinds, messages[len(kinds) :], strict=True))
    # What was there before says how dollars are used.
    money = speaks_of_money((facts.injection.original_problem, *facts.original))
    for fault in find_faults(facts.solution.problem.text, speaks_of_money=money):
        params = {"found": fault.found} if fault.found else {}
        yield Lint("W20", of_question[fault.fault], params, field=QUESTION)
    for position, text in enumerate(facts.modified):
        for fault in find_faults(text, speaks_of_money=money):
            params_of_step: dict[str, str | int] = {"step": position + 1}
            if fault.found:
                params_of_step["found"] = fault.found
            fix = None
            if fault.repaired is not None:
                fix = Fix(op="replace", position=position, text=fault.repaired)
            yield Lint("W20", of_step[fault.fault], params_of_step, position, STEPS, fix)


def check_announcement(facts: Facts) -> Iterator[Lint]:
    if not facts.has_error:
        return
    known = " ".join([facts.solution.problem.text, *facts.original]).lower()
    for position in sorted(facts.changed | facts.flagged):
        found = find_announcement(facts.modified[position], also_in=known)
        if found is not None:
            params = {"step": position + 1, "found": found}
            yield Lint("W21", LINTS["W21"].messages[0], params, position, STEPS)


# -- What only mathematics could tell, by rule -----------------------------------------------------


def check_answer(facts: Facts) -> Iterator[Lint]:
    if facts.injection.error_type not in facts.context.keeps_answer or facts.question_changed:
        return
    answer = find_final_answer(facts.original)
    if answer is None or not facts.modified:
        return
    if _keeps_answer(facts, answer):
        return
    params = {"answer": answer, "type": facts.injection.error_type}
    last = len(facts.modified) - 1
    yield Lint("W22", LINTS["W22"].messages[0], params, last, STEPS)


def _keeps_answer(facts: Facts, answer: str) -> bool:
    """Does the modified solution end as the original does, as far as a rule can tell?"""
    before, after = find_boxed(facts.original), find_boxed(facts.modified)
    if before is not None and after is not None:
        # "16" and "16 cm" are one answer.
        return f" {before} " in f" {after} " or f" {after} " in f" {before} "
    last = len(facts.modified) - 1
    ending = next(pair for pair in facts.pairs if pair.modified == last)
    end = len(facts.original) - 1
    if ending.original == end and ending.kind is PairKind.SAME:
        return True
    # A last step that says again, or otherwise, what the original's said counts alone, and so does
    # one with a result of its own: what the steps before it say is no longer the answer. A second
    # solution ends in its own words, and there a number at the end is the answer.
    if facts.has_error:
        counts_alone = (
            ending.original == end
            or measure_similarity(facts.original[end], facts.modified[last]) >= LEAST_LIKE
            or _has_new_result(facts, last)
        )
    else:
        counts_alone = is_number(answer) and is_number(find_final_answer(facts.modified[last:]))
    n_steps = 1 if counts_alone else ANSWER_STEPS
    return any(contains_answer(text, answer) for text in facts.modified[-n_steps:])


def _has_new_result(facts: Facts, position: int) -> bool:
    """Does the step say a number that neither the question nor the steps before it do?"""
    known = set(list_results(facts.solution.problem.text))
    for text in (*facts.original, *facts.modified[:position]):
        known |= list_results(text)
    return bool(list_results(facts.modified[position]) - known)


def check_inherited(facts: Facts) -> Iterator[Lint]:
    """Results that first appear in a flagged, changed step, and the later steps that use them.

    What the question or the original says anywhere is no sign: it may come from there. Where a
    flagged step and a later one were both edited, and the same number is new in both, it is.
    """
    if facts.injection.error_type in facts.context.keeps_answer:
        return
    known = set(list_results(facts.solution.problem.text))
    for text in facts.original:
        known |= list_results(text)
    edited = {pair.modified: pair.original for pair in facts.pairs if pair.kind is PairKind.EDITED}
    first_seen: dict[str, int] = {}
    brought_in: dict[str, int] = {}
    for position, text in enumerate(facts.modified):
        results = list_results(text)
        origin = edited.get(position)
        fresh = frozenset() if origin is None else results - list_results(facts.original[origin])
        sources = {result: first_seen[result] for result in results if result in first_seen}
        sources |= {result: brought_in[result] for result in fresh if result in brought_in}
        if sources and position not in facts.flagged:
            used = min(sources, key=lambda result: (sources[result], -len(result), result))
            params = {"step": position + 1, "result": used, "source": sources[used] + 1}
            fix = Fix(op="flag", position=position)
            yield Lint("W23", LINTS["W23"].messages[0], params, position, CLAIM, fix)
        if position in facts.flagged and position in facts.changed:
            for result in results - known:
                first_seen.setdefault(result, position)
            for result in fresh:
                brought_in.setdefault(result, position)
        known |= results - first_seen.keys()


def check_twin(facts: Facts) -> Iterator[Lint]:
    twin = facts.context.find_twin(facts.solution, facts.injection, changed=facts.changed)
    if twin is not None:
        params = {"percent": round(100 * twin.similarity), "other": twin.name}
        yield Lint("W24", LINTS["W24"].messages[0], params, field=STEPS)


CHECKS: tuple[Callable[[Facts], Iterator[Lint]], ...] = (
    check_missing_parts,
    check_whole_numbers,
    check_range,
    check_error_count,
    check_identical,
    check_blank,
    check_name,
    check_subset,
    check_declared,
    check_unchanged_flags,
    check_shift,
    check_reason,
    check_all_flagged,
    check_question,
    check_original,
    check_residue,
    check_latex,
    check_announcement,
    check_answer,
    check_inherited,
    check_twin,
)
