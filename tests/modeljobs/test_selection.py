from __future__ import annotations

from typing import Any

import pytest

from labeling.models import Annotation, AnnotationRevision, Project, Solution
from modeljobs.selection import Selection, list_selected, parse_selection
from tests.labeling.factories import make_project, make_solution, make_user
from tests.modeljobs.worlds import NOON
from workbench.errors import InvalidInput


@pytest.fixture
def project(db: None) -> Project:
    return make_project(make_user("alice"))


def label(solution: Solution, state: str, *, position: int | None = None, number: int = 1) -> None:
    """Labels that came with the solution."""
    annotation, _ = Annotation.objects.get_or_create(
        project=solution.project, solution=solution, kind="imported", created_at=NOON
    )
    AnnotationRevision.objects.create(
        annotation=annotation,
        number=number,
        content={},
        first_error_state=state,
        first_error_position=position,
        created_at=NOON,
    )
    Annotation.objects.filter(pk=annotation.pk).update(current_number=number)


def select(project: Project, **given: Any) -> list[str]:
    seed, judging = given.pop("seed", 0), given.pop("judging", False)
    ids = list_selected(project, parse_selection(given), seed=seed, judging=judging)
    keys = dict(Solution.objects.values_list("pk", "source_key"))
    return [keys[pk] for pk in ids]


# --- Which fit --------------------------------------------------------------------------------


def test_it_works(project: Project) -> None:
    for key in ("a", "b"):
        make_solution(project, key)

    assert select(project) == ["a", "b"]


def test_what_is_known_to_be_wrong_is_left_out(project: Project) -> None:
    make_solution(project, "unknown")
    make_solution(project, "right", final_answer_correct=True)
    make_solution(project, "wrong answer", final_answer_correct=False)
    label(make_solution(project, "wrong step", final_answer_correct=True), "at", position=1)
    label(make_solution(project, "all right"), "none")
    label(make_solution(project, "cannot tell"), "unknown")

    assert select(project) == ["unknown", "right", "all right", "cannot tell"]
    assert select(project, correct_only=True) == ["right", "all right"]


def test_only_the_newest_word_counts(project: Project) -> None:
    solution = make_solution(project, "mended")
    label(solution, "at", position=0)
    label(solution, "none", number=2)

    assert select(project, correct_only=True) == ["mended"]


def test_injections_are_left_out(project: Project) -> None:
    make_solution(project, "made", origin=Solution.Origin.INJECTED)

    assert select(project) == []


def test_old_versions_are_left_out(project: Project) -> None:
    old = make_solution(project, "old")
    make_solution(project, "new", previous=old, version=2)

    assert select(project) == ["new"]


def test_a_problem_without_steps_is_left_out(project: Project) -> None:
    make_solution(project, "bare", steps=())

    assert select(project) == []


def test_other_projects_are_left_out(project: Project) -> None:
    make_solution(make_project(make_user("bob"), slug="other"), "theirs")

    assert select(project) == []


# --- Narrowing --------------------------------------------------------------------------------


def test_one_source(project: Project) -> None:
    solution = make_solution(project, "here")
    solution.source = project.sources.create(name="special")
    solution.save()
    make_solution(project, "there")

    assert select(project, source="special") == ["here"]


def test_a_source_that_is_not_there(project: Project) -> None:
    with pytest.raises(InvalidInput, match="no source 'nowhere'"):
        select(project, source="nowhere")


def test_a_limit_takes_the_first(project: Project) -> None:
    for key in "abcde":
        make_solution(project, key)

    assert select(project, limit=2) == ["a", "b"]
    assert select(project, limit=9) == list("abcde")


def test_a_shuffled_limit_is_seeded(project: Project) -> None:
    for number in range(30):
        make_solution(project, f"{number:02}")

    first = select(project, limit=5, shuffle=True, seed=1)

    assert first == sorted(first)
    assert len(set(first)) == 5
    assert select(project, limit=5, shuffle=True, seed=1) == first
    assert select(project, limit=5, shuffle=True, seed=2) != first
    assert len(select(project, limit=99, shuffle=True)) == 30


def test_named_solutions(project: Project) -> None:
    rows = [make_solution(project, key) for key in "abc"]

    assert select(project, solution_ids=[rows[2].pk, rows[0].pk, rows[2].pk]) == ["a", "c"]


def test_a_named_solution_that_does_not_fit_is_refused(project: Project) -> None:
    good = make_solution(project, "good")
    wrong = make_solution(project, "wrong", final_answer_correct=False)

    with pytest.raises(InvalidInput, match=f"solution {wrong.pk} first") as caught:
        select(project, solution_ids=[good.pk, wrong.pk])
    assert caught.value.extra["ids"] == [wrong.pk]


def test_a_named_solution_must_be_known_right_where_that_is_asked(project: Project) -> None:
    row = make_solution(project, "unknown")

    assert select(project, solution_ids=[row.pk]) == ["unknown"]
    with pytest.raises(InvalidInput, match="not known to be right"):
        select(project, solution_ids=[row.pk], correct_only=True)


def test_more_named_solutions_than_one_statement_holds(project: Project) -> None:
    row = make_solution(project, "one")

    with pytest.raises(InvalidInput, match="no solution"):
        select(project, solution_ids=[row.pk, *range(10**6, 10**6 + 2_000)])


# --- Reading ----------------------------------------------------------------------------------


def test_what_is_packed_is_read_again() -> None:
    selection = Selection(solution_ids=(1, 2), source="s", correct_only=True, limit=3, shuffle=True)

    assert parse_selection(selection.pack()) == selection
    assert parse_selection(Selection().pack()) == Selection()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"solution_ids": []}, "solution_ids"),
        ({"solution_ids": "12"}, "solution_ids"),
        ({"solution_ids": [True]}, "solution_ids"),
        ({"solution_ids": ["1"]}, "solution_ids"),
        ({"limit": 0}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"source": 5}, "source"),
        ({"correct_only": "yes"}, "correct_only"),
        ({"shuffle": 1}, "shuffle"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_selection_that_is_none(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_selection(given)
    assert caught.value.extra["field"] == field


def test_a_judging_method_takes_wrong_solutions_and_injections(project: Project) -> None:
    make_solution(project, "right")
    wrong = make_solution(project, "wrong")
    label(wrong, "at", position=0)
    injected = make_solution(project, "injected")
    Solution.objects.filter(pk=injected.pk).update(origin=Solution.Origin.INJECTED)
    assert select(project) == ["right"]
    assert select(project, judging=True) == ["right", "wrong", "injected"]
    assert select(project, judging=True, kind="injections") == ["injected"]
    assert select(project, judging=True, kind="solutions") == ["right", "wrong"]


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'solutions' or 'injections'"):
        parse_selection({"kind": "everything"})
