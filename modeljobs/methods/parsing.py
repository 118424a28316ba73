"""Reading JSON out of what a model wrote around it.

Models put fences and talk around the object that was asked for, and LaTeX into it with too few
backslashes. Both are mended here where there is one way to read the text, and what was mended is
said in a note; what cannot be read is `Unparsed` with a reason, never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from modeljobs.engines.wire import clean_text

# A reply of a million characters is no answer; and reading must not take longer than writing.
REPLY_LIMIT = 1_000_000
CANDIDATE_LIMIT = 200

NOTE_BACKSLASHES = "The JSON had single backslashes; they were doubled before it was read."
NOTE_ESCAPES = "LaTeX commands that JSON had read as control characters were restored."


@dataclass(frozen=True, slots=True)
class Unparsed:
    """Why a reply could not be used: a code for counting, a sentence for people and for repair."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class FoundObject:
    """A JSON object out of a reply, and what had to be mended to read it."""

    value: Mapping[str, Any]
    notes: tuple[str, ...] = ()


THOUGHTS_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
THOUGHTS_BEGIN = re.compile(r"<think(?:ing)?>", re.IGNORECASE)


def drop_thoughts(text: str) -> str | Unparsed:
    """The text behind a reasoning model's thoughts, where the server leaves them in it.

    Drafts among the thoughts are no reply; thoughts that never end are none either.
    """
    ends = list(THOUGHTS_END.finditer(text))
    rest = text[ends[-1].end() :] if ends else text
    if THOUGHTS_BEGIN.search(rest):
        return Unparsed("truncated", "The reply breaks off within the model's thoughts.")
    if ends and not rest.strip():
        return Unparsed("empty", "The reply holds thoughts, and nothing after them.")
    return rest


def find_object(text: str, *, keys: Set[str]) -> FoundObject | Unparsed:
    """The first JSON object in the text that has any of the keys.

    The text is read as it stands first; only where that fails are its backslashes doubled.
    """
    if not text.strip():
        return Unparsed("empty", "The reply is empty.")
    if len(text) > REPLY_LIMIT:
        return Unparsed("too_long", f"The reply is longer than {REPLY_LIMIT:,} characters.")
    if "{" not in text:
        return Unparsed("no_json", "The reply holds no JSON object.")
    other: Mapping[str, Any] | None = None
    for variant, note in ((text, ""), (double_backslashes(text), NOTE_BACKSLASHES)):
        for found in _scan_objects(variant):
            if not keys & found.keys():
                # `\sqrt{}` holds an object too, and an empty one.
                other = other or found or None
                continue
            restored, is_changed = _restore_strings(found)
            notes = [note] if note else []
            if is_changed:
                notes.append(NOTE_ESCAPES)
            return FoundObject(restored, tuple(notes))
    if other is not None:
        wanted = ", ".join(sorted(keys))
        return Unparsed("missing_field", f"The JSON object has none of the fields {wanted}.")
    return _explain_failure(text)


# A line break as JSON writes it; LaTeX's commands in n go on with a small letter (\neq, \nu).
LINE_BREAK = r"(?<!\\)\\n(?![a-z])"
BACKSLASHES = re.compile(rf"{LINE_BREAK}|(?P<run>\\+)(?P<next>[^\\]|\Z)", re.DOTALL)


def double_backslashes(text: str) -> str:
    """The text with LaTeX's backslashes written as JSON wants them.

    Much as PRMBench's makers mended their replies: a run of backslashes becomes two, and four
    before white space if it was two or more (LaTeX's line break). Left alone are a backslash before
    a quotation mark, which keeps a string open, and a line break. One backslash before white space
    becomes two and not four, because it is LaTeX's space.
    """
    return BACKSLASHES.sub(_double_run, text)


def _double_run(match: re.Match[str]) -> str:
    run, following = match["run"], match["next"]
    if run is None or following == '"':
        return match.group()
    is_line_break = len(run) > 1 and (not following or following.isspace())
    return "\\" * (4 if is_line_break else 2) + following


def _scan_objects(text: str) -> Iterator[Mapping[str, Any]]:
    """Each object that starts at some brace, in order; an object's inside is tried after it."""
    # Line breaks inside strings are the commonest slip, and do no harm.
    decoder = json.JSONDecoder(strict=False)
    for count, match in enumerate(re.finditer(r"\{", text)):
        if count == CANDIDATE_LIMIT:
            return
        try:
            found, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        yield found


def _explain_failure(text: str) -> Unparsed:
    """What JSON itself says about the place where the object seems to start."""
    start = re.search(r'\{\s*"', text)
    if start is None:
        return Unparsed("no_json", "The reply holds no JSON object.")
    try:
        json.JSONDecoder(strict=False).raw_decode(double_backslashes(text[start.start() :]))
    except json.JSONDecodeError as error:
        if error.pos >= len(error.doc.rstrip()) or "Unterminated string" in error.msg:
            return Unparsed("truncated", "The JSON object breaks off before its end.")
        place = f"line {error.lineno}, column {error.colno}"
        return Unparsed("bad_json", f"The JSON object cannot be read: {error.msg} at {place}.")
    except (ValueError, RecursionError):
        return Unparsed("bad_json", "The JSON object is nested too deeply or holds a huge number.")
    return Unparsed("no_json", "The reply holds no JSON object.")


# JSON knows \b \f \n \r \t, and LaTeX has commands that begin with them: "\frac" in JSON is a form
# feed and "rac". No text has a backspace or a form feed before a letter. A tab, carriage return or
# line feed is taken for a lost backslash only before the rest of a well-known command. (\ne, \nu
# and \ni are left out: "e", "u" and "i" may well begin a line.)
LOST = re.compile(
    "[\b\f](?=[A-Za-z])"
    "|\t(?=(?:imes|ext|extbf|extit|frac|an|anh|heta|au|o|op|riangle|herefore|ilde)(?![A-Za-z]))"
    "|\r(?=(?:ight|ho|angle|floor|ceil|m)(?![A-Za-z]))"
    "|\n(?=(?:eq|abla|ot|otin)(?![A-Za-z]))"
)
LETTERS = {"\b": "b", "\f": "f", "\t": "t", "\r": "r", "\n": "n"}


def restore_commands(text: str) -> str:
    """The text with control characters that were LaTeX commands turned back into them."""
    return LOST.sub(lambda match: "\\" + LETTERS[match.group()], text)


def _restore_strings(found: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The object with `restore_commands` done on its strings and lists of strings, and whether that
    changed anything.

    What JSON writes as \\u0000 or as half a surrogate pair no database stores: it goes the way of
    such characters in a reply.
    """
    restored = {name: _restore_value(value) for name, value in found.items()}
    is_changed = restored != dict(found)
    return {name: _clean_value(value) for name, value in restored.items()}, is_changed


def _restore_value(value: Any) -> Any:
    if isinstance(value, list):
        return [restore_commands(one) if isinstance(one, str) else one for one in value]
    return restore_commands(value) if isinstance(value, str) else value


def _clean_value(value: Any) -> Any:
    if isinstance(value, list):
        return [clean_text(one) if isinstance(one, str) else one for one in value]
    return clean_text(value) if isinstance(value, str) else value
