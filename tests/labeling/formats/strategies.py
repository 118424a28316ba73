"""Arbitrary records, for tests that must hold for all of them."""

from __future__ import annotations

from hypothesis import strategies as st

from labeling.records import (
    Alternative,
    At,
    Author,
    ContentKind,
    Contribution,
    Injection,
    LabelSet,
    NoError,
    Origin,
    Problem,
    Score,
    Solution,
    Step,
    StepLabel,
    Unknown,
    Validity,
    Verdict,
)

# What can be stored at all: no halves of surrogate pairs, no NUL.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
integers = st.integers(-(2**63), 2**63 - 1)
# NaN is equal to nothing, itself included: it has a test of its own.
numbers = st.floats(allow_nan=False)
finite = st.floats(allow_nan=False, allow_infinity=False)

json_data = st.recursive(
    st.none() | st.booleans() | integers | finite | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
extras = st.dictionaries(texts, json_data, max_size=2)

scores = st.builds(Score, raw=numbers, scale=texts, rule=texts)
step_labels = st.builds(
    StepLabel,
    validity=st.none() | st.sampled_from(Validity),
    contribution=st.none() | st.sampled_from(Contribution),
    origin=st.none() | st.sampled_from(Origin),
    error_types=st.lists(texts, max_size=2).map(tuple),
    unsure=st.booleans(),
    note=texts,
    rating=st.sampled_from([None, -1, 0, 1]),
    score=st.none() | scores,
    redundancy=st.none() | scores,
    severity=texts,
    confidence=texts,
)
first_errors = st.builds(At, integers) | st.builds(NoError) | st.builds(Unknown, texts)
alternatives = st.builds(
    Alternative, text=texts, label=st.none() | step_labels, source=texts, extra=extras
)
steps = st.builds(
    Step,
    text=texts,
    kind=st.sampled_from(ContentKind),
    alternatives=st.lists(alternatives, max_size=2).map(tuple),
    extra=extras,
)
problems = st.builds(
    Problem,
    text=texts,
    source_id=texts,
    reference_answer=st.none() | texts,
    reference_solution=st.none() | texts,
    family=texts,
    domain=texts,
    language=texts,
    extra=extras,
)
verdicts = st.builds(Verdict, value=texts, rater=texts, answers=extras, note=texts)
injections = st.builds(
    Injection,
    error_type=texts,
    original_problem=texts,
    original_steps=st.lists(texts, max_size=3).map(tuple),
    claimed_error_positions=st.lists(integers, max_size=3).map(tuple),
    claimed_changed_positions=st.lists(integers, max_size=3).map(tuple),
    reason=texts,
    verdicts=st.lists(verdicts, max_size=2).map(tuple),
    extra=extras,
)


def label_sets(n_steps: int) -> st.SearchStrategy[LabelSet]:
    return st.builds(
        LabelSet,
        author=st.sampled_from(Author),
        labels=st.lists(st.none() | step_labels, min_size=n_steps, max_size=n_steps).map(tuple),
        first_error=first_errors,
        rater=texts,
        method=texts,
        created_at=texts,
        total_ms=st.none() | integers,
        outcome=texts,
        extra=extras,
    )


@st.composite
def solutions(draw: st.DrawFn) -> Solution:
    chosen = tuple(draw(st.lists(steps, max_size=3)))
    return Solution(
        problem=draw(problems),
        steps=chosen,
        source_id=draw(texts),
        generator=draw(texts),
        final_answer=draw(st.none() | texts),
        final_answer_correct=draw(st.none() | st.booleans()),
        label_sets=tuple(draw(st.lists(label_sets(len(chosen)), max_size=2))),
        injection=draw(st.none() | injections),
        extra=draw(extras),
    )
