"""Plain form fields to packed content: what the workspace sends where no script runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from labeling.content import RejectCode, Reply, VerdictValue, pack_label
from labeling.models import Injection, Solution
from labeling.records import label_from_rating
from labeling.templatetags.workspace import rating_of
from workbench.errors import WorkbenchError
from workbench.messages import translate_sentence

RATINGS = {"1": 1, "0": 0, "-1": -1}
WHOLE = re.compile(r"-?[0-9]{1,6}")
# The buttons that end an item without judging it all.
ENDINGS = {"give_up": "gave_up", "bad_problem": "bad_problem"}


def read_rating_form(data: QueryDict, *, n_steps: int) -> dict[str, Any]:
    """The fields of the plain form as packed content; a step without any of them stays unmarked.

    Per step: rating-N, unsure-N, origin-N, contribution-N, types-N and note-N; bulk-N, the rating
    that it had been given with others; proposed-N, what a machine said of it on this very page,
    and override-N, why the person says otherwise. Of the whole: `rest` rates every step that is
    left as the page offered it, `stops` keeps what comes after the first error unjudged, and the
    action says whether the person gave up or found the problem bad.
    """
    proposed = _read_proposed(data, n_steps)
    stops, fills = bool(data.get("stops")), bool(data.get("rest"))
    steps: list[dict[str, Any]] = []
    bulk: list[int] = []
    overrides: list[dict[str, Any]] = []
    is_over = False
    for position in range(n_steps):
        entry = _read_step(data, position)
        if fills and rating_of(entry) is None and not entry.get("unsure"):
            value = proposed.get(position) if proposed else 1
            if value is not None:
                entry |= pack_label(label_from_rating(value))
                bulk.append(position)
        elif data.get(f"bulk-{position}") == data.get(f"rating-{position}", ""):
            bulk.append(position)
        said, reason = rating_of(entry), data.get(f"override-{position}", "")
        if reason and said is not None and said != proposed.get(position, said):
            overrides.append({"position": position, "reason": reason})
        if entry:
            steps.append({"position": position, **entry})
        is_over = stops and said == -1
        if is_over:
            break
    content = {
        "task": "rate_steps",
        "steps": steps,
        "outcome": ENDINGS.get(data.get("action", ""), "first_error" if is_over else "complete"),
        "note": data.get("note", ""),
    }
    lists = (("bulk", bulk), ("overrides", overrides))
    return content | {name: found for name, found in lists if found}


def _read_proposed(data: QueryDict, n_steps: int) -> dict[int, int]:
    """What stood beside the steps, as the page says itself: that is what the person answers."""
    found = ((position, data.get(f"proposed-{position}", "")) for position in range(n_steps))
    return {position: RATINGS[value] for position, value in found if value in RATINGS}


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
    """The verdict's fields as packed content, with the edits that lead from the claim to it.

    `error` names the flagged steps, the claimed ones at first, and `shift` moves them all.
    Where the claim offers another correct solution, `correct` and `different` answer its two
    questions, and the verdict follows from them where none was chosen.
    """
    n_steps = solution.n_steps
    injection = Injection.objects.filter(modified=solution).first()
    verdict, code = data.get("verdict") or None, data.get("reject_code", "")
    replies: dict[str, str | None] = {}
    if injection is not None and not injection.claimed_error_positions:
        replies = {name: data.get(name) or None for name in ("correct", "different")}
        verdict = verdict or _find_following_verdict(replies)
        code = code or _find_following_code(replies)
    edits: list[dict[str, Any]] = []
    positions = _read_flags(data.getlist("error"), n_steps)
    accepts = verdict in (VerdictValue.ACCEPT, VerdictValue.ACCEPT_WITH_EDITS)
    if accepts and injection is not None and positions:
        edits += _find_flag_edits(injection.claimed_error_positions, positions, n_steps)
    shift = _read_shift(data.get("shift", ""))
    if shift:
        edits.append({"op": "shift", "by": shift})
        moved = [position + shift for position in positions]
        positions = [position for position in moved if 0 <= position < n_steps]
    error_type = data.get("error_type", "")
    if not error_type and injection is not None and accepts:
        error_type = injection.error_type
    elif error_type and injection is not None and error_type != injection.error_type:
        edits.append({"op": "set_type", "text": error_type})
    if verdict == VerdictValue.ACCEPT and edits:
        verdict = str(VerdictValue.ACCEPT_WITH_EDITS)
    return {
        "task": "verify_injection",
        "verdict": verdict,
        "reject_code": code if verdict == VerdictValue.REJECT else "",
        "error_positions": positions,
        "error_type": error_type,
        "edits": edits,
        "note": data.get("note", ""),
        **{name: reply for name, reply in replies.items() if reply},
    }


def _find_following_verdict(replies: Mapping[str, str | None]) -> str | None:
    """What the two answers amount to: kept where it is correct and differs (PRMBench §3.3)."""
    given = set(replies.values())
    if Reply.NO in given:
        return str(VerdictValue.REJECT)
    if None in given:
        return None
    return str(VerdictValue.UNSURE if Reply.UNSURE in given else VerdictValue.ACCEPT)


def _find_following_code(replies: Mapping[str, str | None]) -> str:
    """Why it is rejected: nothing new, or an error where the claim said that there is none."""
    if replies["different"] == Reply.NO:
        return str(RejectCode.NOT_DIFFERENT)
    return str(RejectCode.WRONG_TYPE) if replies["correct"] == Reply.NO else ""


def _read_flags(values: Sequence[str], n_steps: int) -> list[int]:
    numbers = {int(value) for value in values if WHOLE.fullmatch(value)}
    return sorted(number for number in numbers if 0 <= number < n_steps)


def _find_flag_edits(
    claimed: Sequence[int], flagged: Sequence[int], n_steps: int
) -> list[dict[str, Any]]:
    """What was flagged, and what was unflagged, of the steps that are there."""
    here = {position for position in claimed if 0 <= position < n_steps}
    return [
        {"op": "unflag" if position in here else "flag", "position": position}
        for position in sorted(here ^ set(flagged))
    ]


def _read_shift(value: str) -> int:
    """By how many steps all flags move; 0 where nothing that is a number was written."""
    found = WHOLE.fullmatch(value.strip())
    return int(found[0]) if found else 0


def find_gaps_in(error: WorkbenchError) -> list[dict[str, Any]]:
    """The gaps that a refused submission names, as the page shows them."""
    gaps = error.extra.get("gaps")
    if not isinstance(gaps, list):
        # The document has no value that would say that nothing was chosen.
        is_open = error.extra.get("field") == "verdict"
        message = _("Choose a verdict.") if is_open else translate_sentence(error.message)
        return [{"message": message, "position": None}]
    return [
        {**gap, "message": translate_sentence(str(gap["message"]))}
        for gap in gaps
        if isinstance(gap, Mapping)
    ]
