from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from labeling.models import Adjudication, Annotation, AnnotationRevision, Project, Solution
from modeljobs.selection import (
    Selection,
    count_sources,
    find_unverified,
    list_selected,
    parse_selection,
)
from tests.labeling.factories import enqueue, make_project, make_solution, make_user, rating
from tests.modeljobs.worlds import NOON
from workbench.errors import InvalidInput

RIGHT = rating("correct", "correct", "correct", outcome="complete")
WRONG = rating("correct", "wrong", "correct", outcome="complete")


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


def review(
    solution: Solution, state: str, *, first_error: str = "none", decided: Any = None
) -> None:
    """What people of the project settled on the steps of a solution."""
    item = enqueue(solution)
    reviewer = make_user(f"reviewer-{solution.pk}")
    annotation = Annotation.objects.create(
        project=solution.project,
        solution=solution,
        item=item,
        annotator=reviewer,
        current_number=1,
        created_at=NOON,
    )
    revision = AnnotationRevision.objects.create(
        annotation=annotation,
        number=1,
        content=rating("correct", "correct", "correct"),
        first_error_state=first_error,
        first_error_position=0 if first_error == "at" else None,
        created_at=NOON,
    )
    if state == "agreed":
        item.agreed_revision = revision
    item.state = state
    item.save()
    for number, content in enumerate(decided or (), 1):
        Adjudication.objects.create(
            project=solution.project,
            item=item,
            adjudicator=reviewer,
            number=number,
            content=content,
            reason="Seen.",
            created_at=NOON,
        )


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


def test_an_adjudicators_word_stands_over_a_reviewers(project: Project) -> None:
    dissented = make_solution(project, "decided right")
    review(dissented, "decided", first_error="at", decided=[WRONG, RIGHT])
    overruled = make_solution(project, "decided wrong", final_answer_correct=True)
    review(overruled, "decided", decided=[RIGHT, WRONG])
    noted = {**RIGHT, "note": 'Not "validity": "wrong".'}
    review(make_solution(project, "noted"), "decided", first_error="at", decided=[noted])

    assert select(project) == ["decided right", "noted"]
    assert select(project, correct_only=True) == ["decided right", "noted"]
    assert select(project, verified_only=True) == ["decided right", "noted"]


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
    verified = Selection(verified_only=True)

    assert parse_selection(selection.pack()) == selection
    assert parse_selection(Selection().pack()) == Selection()
    assert parse_selection(verified.pack()) == verified


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
        ({"verified_only": "yes"}, "verified_only"),
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


# --- Found right by people ----------------------------------------------------------------------


def make_reviewed(project: Project) -> None:
    """A solution of each standing with the people of the project; all but two known right."""
    review(make_solution(project, "agreed right"), "agreed")
    review(make_solution(project, "agreed cannot tell"), "agreed", first_error="unknown")
    review(make_solution(project, "decided right"), "decided", decided=[WRONG, RIGHT])
    review(make_solution(project, "decided wrong"), "decided", decided=[RIGHT, WRONG])
    review(make_solution(project, "in dispute"), "disputed")
    review(make_solution(project, "one of two"), "waiting")
    label(make_solution(project, "imported right"), "none")
    make_solution(project, "unseen", final_answer_correct=True)


def test_only_what_people_agreed_or_decided_to_be_right_is_verified(project: Project) -> None:
    make_reviewed(project)

    assert select(project, verified_only=True) == ["agreed right", "decided right"]
    assert select(project, verified_only=True, limit=1) == ["agreed right"]
    assert len(select(project, verified_only=True, limit=1, shuffle=True)) == 1


def test_a_project_may_ask_for_it_of_methods_that_alter_solutions(project: Project) -> None:
    make_reviewed(project)
    project.verify_sources = True

    assert select(project) == ["agreed right", "decided right"]
    assert len(select(project, judging=True)) == 8
    assert select(project, judging=True, verified_only=True) == ["agreed right", "decided right"]


def test_where_nothing_is_verified_it_says_how_many_wait(project: Project) -> None:
    make_solution(project, "unseen")

    with pytest.raises(InvalidInput, match="Of 1 fitting solutions") as caught:
        select(project, verified_only=True)
    assert caught.value.extra["unverified"] == 1
    Solution.objects.update(final_answer_correct=False)
    assert select(project, verified_only=True) == []


def test_a_named_solution_must_be_verified_where_that_is_asked(project: Project) -> None:
    good, unseen = make_solution(project, "good"), make_solution(project, "unseen")
    review(good, "agreed")

    assert select(project, solution_ids=[good.pk], verified_only=True) == ["good"]
    with pytest.raises(InvalidInput, match=f"solution {unseen.pk} first") as caught:
        select(project, solution_ids=[good.pk, unseen.pk], verified_only=True)
    assert caught.value.extra["ids"] == [unseen.pk]


def test_which_sources_are_still_for_people_to_see(project: Project) -> None:
    make_reviewed(project)
    enqueue(Solution.objects.get(source_key="unseen"))

    counts = count_sources(project)

    # "one of two" is known right by one person's word.
    keys = dict(Solution.objects.values_list("pk", "source_key"))
    waiting = [keys[pk] for pk in find_unverified(project)]
    assert waiting == ["one of two", "imported right", "unseen"]
    assert (counts.verified, counts.waiting, counts.queued) == (2, 3, 2)
    assert counts.fitting == 6


def test_what_is_counted_costs_the_same_for_many(
    project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_reviewed(project)
    with django_assert_num_queries(5):
        count_sources(project)
