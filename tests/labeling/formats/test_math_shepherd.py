"""Math-Shepherd: tags in one text, signs in the other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.formats import WriteLog
from labeling.records import (
    At,
    Author,
    LabelSet,
    NoError,
    Problem,
    Solution,
    Step,
    StepLabel,
    Validity,
)
from tests.labeling.formats.helpers import (
    Row,
    assert_round_trip,
    read_issue,
    read_solution,
    without,
    write_rows,
)

ROW: Row = {
    "input": "Tom has 2 cats and 3 dogs. How many animals? Step 1: 2 + 3 = 6. ки\n"
    "Step 2: He has 6. The answer is: 6 ки",
    "label": "Tom has 2 cats and 3 dogs. How many animals? Step 1: 2 + 3 = 6. -\n"
    "Step 2: He has 6. The answer is: 6 -",
    "task": "GSM8K",
}
CORRECT = StepLabel(validity=Validity.CORRECT)
WRONG = StepLabel(validity=Validity.WRONG)


def row_of(marked: str, signs: str, tag: str = "ки") -> Row:
    """A row whose `§` become tags in one text and the signs in the other."""
    label = marked
    for sign in signs:
        label = label.replace("§", sign, 1)
    return {"input": marked.replace("§", tag), "label": label}


def test_it_works() -> None:
    solution = read_solution("math_shepherd", ROW)
    assert solution.problem.text == "Tom has 2 cats and 3 dogs. How many animals?"
    assert [step.text for step in solution.steps] == [
        "Step 1: 2 + 3 = 6.",
        "Step 2: He has 6. The answer is: 6",
    ]
    assert solution.final_answer == "6"
    assert solution.final_answer_correct is None
    (label_set,) = solution.label_sets
    assert label_set.author is Author.MACHINE
    assert label_set.method == "math_shepherd"
    assert label_set.labels == (WRONG, WRONG)
    assert label_set.first_error == At(0)


def test_signs_are_read() -> None:
    (good,) = read_solution("math_shepherd", row_of("Q? Step 1: a §", "+")).label_sets
    assert good.first_error == NoError()
    (mixed,) = read_solution(
        "math_shepherd", row_of("Q? Step 1: a §\nStep 2: b §", "+-")
    ).label_sets
    assert mixed.labels == (CORRECT, WRONG)


def test_round_trip() -> None:
    assert_round_trip("math_shepherd", ROW, without(ROW, "task"))


@pytest.mark.parametrize(
    "marked",
    [
        "Два мешка муки, сколько муки? Step 1: two sacks §",
        "Q ки? Step 1: ки stands here too §\nStep 2: yes +§",
        "Q?  Step 1: a   §\n\nStep 2: b§\n",
        "Q? Step 1: a §\nno heading §",
        "Q?\nStep 1: over\ntwo lines §",
        "A question - with + signs? Step 1: 3 - 1 + 2 §",
        "In Step 1: he adds. What next? Step 1: he adds §",
        "Q? Step 1: §\nStep 2: §",
    ],
)
def test_what_looks_like_a_tag_a_sign_or_a_step_survives(marked: str) -> None:
    assert_round_trip("math_shepherd", row_of(marked, "+-"))


def test_a_tag_inside_the_question_is_text() -> None:
    solution = read_solution("math_shepherd", row_of("Сколько муки? Step 1: two §", "+"))
    assert solution.problem.text == "Сколько муки?"
    assert len(solution.steps) == 1


def test_a_last_step_without_a_tag_is_not_judged() -> None:
    (solution,) = assert_round_trip("math_shepherd", row_of("Q? Step 1: a §\nStep 2: b", "+"))
    assert [step.text for step in solution.steps] == ["Step 1: a", "Step 2: b"]
    assert solution.label_sets[0].labels == (CORRECT, None)


def test_unknown_fields_survive() -> None:
    assert_round_trip("math_shepherd", {**ROW, "id": 5})


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"input": None}, "input", "should be a text, but it is null."),
        ({"label": 1}, "label", "should be a text, but it is the number 1."),
        ({"task": 1}, "task", "should be a text or null, but it is the number 1."),
        ({"input": "Q?", "label": "Q?"}, "input", "holds no step that ends with the tag"),
        ({"input": "Q? a ки", "label": "Q? a +"}, "input", "has no 'Step 1:'"),
        ({"input": "Step 1: a ки", "label": "Step 1: a +"}, "input", "has no question"),
        ({"input": "Q? Step 1: a ки", "label": "Q? Step 1: a *"}, "label", "neither + nor -"),
        ({"input": "Q? Step 1: a ки", "label": "Q? Step 1: b +"}, "label", "differs"),
        ({"input": "Q? Step 1: a ки", "label": "Q? Step 1: a + b"}, "label", "goes on after"),
        ({"input": "Q? Step 1: a ки b", "label": "Q? Step 1: a +"}, "label", "differs"),
    ],
)
def test_a_wrong_value_is_explained(change: Row, field: str, said: str) -> None:
    issue = read_issue("math_shepherd", {**ROW, **change})
    assert issue.field == field
    assert said in issue.message


def test_a_solution_from_elsewhere_gets_headings() -> None:
    solution = Solution(
        Problem("Q?"),
        (Step("a"), Step("Step 2: b")),
        label_sets=(LabelSet(Author.HUMAN, (CORRECT, WRONG)),),
    )
    (row,) = write_rows("math_shepherd", [solution])
    assert row == {
        "input": "Q? Step 1: a ки\nStep 2: b ки",
        "label": "Q? Step 1: a +\nStep 2: b -",
    }


def test_unjudged_steps_cut_the_solution_or_skip_it() -> None:
    solution = Solution(
        Problem("Q?"),
        (Step("a"), Step("b")),
        label_sets=(LabelSet(Author.HUMAN, (CORRECT, None)),),
    )
    log = WriteLog()
    (row,) = write_rows("math_shepherd", [solution], log=log)
    assert row["label"] == "Q? Step 1: a +"
    assert log.shortened == 1
    assert write_rows("math_shepherd", [solution], unjudged="skip") == []


# Texts that cannot be taken for the parts of the layout.
_words = st.text("abк и+-1\n ", min_size=1, max_size=12).filter(lambda text: text.strip() == text)


@settings(deadline=None)
@given(question=_words, steps=st.lists(st.tuples(_words, st.sampled_from("+-")), min_size=1))
def test_any_texts_round_trip(question: str, steps: list[tuple[str, str]]) -> None:
    marked = question + "".join(
        f"{' ' if number == 1 else chr(10)}Step {number}: {text} §"
        for number, (text, _) in enumerate(steps, start=1)
    )
    (solution,) = assert_round_trip(
        "math_shepherd", row_of(marked, "".join(sign for _, sign in steps))
    )
    assert solution.problem.text == question
    assert len(solution.steps) == len(steps)
