"""Translations: compiling them without gettext's own tools, and what the core says in them."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.translation import get_language, pgettext, to_locale

# The context of what the core says; scripts/extraction.py finds it.
SENTENCE = "sentence"
PERCENT_NAME = re.compile(r"%\((\w+)\)[sd]")
# A value's place: `%(name)s`, or `{0}` for the first value of an f-string.
NAME = re.compile(r"%\((\w+)\)[sd]|\{(\w+)\}")


def find_catalogues(folders: list[Path] | None = None) -> list[Path]:
    """Every catalogue of this project, as people edit it (`*.po`)."""
    folders = [Path(folder) for folder in settings.LOCALE_PATHS] if folders is None else folders
    return sorted(path for folder in folders for path in folder.glob("*/LC_MESSAGES/*.po"))


def compile_catalogue(source: Path) -> bytes:
    """A catalogue as gettext reads it (`*.mo`). Fuzzy and empty entries are left out."""
    # Only where a catalogue changed: a start that compiles nothing does without it.
    import polib

    compiled: bytes = polib.pofile(str(source), encoding="utf-8").to_binary()
    return compiled


def compile_if_changed(folders: list[Path] | None = None) -> list[Path]:
    """Compile what is older than its source, and say what was written.

    An installation that may not be written to keeps what it came with: a wheel and an image carry
    compiled catalogues, and without one the page is in English.
    """
    written = []
    for source in find_catalogues(folders):
        target = source.with_suffix(".mo")
        if target.is_file() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        content = compile_catalogue(source)
        with contextlib.suppress(OSError):
            if target.is_file() and target.read_bytes() == content:
                # An installer need not keep times: next time this is known without reading.
                os.utime(target)
                continue
            replace_file(target, content)
            written.append(target)
    return written


def replace_file(target: Path, content: bytes) -> None:
    """Write a file at once: a process that starts meanwhile reads the old one or the new one."""
    passing = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        passing.write_bytes(content)
        passing.replace(target)
    finally:
        passing.unlink(missing_ok=True)


# --- Sentences of the core ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pattern:
    """A sentence with values in it, and its translation with the same names."""

    pattern: re.Pattern[str]
    translation: str

    def translate(self, text: str) -> str | None:
        """The translation with the text's own values, or None where it says something else."""
        match = self.pattern.fullmatch(text)
        if match is None:
            return None
        values = {name.removeprefix("v_"): value for name, value in match.groupdict().items()}
        return NAME.sub(lambda name: values.get(name[1] or name[2], name[0]), self.translation)


def translate_sentence(text: str) -> str:
    """What the core says, in the reader's language; as it stands where nobody translated it.

    Services, lints and workers speak English, because what they say is also logged, stored and
    read by programs. Where a person reads it, it is looked up here: first as a whole, then as a
    sentence with values in it, which keep their form.
    """
    translated = pgettext(SENTENCE, text)
    if translated != text:
        return translated
    for pattern in read_patterns(to_locale(get_language() or settings.LANGUAGE_CODE)):
        if (found := pattern.translate(text)) is not None:
            return found
    return text


@cache
def read_patterns(locale: str) -> tuple[Pattern, ...]:
    """The translated sentences with values in them, those that say most about themselves first."""
    import polib

    found: dict[str, Pattern] = {}
    for folder in settings.LOCALE_PATHS:
        path = Path(folder) / locale / "LC_MESSAGES" / "django.mo"
        if not path.is_file():
            continue
        for entry in polib.mofile(str(path), encoding="utf-8"):
            if entry.msgctxt == SENTENCE and NAME.search(entry.msgid):
                found[entry.msgid] = build_pattern(entry.msgid, entry.msgstr)
    return tuple(found[text] for text in sorted(found, key=lambda text: -len(NAME.sub("", text))))


def build_pattern(text: str, translation: str) -> Pattern:
    """The pattern of a sentence that is filled in by `%` or that stands in the code as f-string."""
    if PERCENT_NAME.search(text):
        text, translation = text.replace("%%", "%"), translation.replace("%%", "%")
    parts: list[str] = []
    seen: set[str] = set()
    end = 0
    for match in NAME.finditer(text):
        name = f"v_{match[1] or match[2]}"
        parts += [re.escape(text[end : match.start()])]
        parts += [f"(?P={name})" if name in seen else f"(?P<{name}>.*?)"]
        seen.add(name)
        end = match.end()
    return Pattern(re.compile("".join([*parts, re.escape(text[end:])]), re.DOTALL), translation)
