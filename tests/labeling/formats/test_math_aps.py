"""MATH-APS: trees to paths and back, nested and flat."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.formats import WriteLog
from labeling.records import (
    Author,
    LabelSet,
    Problem,
    ReadIssue,
    Score,
    Solution,
    Step,
    StepLabel,
    Unknown,
)
from tests.labeling.formats.helpers import (
    Row,
    assert_round_trip,
    read_bytes,
    read_issue,
    read_solutions,
    to_lines,
    without,
    write_bytes,
    write_rows,
)


def node(text: str, mc: float | None, *children: Row) -> Row:
    return {"text": text, "mc_value": mc, "children": list(children)}


def entry(text: str, mc: float | None) -> Row:
    return {"solution_prefix": text, "mc_value": mc}


QUESTION = "What is 5 * 8?"
TREE: Row = {
    "question": QUESTION,
    "final_answer": "40",
    "reasoning_steps": node(
        QUESTION,
        0.75,
        node("5 * 8 = 40.", 1.0, node("So 40.", 1.0), node("So 41.", 0.0)),
        node("5 + 8 = 13.", 0.0),
    ),
    "question_id": 7,
}
# The same tree with its nodes in another order: a child may stand before its parent.
FLAT: Row = {
    "question": QUESTION,
    "final_answer": "40",
    "reasoning_steps": [
        entry(QUESTION, 0.75),
        entry(f"{QUESTION}\n\n 5 * 8 = 40.\n\nSo 41.", 0.0),
        entry(f"{QUESTION}\n\n5 + 8 = 13.", 0.0),
        entry(f"{QUESTION}\n\n 5 * 8 = 40.", 1.0),
        entry(f"{QUESTION}\n\n 5 * 8 = 40.\n\nSo 40.", 1.0),
    ],
    "question_id": 7,
}


def texts(solution: Solution) -> list[str]:
    return [step.text for step in solution.steps]


def estimates(solution: Solution) -> list[float | None]:
    (label_set,) = solution.label_sets
    return [label.score.raw if label and label.score else None for label in label_set.labels]


def test_each_path_of_a_tree_is_a_solution() -> None:
    solutions = read_solutions("math_aps", TREE)
    assert [texts(solution) for solution in solutions] == [
        ["5 * 8 = 40.", "So 40."],
        ["5 * 8 = 40.", "So 41."],
        ["5 + 8 = 13."],
    ]
    assert [estimates(solution) for solution in solutions] == [[1.0, 1.0], [1.0, 0.0], [0.0]]
    assert [solution.source_id for solution in solutions] == ["7/2", "7/3", "7/4"]
    (problem,) = {id(solution.problem): solution.problem for solution in solutions}.values()
    assert (problem.text, problem.source_id, problem.reference_answer) == (QUESTION, "7", "40")


def test_the_family_is_that_of_the_question_not_of_its_id() -> None:
    """Upstream gives two questions the same id."""
    other = json.loads(json.dumps(TREE).replace("5 * 8?", "8 * 5?"))
    same_id = read_solutions("math_aps", TREE, other)
    assert len({solution.problem.family for solution in same_id}) == 2
    other_id = read_solutions("math_aps", TREE, {**TREE, "question_id": 9})
    assert len({solution.problem.family for solution in other_id}) == 1


def test_estimates_are_a_machines_and_have_no_threshold() -> None:
    (label_set,) = read_solutions("math_aps", TREE)[0].label_sets
    assert label_set.author is Author.MACHINE
    assert label_set.labels[0] == StepLabel(score=Score(1.0, "mc_estimate"))
    assert isinstance(label_set.first_error, Unknown)


def test_a_flat_list_is_the_same_tree() -> None:
    solutions = read_solutions("math_aps", FLAT)
    # By the place of the leaf in the list.
    assert [texts(solution) for solution in solutions] == [
        ["5 * 8 = 40.", "So 41."],
        ["5 + 8 = 13."],
        ["5 * 8 = 40.", "So 40."],
    ]
    assert [solution.extra["math_aps.nodes"] for solution in solutions] == [[3, 1], [2], [3, 4]]
    assert solutions[0].extra["math_aps.root"] == {"number": 0, "mc": 0.75}


def test_round_trip() -> None:
    assert_round_trip("math_aps", TREE, FLAT, {**TREE, "question_id": "t-1"})


def test_a_tree_can_be_written_flat_and_a_list_nested() -> None:
    (flat,) = write_rows("math_aps", read_solutions("math_aps", TREE), layout="flat")
    assert [item["solution_prefix"] for item in flat["reasoning_steps"]] == [
        QUESTION,
        f"{QUESTION}\n\n5 * 8 = 40.",
        f"{QUESTION}\n\n5 * 8 = 40.\n\nSo 40.",
        f"{QUESTION}\n\n5 * 8 = 40.\n\nSo 41.",
        f"{QUESTION}\n\n5 + 8 = 13.",
    ]
    (tree,) = write_rows("math_aps", read_solutions("math_aps", FLAT), layout="tree")
    assert tree["reasoning_steps"]["mc_value"] == 0.75
    assert [child["text"] for child in tree["reasoning_steps"]["children"]] == [
        "5 + 8 = 13.",
        "5 * 8 = 40.",
    ]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(node(QUESTION, 0.5), id="a root alone"),
        pytest.param(node(QUESTION, 0.5, node("a", 0.5), node("a", 0.5)), id="equal siblings"),
        pytest.param(node("Another wording", None, node("a", None)), id="unlike the question"),
        pytest.param({**node(QUESTION, 1.0, {**node("a", 1.0), "visits": 3}), "q": 1}, id="more"),
        pytest.param(node(QUESTION, 1, node("a", 1, node("b", 1, node("c", 0)))), id="a chain"),
        pytest.param(node(QUESTION, 1, node("", 1), node("  x  ", 1)), id="blank and padded"),
        pytest.param([entry(QUESTION, 0.5)], id="flat: a root alone"),
        pytest.param([entry(QUESTION + "\na", 0.5)], id="flat: no root"),
        pytest.param([], id="flat: nothing"),
        pytest.param([entry(QUESTION, 0.5), entry(QUESTION, 0.25)], id="flat: the root twice"),
        pytest.param(
            [entry(QUESTION + " a", 1), entry(QUESTION, 0.5), entry(QUESTION + " a", 0)],
            id="flat: equal leaves, the root in between",
        ),
        pytest.param(
            [entry(QUESTION + " a", 1), entry(QUESTION + " a b", 1), entry(QUESTION + " a", 0)],
            id="flat: equal nodes, one with a child",
        ),
        pytest.param(
            [entry(QUESTION + "\n ", 1), entry(QUESTION + "\n \n x", 1)], id="flat: blank"
        ),
        pytest.param([{**entry(QUESTION + " a", 1), "visits": 2}], id="flat: more"),
    ],
)
def test_odd_trees_survive(steps: Any) -> None:
    assert_round_trip("math_aps", {**TREE, "reasoning_steps": steps, "tag": [1]}, TREE, FLAT)


def test_two_rows_of_one_question_stay_two() -> None:
    assert_round_trip("math_aps", TREE, TREE, FLAT, FLAT, {**TREE, "question_id": 8})


def test_a_root_alone_is_a_problem() -> None:
    (solution,) = read_solutions("math_aps", {**TREE, "reasoning_steps": node(QUESTION, 0.5)})
    assert solution.is_problem
    assert solution.extra["math_aps.root"] == {"number": 0, "mc": 0.5}


def test_a_row_without_an_id_survives() -> None:
    (solution, *_) = assert_round_trip("math_aps", without(TREE, "question_id"))
    assert solution.problem.source_id == ""


def test_a_tree_deeper_than_python_recurses_survives() -> None:
    # By hand, because Python's own JSON writer does recurse.
    opening = '{"text":"s","mc_value":1.0,"children":['
    nested = f"{opening * 500}{']}' * 500}"
    head = f'{{"question":"{QUESTION}","final_answer":"40","reasoning_steps":'
    row = f'{head}{nested},"question_id":7}}\n'.encode()
    (solution,) = read_bytes("math_aps", row)
    assert isinstance(solution, Solution)
    # The outermost node is the root: it holds the question, in other words here.
    assert len(solution.steps) == 499
    assert write_bytes("math_aps", [solution]) == row


def test_a_comb_of_paths_is_stopped_by_the_limit_on_steps() -> None:
    # 20 nodes on a spine with a leaf each: paths of 2 + 3 + … + 20 steps, and the last of 20.
    steps = node("spine", 1.0)
    for _ in range(19):
        steps = node("spine", 1.0, node("leaf", 0.0), steps)
    row = {**TREE, "reasoning_steps": node(QUESTION, 1.0, steps)}
    total = sum(range(2, 21)) + 20
    assert len(read_bytes("math_aps", to_lines([row]), max_steps=total)) == 20
    (issue,) = read_bytes("math_aps", to_lines([row]), max_steps=total - 1)
    assert isinstance(issue, ReadIssue)
    assert "more than 228 steps together" in issue.message


@pytest.mark.parametrize("layout", ["tree", "flat"])
def test_too_many_nodes_are_an_issue(layout: str) -> None:
    steps: Any = (
        node(QUESTION, 1.0, *[node("a", 1.0)] * 5) if layout == "tree" else [entry(QUESTION, 1)] * 6
    )
    (issue,) = read_bytes("math_aps", to_lines([{**TREE, "reasoning_steps": steps}]), max_steps=5)
    assert isinstance(issue, ReadIssue)
    assert "has 6 entries; at most 5 steps" in issue.message


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"question": 1}, "question", "should be a text"),
        ({"final_answer": 40}, "final_answer", "a text or null"),
        ({"question_id": 1.5}, "question_id", "a whole number or a text"),
        ({"question_id": True}, "question_id", "a whole number or a text"),
        ({"reasoning_steps": "x"}, "reasoning_steps", "a tree (an object) or a list"),
        ({"reasoning_steps": None}, "reasoning_steps", "a tree (an object) or a list"),
        ({"reasoning_steps": node(3, 1)}, "reasoning_steps (node 0).text", "a text"),  # type: ignore[arg-type]
        (
            {"reasoning_steps": node(QUESTION, 1, node("a", 1), node("b", True))},
            "reasoning_steps (node 2).mc_value",
            "a number or null, but it is true",
        ),
        (
            {"reasoning_steps": {**node(QUESTION, 1), "children": {}}},
            "reasoning_steps (node 0).children",
            "should be a list",
        ),
        (
            {"reasoning_steps": {**node(QUESTION, 1), "children": ["a"]}},
            "reasoning_steps (node 1)",
            "should be an object",
        ),
        ({"reasoning_steps": ["a"]}, "reasoning_steps[0]", "should be an object"),
        (
            {"reasoning_steps": [entry("Other", 1)]},
            "reasoning_steps[0].solution_prefix",
            "should begin with the question",
        ),
        (
            {"reasoning_steps": [{"solution_prefix": QUESTION, "mc_value": "1"}]},
            "reasoning_steps[0].mc_value",
            "a number or null, but it is the text '1'",
        ),
    ],
)
def test_a_wrong_value_is_explained(change: Row, field: str, said: str) -> None:
    issue = read_issue("math_aps", {**TREE, **change})
    assert issue.field == field
    assert said in issue.message


def estimated(*steps: tuple[str, float], problem: str = "p") -> Solution:
    labels = tuple(StepLabel(score=Score(mc, "mc_estimate")) for _, mc in steps)
    return Solution(
        Problem(problem, source_id="id"),
        tuple(Step(text) for text, _ in steps),
        label_sets=(LabelSet(Author.MACHINE, labels),),
    )


def test_solutions_made_here_share_what_they_share() -> None:
    solutions = [
        estimated(("a", 1.0), ("b", 0.5)),
        estimated(("a", 1.0), ("c", 0.0)),
        estimated(("a", 1.0), problem="q"),
    ]
    assert write_rows("math_aps", solutions) == [
        {
            "question": "p",
            "final_answer": None,
            "reasoning_steps": node("p", None, node("a", 1.0, node("b", 0.5), node("c", 0.0))),
            "question_id": "id",
        },
        {
            "question": "q",
            "final_answer": None,
            "reasoning_steps": node("q", None, node("a", 1.0)),
            "question_id": "id",
        },
    ]


def test_a_step_changed_on_one_path_becomes_a_node_beside_the_other() -> None:
    first, second, third = read_solutions("math_aps", TREE)
    changed = Solution(
        second.problem,
        (Step("5 * 8 is 40."), second.steps[1]),
        label_sets=second.label_sets,
        extra=second.extra,
    )
    (row,) = write_rows("math_aps", [first, changed, third])
    children = row["reasoning_steps"]["children"]
    assert [child["text"] for child in children] == ["5 * 8 = 40.", "5 * 8 is 40.", "5 + 8 = 13."]
    assert [child["text"] for child in children[0]["children"]] == ["So 40."]
    assert [child["text"] for child in children[1]["children"]] == ["So 41."]


def test_a_solution_without_estimates_is_skipped() -> None:
    log = WriteLog()
    assert write_rows("math_aps", [Solution(Problem("p"), (Step("s"),))], log=log) == []
    assert log.skips[0].reason == "It has no Monte-Carlo estimates."


_mc = st.sampled_from([0.0, 0.25, 1.0, None])
_trees = st.recursive(
    st.builds(node, st.text("ab \n", max_size=4), _mc),
    lambda inner: st.builds(
        lambda text, mc, children: node(text, mc, *children),
        st.text("ab \n", max_size=4),
        _mc,
        st.lists(inner, max_size=3),
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(trees=st.lists(_trees, min_size=1, max_size=3))
def test_any_tree_round_trips(trees: list[Row]) -> None:
    assert_round_trip("math_aps", *({**TREE, "reasoning_steps": tree} for tree in trees))


@settings(deadline=None)
@given(
    entries=st.lists(
        st.builds(entry, st.text("ab \n", max_size=5).map(QUESTION.__add__), _mc), max_size=12
    )
)
def test_any_flat_list_round_trips(entries: list[Row]) -> None:
    assert_round_trip("math_aps", {**FLAT, "reasoning_steps": entries}, FLAT)
