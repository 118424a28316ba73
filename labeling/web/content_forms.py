"""Plain form fields to packed content: what the workspace sends where no script runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from labeling.content import pack_label
from labeling.models import Injection, Solution
from labeling.records import label_from_rating
from workbench.errors import WorkbenchError
from workbench.messages import translate_sentence

RATINGS = {"1": 1, "0": 0, "-1": -1}


def read_rating_form(data: QueryDict, *, n_steps: int) -> dict[str, Any]:
    """The fields rating-N, unsure-N, origin-N, contribution-N, types-N, note-N as packed content.

    A step without any of them stays unmarked.
    """
    steps = []
    for position in range(n_steps):
        entry = _read_step(data, position)
        if entry:
            steps.append({"position": position, **entry})
    return {
        "task": "rate_steps",
        "steps": steps,
        "outcome": data.get("outcome") or "complete",
        "note": data.get("note", ""),
    }


def _read_step(data: QueryDict, position: int) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    rating = RATINGS.get(data.get(f"rating-{position}", ""))
    if rating is not None:
        entry = pack_label(label_from_rating(rating))
    contribution = data.get(f"contribution-{position}", "")
    if contribution and rating != -1:
        entry["contribution"] = contribution
        # The finer word replaces the coarse one: what it adds says what the rating is.
        entry.pop("rating", None)
    origin = data.get(f"origin-{position}", "")
    if origin and rating == -1:
        entry["origin"] = origin
    types = [code.strip() for code in data.get(f"types-{position}", "").split(",")]
    if any(types):
        entry["error_types"] = [code for code in types if code]
    if data.get(f"unsure-{position}"):
        entry["unsure"] = True
    note = data.get(f"note-{position}", "").strip()
    if note:
        entry["note"] = note
    return entry


def read_verdict_form(data: QueryDict, *, solution: Solution) -> dict[str, Any]:
    """The verdict's fields as packed content; `shift` moves all flagged steps."""
    n_steps = solution.n_steps
    positions = sorted(
        {int(value) for value in data.getlist("error") if value.isdigit() and int(value) < n_steps}
    )
    edits: list[dict[str, Any]] = []
    shift = data.get("shift", "0").strip()
    if shift.lstrip("-").isdigit() and int(shift):
        edits.append({"op": "shift", "by": int(shift)})
        moved = [position + int(shift) for position in positions]
        positions = [position for position in moved if 0 <= position < n_steps]
    injection = Injection.objects.filter(modified=solution).first()
    verdict = data.get("verdict") or None
    error_type = data.get("error_type", "")
    if not error_type and injection is not None and verdict in ("accept", "accept_with_edits"):
        error_type = injection.error_type
    elif error_type and injection is not None and error_type != injection.error_type:
        edits.append({"op": "set_type", "text": error_type})
    return {
        "task": "verify_injection",
        "verdict": verdict,
        "reject_code": data.get("reject_code", "") if verdict == "reject" else "",
        "error_positions": positions,
        "error_type": error_type,
        "edits": edits,
        "note": data.get("note", ""),
    }


def find_gaps_in(error: WorkbenchError) -> list[dict[str, Any]]:
    """The gaps that a refused submission names, as the page shows them."""
    gaps = error.extra.get("gaps")
    if not isinstance(gaps, list):
        return [{"message": translate_sentence(error.message), "position": None}]
    return [
        {**gap, "message": translate_sentence(str(gap["message"]))}
        for gap in gaps
        if isinstance(gap, Mapping)
    ]
