from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from labeling import records
from labeling.mapping import unpack_suggestion
from labeling.models import Annotation, Solution, Suggestion
from labeling.services.suggestions import record_suggestion
from tests.labeling.factories import make_project, make_solution, make_user
from workbench.errors import InvalidInput

RULE = ">= 0.5 is correct"
LABELS = records.LabelSet(
    author=records.Author.MACHINE,
    labels=(
        records.StepLabel(
            validity=records.Validity.CORRECT,
            score=records.Score(raw=0.9, scale="probability", rule=RULE),
        ),
        records.StepLabel(
            validity=records.Validity.WRONG,
            score=records.Score(raw=0.1, scale="probability", rule=RULE),
        ),
        None,
    ),
    first_error=records.At(1),
    method="genprm",
)


@pytest.fixture
def solution(db: None) -> Solution:
    return make_solution(make_project(make_user("alice")))


def record(solution: Solution, **changes: Any) -> Suggestion | None:
    given: dict[str, Any] = {
        "solution": solution,
        "label_set": LABELS,
        "producer": "genprm 1 · Tiny",
        "settings": {"seed": 7, "parameters": {"samples": 1, "mode": "code"}},
        "reference": {"job": 3, "item": 12, "evidence": "genprm"},
        "provenance": {"engine_name": "Tiny", "prompt_version": "genprm-1"},
        "is_scripted": False,
    }
    return record_suggestion(**(given | changes))


def test_it_works(solution: Solution) -> None:
    suggestion = record(solution)

    assert suggestion is not None
    stored = Suggestion.objects.get()
    assert stored == suggestion
    assert (stored.project, stored.solution) == (solution.project, solution)
    assert (stored.method, stored.producer) == ("genprm", "genprm 1 · Tiny")
    assert stored.is_scripted is False
    assert {name: stored.payload[name] for name in ("job", "item", "evidence")} == {
        "job": 3,
        "item": 12,
        "evidence": "genprm",
    }
    assert stored.provenance == {"engine_name": "Tiny", "prompt_version": "genprm-1"}
    # It comes out as it went in, scores with scale and rule among it.
    unpacked = unpack_suggestion(
        producer="",
        labels=stored.labels,
        first_error=stored.first_error,
        payload=stored.payload,
    )
    assert unpacked == LABELS
    # What a machine says is nobody's judgement.
    assert not Annotation.objects.exists()


def test_the_same_word_is_stored_once(solution: Solution) -> None:
    record(solution)

    again = record(
        solution,
        label_set=replace(LABELS, created_at="2026-05-04T12:00:00Z", total_ms=9),
        reference={"job": 4, "item": 99, "evidence": "genprm"},
        settings={"parameters": {"mode": "code", "samples": 1}, "seed": 7},
    )

    assert again is None
    assert Suggestion.objects.get().payload["job"] == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"label_set": replace(LABELS, first_error=records.At(0))},
        {"label_set": replace(LABELS, labels=(None, None, None))},
        {"label_set": replace(LABELS, method="other")},
        {"label_set": replace(LABELS, outcome="stopped")},
        {"producer": "genprm 1 · Other"},
        {"settings": {"seed": 8}},
    ],
    ids=["first error", "labels", "method", "outcome", "producer", "settings"],
)
def test_another_word_is_another_suggestion(solution: Solution, changes: dict[str, Any]) -> None:
    record(solution)

    assert record(solution, **changes) is not None
    assert Suggestion.objects.count() == 2


def test_the_same_word_on_another_solution(solution: Solution) -> None:
    record(solution)

    assert record(make_solution(solution.project, "two")) is not None


def test_a_script_is_never_passed_off_as_a_model(solution: Solution) -> None:
    record(solution, is_scripted=True)

    assert Suggestion.objects.get().is_scripted


@pytest.mark.parametrize("labels", [(), LABELS.labels[:2], (*LABELS.labels, None)])
def test_labels_for_another_number_of_steps(
    solution: Solution, labels: tuple[records.StepLabel | None, ...]
) -> None:
    with pytest.raises(InvalidInput, match=f"for {len(labels)} steps; this solution has 3"):
        record(solution, label_set=replace(LABELS, labels=labels))
    assert not Suggestion.objects.exists()


@pytest.mark.parametrize("position", [-1, 3])
def test_a_first_error_beyond_the_steps(solution: Solution, position: int) -> None:
    with pytest.raises(InvalidInput, match=f"at step {position + 1}; this solution has 3"):
        record(solution, label_set=replace(LABELS, first_error=records.At(position)))


def test_a_person_makes_no_suggestions(solution: Solution) -> None:
    with pytest.raises(InvalidInput, match="is an annotation"):
        record(solution, label_set=replace(LABELS, author=records.Author.HUMAN))


def test_two_workers_at_once_store_it_once(any_database: str) -> None:
    solution = make_solution(make_project(make_user("alice")))
    start = threading.Barrier(4)
    stored: list[Suggestion | None] = []

    def work() -> None:
        try:
            start.wait()
            stored.append(record(solution))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Suggestion.objects.count() == 1
    assert sum(one is not None for one in stored) == 1
    assert len(stored) == 4
