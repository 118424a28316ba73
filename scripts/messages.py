"""Keep the catalogues of translations true to the code; needs no gettext on the machine.

python scripts/messages.py update    write new strings into locale/*/LC_MESSAGES/django.po
python scripts/messages.py check     say what is missing, left over, empty or does not fit
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# As a script, this file knows its own folder alone.
sys.path.insert(0, str(ROOT))

from scripts.extraction import Key, Message, collect_messages  # noqa: E402

LOCALE = ROOT / "locale"
PERCENT_NAME = re.compile(r"%\((\w+)\)[sd]")
BRACE_NAME = re.compile(r"\{(\w+)\}")
SHOWN = 20


# --- The catalogue --------------------------------------------------------------------------------


def list_catalogues(locale: Path = LOCALE) -> list[Path]:
    """The catalogues that people edit, one a language."""
    return sorted(locale.glob("*/LC_MESSAGES/django.po"))


def update_catalogue(path: Path, messages: Iterable[Message]) -> tuple[int, list[str]]:
    """Bring a catalogue in line with the strings; how many are new, and what was dropped.

    Nothing is guessed from similar strings: a new one waits, empty, for a person. What was dropped
    is told with its translation, which may fit a string that replaced it.
    """
    import polib

    catalogue = polib.pofile(str(path), encoding="utf-8", wrapwidth=98)
    known = {(entry.msgctxt, entry.msgid): entry for entry in catalogue if not entry.obsolete}
    n_forms = count_forms(catalogue.metadata)
    entries = []
    n_new = 0
    for message in messages:
        old = known.pop(message.key, None)
        n_new += old is None
        entries.append(_build_entry(message, old, n_forms))
    dropped = [f"{entry.msgid!r} ({_read_forms(entry)})" for entry in known.values()]
    del catalogue[:]
    catalogue.extend(entries)
    text = str(catalogue)
    if text.rstrip() != path.read_text(encoding="utf-8").rstrip():
        path.write_text(text.rstrip() + "\n", encoding="utf-8")
    return n_new, dropped


def _build_entry(message: Message, old: Any, n_forms: int) -> Any:
    import polib

    entry = polib.POEntry(
        msgid=message.text,
        msgctxt=message.context,
        # Without line numbers, which would change with every edit elsewhere in the file.
        occurrences=[(name, "") for name in message.files],
        comment="\n".join(message.notes),
        tcomment=old.tcomment if old else "",
        flags=[flag for flag in old.flags if flag == "fuzzy"] if old else [],
    )
    if PERCENT_NAME.search(message.text + (message.plural or "")):
        entry.flags.append("python-format")
    if BRACE_NAME.search(message.text + (message.plural or "")):
        entry.flags.append("python-brace-format")
    if message.plural is None:
        entry.msgstr = old.msgstr if old else ""
        return entry
    forms = old.msgstr_plural if old else {}
    entry.msgid_plural = message.plural
    entry.msgstr_plural = {form: forms.get(form, "") for form in range(n_forms)}
    return entry


def count_forms(metadata: dict[str, str]) -> int:
    """How many forms of a word the language has, as the catalogue's head says."""
    match = re.search(r"nplurals\s*=\s*(\d+)", metadata.get("Plural-Forms", ""))
    if not match:
        raise ValueError("The catalogue does not say how many plural forms the language has.")
    return int(match[1])


def _read_forms(entry: Any) -> str:
    return " / ".join(entry.msgstr_plural.values()) if entry.msgid_plural else entry.msgstr


def find_problems(path: Path, messages: Mapping[Key, Message]) -> list[str]:
    """What is wrong with a catalogue, a sentence each; none where pages can be shown in it."""
    import polib

    catalogue = polib.pofile(str(path), encoding="utf-8")
    known = {(entry.msgctxt, entry.msgid): entry for entry in catalogue if not entry.obsolete}
    problems = [f"{key[1]!r} has no entry." for key in messages if key not in known]
    problems += [f"{key[1]!r} is in no file any more." for key in known if key not in messages]
    if catalogue.obsolete_entries():
        problems.append("Entries that are commented out (#~) belong in the history.")
    n_forms = count_forms(catalogue.metadata)
    for key, entry in known.items():
        if key in messages:
            problems += find_misfits(entry, messages[key], n_forms)
    return problems


def find_misfits(entry: Any, message: Message, n_forms: int) -> list[str]:
    """Why a translation does not fit its string: empty, fuzzy, or other names to fill in."""
    shown = f"{message.text!r}"
    if "fuzzy" in entry.flags:
        return [f"{shown} is marked as fuzzy."]
    if (message.plural or "") != (entry.msgid_plural or ""):
        return [f"{shown} has another plural in the catalogue."]
    if message.plural is None:
        forms = [entry.msgstr]
    else:
        forms = [entry.msgstr_plural.get(form, "") for form in range(n_forms)]
    if not all(forms):
        return [f"{shown} is not translated."]
    wanted = find_names(message.plural or message.text)
    problems = [
        f"{shown} has the names {sorted(wanted)}, its translation {sorted(find_names(form))}."
        for form in forms
        if find_names(form) != wanted
    ]
    if "python-format" in entry.flags and any(map(has_lone_percent, forms)):
        problems.append(f"The translation of {shown} has a percent sign that is not doubled.")
    return problems


def find_names(text: str) -> set[str]:
    """The names that a string is filled in with, as it writes them."""
    return {match[0] for match in (*PERCENT_NAME.finditer(text), *BRACE_NAME.finditer(text))}


def has_lone_percent(text: str) -> bool:
    """True where formatting would take a percent sign for the start of a name."""
    return "%" in PERCENT_NAME.sub("", text).replace("%%", "")


def set_up() -> None:
    """Django with every template tag of the project; it opens no database."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings.test")
    import django

    django.setup()


def main(arguments: list[str]) -> int:
    """Update or check; 1 where a check finds something."""
    if arguments not in (["update"], ["check"]):
        print(__doc__)
        return 2
    set_up()
    from workbench.messages import compile_if_changed

    messages = collect_messages()
    failed = False
    for path in list_catalogues():
        language = path.parent.parent.name
        print(f"{language}: {len(messages)} strings.")
        if arguments == ["update"]:
            n_new, dropped = update_catalogue(path, messages.values())
            print(f"{language}: {n_new} new, {len(dropped)} dropped.")
            for text in dropped:
                print(f"  dropped: {text}")
        problems = find_problems(path, messages)
        for problem in problems[:SHOWN]:
            print(f"  {problem}")
        if len(problems) > SHOWN:
            print(f"  and {len(problems) - SHOWN} more")
        failed = failed or bool(problems)
    compile_if_changed([LOCALE])
    return 1 if failed and arguments == ["check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
