"""Machines' proposals entering a project: never an annotation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling import records
from labeling.mapping import hash_texts, pack_suggestion
from labeling.models import Solution, Suggestion
from workbench.errors import InvalidInput


def record_suggestion(
    *,
    solution: Solution,
    label_set: records.LabelSet,
    producer: str,
    settings: Mapping[str, Any],
    reference: Mapping[str, Any],
    provenance: Mapping[str, Any],
    is_scripted: bool,
) -> Suggestion | None:
    """Take in what a machine says of the steps of a solution.

    `reference` says where its evidence is kept ({"job", "item", "evidence"}), and goes into the
    payload. `settings` are plain JSON: what the result depends on besides the solution. None where
    the same producer said the very same with the same settings before, so that a result delivered
    twice is stored once. InvalidInput where the labels are not those of this solution.
    """
    _check(solution, label_set)
    identity = build_identity(label_set, producer=producer, settings=settings)
    found = Suggestion.objects.filter(solution=solution, identity=identity)
    if found.exists():
        return None
    packed = pack_suggestion(label_set)
    try:
        with transaction.atomic():
            return Suggestion.objects.create(
                project_id=solution.project_id,
                solution=solution,
                method=packed["method"][:80],
                producer=producer[:200],
                is_scripted=is_scripted,
                labels=packed["labels"],
                first_error=packed["first_error"],
                payload={**packed["payload"], **reference},
                provenance=dict(provenance),
                identity=identity,
                created_at=timezone.now(),
            )
    except IntegrityError:
        # Another worker may have stored the same a moment ago; anything else is a fault.
        if not found.exists():
            raise
        return None


def build_identity(
    label_set: records.LabelSet, *, producer: str, settings: Mapping[str, Any]
) -> str:
    """Who said what, with which settings; not when, nor how long it took."""
    packed = pack_suggestion(label_set)
    said = {name: packed[name] for name in ("method", "labels", "first_error")}
    return hash_texts(producer, _dump(said), label_set.outcome, _dump(settings))


def _check(solution: Solution, label_set: records.LabelSet) -> None:
    if label_set.author is not records.Author.MACHINE:
        raise InvalidInput("A suggestion is a machine's; what people say is an annotation.")
    if len(label_set.labels) != solution.n_steps:
        raise InvalidInput(
            f"The labels are for {len(label_set.labels)} steps; this solution has "
            f"{solution.n_steps}.",
            field="labels",
        )
    first = label_set.first_error
    if isinstance(first, records.At) and not 0 <= first.position < solution.n_steps:
        raise InvalidInput(
            f"The first error is said to be at step {first.position + 1}; this solution has "
            f"{solution.n_steps}.",
            field="first_error",
        )


def _dump(data: Mapping[str, Any]) -> str:
    """The same text for the same data, whatever the order of its names."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), default=list)
