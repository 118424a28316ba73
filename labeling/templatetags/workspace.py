"""Tags of the pages on which people judge: rows made of steps and drafts, and data for scripts."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django import template
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join, json_script
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from labeling.alignment import DiffKind, MathSegment, Segment, TextDiff, TextSegment
from labeling.content import Outcome, RejectCode, Reply, Task, VerdictValue
from labeling.templatetags.script_words import script_words
from labeling.templatetags.unified_diff import unify
from labeling.templatetags.workbench_ui import signed
from labeling.words import OVERRIDE_REASONS

if TYPE_CHECKING:
    from labeling.selectors.disputes import CellView, MatrixRow, PersonView
    from labeling.selectors.reports import ReportView
    from labeling.selectors.review import ClaimView, ErrorTypeView, StepView

register = template.Library()

# What a person who was asked for the first error, and could not say, is on record with.
CANNOT_TELL = "cannot tell"
TERNARY = (1, 0, -1)
BINARY = (1, -1)


@register.filter
def entry(mapping: Mapping[str, Any] | None, key: str) -> Any:
    """What a document says under a key, or an empty text: drafts may be partial."""
    value = (mapping or {}).get(key)
    return "" if value is None else value


@register.filter
def glyph(rating: int) -> str:
    """The name of a rating's quiet icon."""
    return f"g-{rating}"


@register.simple_tag
def key(action: str, sign: str) -> SafeString:
    """The key of an action of this page: its first one, until help.js writes the person's own."""
    return format_html('<kbd class="kbd" data-key="{}">{}</kbd>', action, sign)


@register.simple_tag
def new_key() -> str:
    """A fresh idempotency key, so that a form sent twice counts once."""
    return str(uuid.uuid4())


@register.simple_tag
def page_json(element_id: str, **data: Any) -> SafeString:
    """Data for the page's script: `{% page_json "page" draft=draft urls=urls %}`."""
    return json_script({name: _plain(value) for name, value in data.items()}, element_id)


def _plain(value: Any) -> Any:
    """Records as JSON knows them; whatever is JSON already stays."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


@register.simple_tag
def js_strings() -> SafeString:
    """The words of the scripts, in the language of the page."""
    return json_script(script_words(), "strings")


@register.inclusion_tag("components/_rating.html")
def rating_control(
    name: str,
    value: int | None,
    legend: str,
    view: str,
    disabled: bool = False,
    proposed: int | None = None,
) -> dict[str, Any]:
    """The radios of one rating: +1, 0, −1, or without the 0 in the binary view.

    What a machine proposed is drawn at its option in the machine's colour, and chosen by nobody.
    """
    return {
        "name": name,
        "value": value,
        "legend": legend,
        "options": BINARY if view == "binary" else TERNARY,
        "disabled": disabled,
        "proposed": proposed,
    }


# --- Rating steps -------------------------------------------------------------------------------


@register.simple_tag
def rating_rows(
    steps: Iterable[StepView],
    content: Mapping[str, Any] | None,
    error_types: Iterable[ErrorTypeView],
    proposal: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The steps with what the draft says of each, as the page shows them before any script runs.

    With a proposal ({"ratings": [-1, 0, 1 or None per step]}) also what a machine says of each.
    """
    content = content or {}
    labels = {label["position"]: label for label in content.get("steps", ())}
    names = {kind.code: kind.name for kind in error_types}
    stop = _stop_position(content, labels)
    proposed = proposal["ratings"] if proposal else ()
    reasons = {one["position"]: one["reason"] for one in content.get("overrides", ())}
    bulk = frozenset(content.get("bulk", ()))
    return [
        _rating_row(
            step,
            labels.get(step.position, {}),
            names,
            after_stop=stop is not None and step.position > stop,
            is_bulk=step.position in bulk,
            proposed=proposed[step.position] if step.position < len(proposed) else None,
            reason=reasons.get(step.position, ""),
        )
        for step in steps
    ]


def _stop_position(
    content: Mapping[str, Any], labels: Mapping[int, Mapping[str, Any]]
) -> int | None:
    if content.get("outcome") != Outcome.FIRST_ERROR:
        return None
    wrong = [position for position, label in labels.items() if rating_of(label) == -1]
    return min(wrong, default=None)


def rating_of(label: Mapping[str, Any]) -> int | None:
    """A packed label on the -1/0/+1 view (records.derive_rating), None where nothing was rated."""
    rating = label.get("rating")
    if rating is not None:
        return int(rating)
    if label.get("validity") in ("wrong", "partly"):
        return -1
    contribution = label.get("contribution")
    if contribution and contribution != "advances":
        return 0
    return 1 if label.get("validity") == "correct" or contribution else None


def _rating_row(
    step: StepView,
    label: Mapping[str, Any],
    names: Mapping[str, str],
    *,
    after_stop: bool,
    is_bulk: bool,
    proposed: int | None,
    reason: str,
) -> dict[str, Any]:
    rating = None if after_stop else rating_of(label)
    unsure = bool(label.get("unsure"))
    codes = [str(code) for code in label.get("error_types", ())]
    type_names = [names.get(code, code) for code in codes]
    if after_stop:
        picture = "skip"
    elif rating is not None:
        picture = str(rating)
    else:
        picture = "unsure" if unsure else "none"
    row = {
        "position": step.position,
        "number": step.number,
        "text": step.text,
        "rating_name": f"rating-{step.position}",
        "rating": rating,
        "mark": picture,
        "unsure": unsure,
        "origin": label.get("origin", ""),
        "contribution": label.get("contribution", ""),
        "contributions": contribution_words(),
        "types": ",".join(codes),
        "type_names": type_names,
        "note": label.get("note", ""),
        "after_stop": after_stop,
        "is_bulk": is_bulk and rating is not None,
        "proposed": proposed,
        "is_unconfirmed": proposed is not None and picture == "none",
        "is_override": None not in (proposed, rating) and proposed != rating,
        "reason": reason,
    }
    return row | {"tags": _list_tags(row)}


def _list_tags(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """The words beside a step, the weightiest first, as rate-view.js has them.

    A third would make the row higher than an unrated one; the inspector has them all.
    """
    override = _("Overridden") if row["reason"] else _("Say why")
    candidates = (
        (row["after_stop"], _("not judged"), "", "", ""),
        (row["is_unconfirmed"], _("unconfirmed"), "machine", "", ""),
        (row["is_override"], override, "machine", "", ""),
        (row["origin"] == "inherited", _("Follows"), "", "", ""),
        # A step without a rating has no other picture in its row.
        (row["unsure"], _("Unsure"), "unsure", "", "unsure" if row["rating"] is None else ""),
        (row["is_bulk"], _("in bulk"), "", "", ""),
        (row["type_names"], "".join(row["type_names"][:1]), "", "", ""),
        (row["note"], _("note"), "", "msg", ""),
    )
    names = ("text", "tone", "icon", "mark")
    said = [dict(zip(names, tag, strict=True)) for holds, *tag in candidates if holds]
    return said[:2]


@register.simple_tag
def proposed_words(rating: int) -> str:
    """What a machine says of a step that no person has judged yet: "+1 proposed, unconfirmed"."""
    return _("%(rating)s proposed, unconfirmed") % {"rating": signed(rating)}


@register.simple_tag
def override_reasons(chosen: str = "") -> list[dict[str, Any]]:
    """Why a person's rating is not the proposed one, in the order of their keys: 4 to 9, then 0."""
    return [
        {
            "value": str(value),
            "word": str(word),
            "action": f"why_{value}",
            "sign": sign,
            "chosen": value == chosen,
        }
        for (value, word), sign in zip(OVERRIDE_REASONS.items(), "4567890", strict=True)
    ]


def contribution_words() -> list[tuple[str, str]]:
    """What a step may add, in words."""
    return [
        ("advances", _("Moves on")),
        ("neutral", _("Neutral")),
        ("redundant", _("Redundant")),
        ("circular", _("Circular")),
    ]


# --- Verdicts -----------------------------------------------------------------------------------


# Where the action that a key does has another name than the verdict (labeling/preferences.py).
VERDICT_KEYS = {
    VerdictValue.UNSURE: "verdict_unsure",
    VerdictValue.BAD_PROBLEM: "verdict_bad_problem",
}


@register.simple_tag
def verdict_options(chosen: str = "") -> list[dict[str, Any]]:
    """The verdicts in the order of their keys, 1 to 5."""
    words = {
        VerdictValue.ACCEPT: _("Accept"),
        VerdictValue.ACCEPT_WITH_EDITS: _("Accept with edits"),
        VerdictValue.REJECT: _("Reject"),
        VerdictValue.UNSURE: _("Unsure"),
        VerdictValue.BAD_PROBLEM: _("Bad problem"),
    }
    return [
        {
            "value": str(value),
            "word": word,
            "key": str(key),
            "key_of": VERDICT_KEYS.get(value, str(value)),
            "chosen": value == chosen,
        }
        for key, (value, word) in enumerate(words.items(), start=1)
    ]


@register.filter
def verdict_word(value: str) -> str:
    """A verdict in words; what is no verdict stays as it is."""
    return next(
        (str(option["word"]) for option in verdict_options() if option["value"] == value), value
    )


@register.filter
def claim_kind(claim: ClaimView | None) -> str:
    """What a claim speaks of: "error", or "solution" where it offers another correct solution and
    so points at no step; "" while it is sealed.
    """
    if claim is None:
        return ""
    return "error" if claim.error_positions else "solution"


@register.filter
def solution_questions(content: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The two questions about another solution, each with its answers and what was chosen.

    The keys are those of the verdicts that say as much: 1, 3 and 4.
    """
    return [
        {
            "name": name,
            "words": words,
            "options": [
                {
                    "value": str(value),
                    "word": reply_word(value),
                    "key": key,
                    "key_of": verdict,
                    "chosen": entry(content, name) == value,
                }
                for value, key, verdict in (
                    (Reply.YES, "1", "accept"),
                    (Reply.NO, "3", "reject"),
                    (Reply.UNSURE, "4", "verdict_unsure"),
                )
            ],
        }
        for name, words in (
            ("correct", _("Is this solution correct?")),
            ("different", _("Does it really differ from the original?")),
        )
    ]


@register.filter
def reply_word(value: str) -> str:
    """An answer to such a question in a word."""
    words = {Reply.YES: _("Yes"), Reply.NO: _("No"), Reply.UNSURE: _("Unsure")}
    return next((word for reply, word in words.items() if reply == value), value)


@register.filter
def given_replies(content: Mapping[str, Any] | None) -> list[str]:
    """What somebody answered of another solution, in words; [] where they were not asked."""
    said = []
    for name, words in (
        ("correct", _("correct: %(reply)s")),
        ("different", _("really differs: %(reply)s")),
    ):
        reply = entry(content, name)
        if reply:
            said.append(words % {"reply": reply_word(reply).lower()})
    return said


@register.simple_tag
def shown_flags(content: Mapping[str, Any] | None, claim: ClaimView | None) -> list[int]:
    """The steps that are flagged before a script runs: as the person left them, else as claimed."""
    if content and "error_positions" in content:
        return list(content["error_positions"])
    return list(claim.error_positions) if claim else []


@register.simple_tag
def report_words(report: ReportView) -> str:
    """What became of a report that an original is wrong, in a sentence."""
    words = {
        "open": _("A reviewer reported the original as wrong on %(date)s; a lead will look."),
        "confirmed": _("The original is wrong: a lead confirmed it on %(date)s."),
        "dismissed": _("The original was reported as wrong; a lead found it right on %(date)s."),
    }
    said = words[report.state] % {"date": date_format(report.at, "MONTH_DAY_FORMAT")}
    return f"{said} {report.reason}".rstrip()


# What speaks of an error step says nothing of another solution.
_OF_ERRORS = (RejectCode.NOT_AN_ERROR, RejectCode.SELF_ANNOUNCING, RejectCode.IMPLAUSIBLE)


@register.simple_tag
def reject_options(chosen: str = "") -> list[dict[str, Any]]:
    """Why an injection may be rejected; `of` is the kind of claim where only one has the reason."""
    of_solution = {RejectCode.WRONG_TYPE: _("It holds an error")}
    words = {
        RejectCode.NOT_AN_ERROR: _("The flagged step is right"),
        RejectCode.WRONG_TYPE: _("An error, of another kind"),
        RejectCode.ORIGINAL_WRONG: _("The original is wrong already"),
        RejectCode.NOT_DIFFERENT: _("Nothing really differs"),
        RejectCode.SELF_ANNOUNCING: _("The text gives itself away"),
        RejectCode.IMPLAUSIBLE: _("Nobody would make this error"),
        RejectCode.OTHER: _("Another reason, in the note"),
    }
    return [
        {
            "value": str(value),
            "word": word,
            "word_of_solution": of_solution.get(value, ""),
            "of": "error" if value in _OF_ERRORS else "",
            "chosen": value == chosen,
        }
        for value, word in words.items()
    ]


@register.filter
def step_list(positions: Sequence[int]) -> str:
    """Positions as step numbers: [2, 3] is "3, 4"."""
    return ", ".join(str(position + 1) for position in positions) or "–"


@register.filter
def blind_words(judgement: Mapping[str, Any] | None) -> str:
    """A first, blind judgement in words: "error at step 3"."""
    if not judgement:
        return ""
    if "at" in judgement:
        return _("error at step %(number)s") % {"number": judgement["at"] + 1}
    return _("no error") if judgement.get("none") else _("cannot tell")


@register.filter
def was_asked(judgement: Mapping[str, Any] | None) -> bool:
    """Was there a first, blind judgement? One who cannot tell was asked; one to whom the claim was
    shown from the start was not.
    """
    if not judgement:
        return False
    return bool(judgement.get("unknown", CANNOT_TELL) == CANNOT_TELL)


# --- Differences --------------------------------------------------------------------------------


@register.simple_tag
def diff_side(segments: Sequence[Segment]) -> SafeString:
    """One side of a difference: what was removed or added in `del` and `ins`, formulas for KaTeX.

    Neighbours of one kind share an element, so that a phrase with a formula is one change.
    """
    groups = groupby(segments, key=lambda segment: _side_of(segment))
    return format_html_join("", "{}", ((_diff_group(side, list(group)),) for side, group in groups))


def _side_of(segment: Segment) -> str:
    return str(segment.kind) if segment.kind in (DiffKind.REMOVED, DiffKind.ADDED) else ""


def _diff_group(side: str, segments: Sequence[Segment]) -> SafeString:
    inner = format_html_join("", "{}", ((_diff_piece(segment),) for segment in segments))
    if side == DiffKind.REMOVED:
        return format_html(
            '<del class="was"><span class="sr">{} </span>{}</del>', _("removed:"), inner
        )
    if side == DiffKind.ADDED:
        return format_html(
            '<ins class="is"><span class="sr">{} </span>{}</ins>', _("inserted:"), inner
        )
    return inner


def _diff_piece(segment: Segment) -> SafeString:
    if not isinstance(segment, MathSegment):
        return format_html("{}", segment.text)
    dollars = "$$" if segment.display else "$"
    marked = segment.kind is DiffKind.CHANGED
    return format_html(
        '<span data-tex="{}"{}{}>{}{}{}</span>',
        "diff" if marked else "plain",
        format_html(" {}", "data-display") if segment.display else "",
        # What was written, without the marks and what keeps them valid, for the raw view.
        format_html(' data-latex="{}"', segment.latex) if marked else "",
        dollars,
        segment.marked,
        dollars,
    )


@register.filter
def count_changes(diff: TextDiff) -> int:
    """How many places of the modified text differ, for the sentence before a changed step."""
    changed = (DiffKind.ADDED, DiffKind.CHANGED)
    added = sum(segment.kind in changed for segment in diff.modified)
    return added or sum(segment.kind is DiffKind.REMOVED for segment in diff.original)


@register.filter
def fork_kind(kind: str) -> str:
    """How a row of the fork looks: same, changed, new or gone."""
    return {"edited": "changed", "inserted": "new", "deleted": "gone"}.get(str(kind), str(kind))


@register.simple_tag
def diff_unified(diff: TextDiff) -> SafeString | str:
    """Both sides of a difference in one text; empty where they cannot be put into one."""
    segments = unify(diff)
    if segments is None:
        return ""
    spaced: list[Segment] = []
    for segment in segments:
        # Words that replace others follow them directly; both need room.
        if spaced and {spaced[-1].kind, segment.kind} == {DiffKind.REMOVED, DiffKind.ADDED}:
            spaced.append(TextSegment(DiffKind.SAME, " "))
        spaced.append(segment)
    return diff_side(spaced)


# --- Decisions ----------------------------------------------------------------------------------


@register.filter
def kind_word(kind: str) -> str:
    """How reviewers differ, in a word."""
    words = {
        "existence": _("Existence"),
        "location": _("Location"),
        "type": _("Type"),
        "severity": _("Severity"),
        "verdict": _("Verdict"),
        "unsure": _("Unsure"),
    }
    return words.get(kind, kind)


@register.filter
def reject_word(code: str) -> str:
    """Why an injection was rejected, in words."""
    return next(
        (str(option["word"]) for option in reject_options() if option["value"] == code), code
    )


@register.simple_tag
def type_name(code: str, error_types: Iterable[ErrorTypeView]) -> str:
    """The name of an error type in the reader's language; the code where it has none."""
    return next((kind.name for kind in error_types if kind.code == code), code)


@register.filter
def cell_mark(cell: CellView) -> str:
    """A reviewer's word on a step as the name of a mark."""
    if cell.rating is not None:
        return str(cell.rating)
    if cell.unsure:
        return "unsure"
    return "skip"


def is_open(row: MatrixRow) -> bool:
    """Whether the adjudicator has to decide this step: they differ, or all are unsure of it."""
    return not row.agreed or any(cell.unsure and cell.rating is None for cell in row.cells)


@register.simple_tag
def count_open(rows: Iterable[MatrixRow]) -> int:
    """How many steps wait for a decision."""
    return sum(is_open(row) for row in rows)


@register.simple_tag
def decision_row(
    row: MatrixRow, people: Sequence[PersonView], content: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A step of the matrix with what is decided on it so far, and each person's word."""
    position = row.step.position
    opened = is_open(row)
    decided: Mapping[str, Any] = next(
        (label for label in (content or {}).get("steps", ()) if label["position"] == position), {}
    )
    common = row.cells[0] if row.cells else None
    return {
        "open": opened,
        "name": f"rating-{position}",
        "rating": rating_of(decided) if opened else common and common.rating,
        "mark": cell_mark(common) if common and not opened else "none",
        "voices": list(zip(people, row.cells, strict=True)),
    }


@register.simple_tag
def start_decision(
    rows: Iterable[MatrixRow],
    people: Sequence[PersonView],
    content: Mapping[str, Any] | None,
    task: str,
) -> dict[str, Any]:
    """The packed document that a decision starts from: what everybody said already.

    A decision that was begun (a plain form that was refused) goes on as it was.
    """
    if content:
        return dict(content)
    if task != Task.RATE_STEPS or not people:
        return {}
    agreed = {row.step.position for row in rows if not is_open(row)}
    outcomes = {person.outcome for person in people}
    return {
        "schema": 1,
        "task": str(Task.RATE_STEPS),
        "steps": [
            label for label in people[0].content.get("steps", ()) if label["position"] in agreed
        ],
        "outcome": outcomes.pop() if len(outcomes) == 1 else str(Outcome.COMPLETE),
        "note": "",
    }
