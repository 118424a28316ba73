"""Finding every string that is to be translated: in Python, in templates, and what the core says.

Strings of Python come from its syntax tree; strings of templates from the nodes that Django itself
makes of them, so that a catalogue holds exactly what a page asks for. Sentences are what the parts
of the program say that know no language: refusals, lints, and the descriptions of formats, engines
and methods; `workbench.messages.translate_sentence` translates them where they are shown.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("labeling", "modeljobs", "workbench")
TEMPLATES = "templates"
MODULES = frozenset({"django.utils.translation"})

# Which arguments of which function are text, plural and context.
CALLS = {
    "gettext": ("text",),
    "gettext_lazy": ("text",),
    "gettext_noop": ("text",),
    "ngettext": ("text", "plural"),
    "ngettext_lazy": ("text", "plural"),
    "pgettext": ("context", "text"),
    "pgettext_lazy": ("context", "text"),
    "npgettext": ("context", "text", "plural"),
    "npgettext_lazy": ("context", "text", "plural"),
}
NOTE = "Translators:"

# Sentences have a context of their own: the word "Off" of an option is not that of a button.
SENTENCE = "sentence"
# Which argument of a call is a sentence; the errors that derive from the first join it.
SAYING = {"WorkbenchError": 0, "Gap": 1}
LETTERS = re.compile(r"[A-Za-z]{2,}")

# (context, text): what gettext looks an entry up by.
Key: TypeAlias = "tuple[str | None, str]"


@dataclass(slots=True)
class Message:
    """A string to translate, and every file that asks for it."""

    text: str
    plural: str | None = None
    context: str | None = None
    notes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.context, self.text


# --- Python ---------------------------------------------------------------------------------------


def extract_from_python(source: str, name: str) -> Iterator[Message]:
    """The strings of a module that are arguments of Django's translation functions.

    Raises ValueError where the argument is no constant: nothing could ever translate it.
    """
    if not any(module in source for module in MODULES):
        return
    tree = ast.parse(source, name)
    lines = source.splitlines()
    names = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in MODULES
        for alias in node.names
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        roles = CALLS.get(_find_function(call.func, names), ())
        if not roles or not call.args or _looks_up_sentence(call):
            continue
        values = {}
        for role, argument in zip(roles, call.args, strict=False):
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                raise ValueError(f"{name}:{call.lineno}: only a plain text can be translated.")
            values[role] = argument.value
        yield Message(**values, notes=_find_notes(lines, call.lineno), files=[name])


def _looks_up_sentence(call: ast.Call) -> bool:
    """True where a sentence of the core is asked for, which `extract_sentences` knows, or a word
    out of a table of constants, where `gettext_noop` has marked it.
    """
    asked = call.args[0]
    if isinstance(asked, ast.Subscript) and isinstance(asked.value, ast.Name):
        return asked.value.id.isupper()
    return isinstance(asked, ast.Name) and asked.id == "SENTENCE"


def _find_function(function: ast.expr, names: dict[str, str]) -> str:
    """The translation function's own name, under whatever name it was imported."""
    if isinstance(function, ast.Name):
        return names.get(function.id, "")
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if names.get(function.value.id) == "translation" else ""
    return ""


def _find_notes(lines: Sequence[str], line: int) -> list[str]:
    """The comment for translators that stands right above a line (from 1), if any."""
    found: list[str] = []
    for text in reversed(lines[: line - 1]):
        stripped = text.strip()
        if not stripped.startswith("#"):
            return []
        found.insert(0, stripped.lstrip("# "))
        if found[0].startswith(NOTE):
            return found
    return []


# --- Templates ------------------------------------------------------------------------------------


def extract_from_template(source: str, name: str) -> list[Message]:
    """The strings of a template: translate, blocktranslate and `_("…")`, in the order of lines."""
    from django.template import Engine, Origin, Template
    from django.template.engine import Engine as EngineType

    engine: EngineType = Engine.get_default()
    template = Template(source, origin=Origin(name), name=name, engine=engine)
    found: list[tuple[int, Message]] = []
    _walk(template.nodelist, 0, found, {})
    return [
        Message(message.text, message.plural, message.context, files=[name])
        for line, message in sorted(found, key=lambda pair: pair[0])
    ]


def _walk(thing: Any, line: int, found: list[tuple[int, Message]], seen: dict[int, Any]) -> None:
    """Collect from everything that a node is made of; tags of our own keep their parts anywhere."""
    from django.template.base import FilterExpression, Node
    from django.templatetags.i18n import BlockTranslateNode, TranslateNode

    if id(thing) in seen:
        return
    # Held, so that no later object gets the same id.
    seen[id(thing)] = thing
    if isinstance(thing, list | tuple | set):
        for part in thing:
            _walk(part, line, found, seen)
    elif isinstance(thing, dict):
        _walk(list(thing.values()), line, found, seen)
    elif isinstance(thing, FilterExpression):
        _walk(thing.var, line, found, seen)
        _walk([part for _, parts in thing.filters for part in parts], line, found, seen)
    elif isinstance(thing, Node):
        token = getattr(thing, "token", None)
        line = getattr(token, "lineno", None) or line
        if isinstance(thing, BlockTranslateNode):
            found.append((line, _read_block(thing)))
        if isinstance(thing, TranslateNode):
            found.append((line, _read_tag(thing)))
        _walk(_get_parts(thing), line, found, seen)
    elif _is_translated_later(thing):
        found.append((line, _read_lazy(thing)))
    elif type(thing).__module__.startswith(("django.template", *PACKAGES)):
        _walk(_get_parts(thing), line, found, seen)


def _get_parts(thing: Any) -> list[Any]:
    """The values that an object holds, in slots or not; never what it came from."""
    names = [*getattr(thing, "__dict__", {}), *getattr(thing, "__slots__", ())]
    left_out = {"token", "origin", "parent", "engine", "filename", "library"}
    return [getattr(thing, name, None) for name in names if name not in left_out]


def _read_tag(node: Any) -> Message:
    """What a translate tag looks up; it doubles percent signs first."""
    text = node.filter_expression.var.var
    context = node.message_context.var if node.message_context else None
    if not _is_quoted(text) or node.filter_expression.filters:
        raise ValueError(f"{node.origin}: only a plain text can be translated, not {text}.")
    return Message(text[1:-1].replace("%", "%%"), context=context)


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]


def _read_block(node: Any) -> Message:
    """What a blocktranslate tag looks up, spaces trimmed where it says so."""
    text, _ = node.render_token_list(node.singular)
    plural, _ = node.render_token_list(node.plural) if node.plural else (None, [])
    context = node.message_context.var if node.message_context else None
    if context is not None and not isinstance(context, str):
        raise ValueError(f"{node.origin}: the context of a blocktranslate must be a plain text.")
    return Message(text, plural, context)


def _is_translated_later(thing: Any) -> bool:
    """True for the lazy text that Django makes of `_("…")` behind a filter."""
    from django.utils.functional import Promise

    return isinstance(thing, Promise)


def _read_lazy(thing: Any) -> Message:
    from django.utils.translation import override

    # Without a language, a lazy text is the one that it was made of.
    with override(None):
        return Message(str(thing))


# --- Sentences of the core ------------------------------------------------------------------------


def extract_sentences(sources: dict[str, str]) -> Iterator[Message]:
    """What errors and gaps say, from the source of every module by its name.

    The values of an f-string are numbered: f"There is no step {n}." is "There is no step {0}."
    """
    trees = {name: ast.parse(source, name) for name, source in sources.items()}
    saying = _find_saying(trees.values())
    for name, tree in trees.items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
            place = saying.get(call.func.id) if isinstance(call.func, ast.Name) else None
            if place is None or len(call.args) <= place:
                continue
            for text in _read_sentences(call.args[place]):
                yield Message(text, context=SENTENCE, files=[name])


def _find_saying(trees: Iterable[ast.Module]) -> dict[str, int]:
    """The classes that are made with a sentence, and which argument it is."""
    bases: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                names = {base.id for base in node.bases if isinstance(base, ast.Name)}
                bases.setdefault(node.name, set()).update(names)
    saying = dict(SAYING)
    errors = {"WorkbenchError"}
    while derived := {name for name, above in bases.items() if above & errors} - errors:
        errors |= derived
    saying.update(dict.fromkeys(errors, 0))
    return saying


def _read_sentences(argument: ast.expr) -> list[str]:
    """The sentences that an argument may be; none where it is worked out elsewhere."""
    if isinstance(argument, ast.IfExp):
        return _read_sentences(argument.body) + _read_sentences(argument.orelse)
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        text = argument.value
    elif isinstance(argument, ast.JoinedStr):
        n_values = 0
        text = ""
        for part in argument.values:
            if isinstance(part, ast.Constant):
                text += str(part.value)
            else:
                text += f"{{{n_values}}}"
                n_values += 1
    else:
        return []
    # Nothing but values has no words to translate, and as a pattern it would fit everything.
    return [text] if len(LETTERS.findall(text)) > 1 else []


def list_descriptions() -> Iterator[Message]:
    """What the catalogues of lints, formats, engines and methods say of what is in them."""
    from labeling.formats.base import list_formats
    from labeling.formats.lint.rules import LINTS
    from modeljobs.engines.catalog import KINDS
    from modeljobs.methods.catalog import METHODS

    for rule in LINTS.values():
        yield from _describe("labeling/formats/lint/rules.py", rule.title, *rule.messages)
    for known in list_formats():
        info = known.info
        said = [info.title, info.description, info.index_convention]
        options = (*info.read_options, *info.write_options)
        said += [option.description for option in options]
        yield from _describe(_find_file(known), *said)
    for kind in KINDS.values():
        said = [kind.title, kind.description, *_read_options(kind.options)]
        yield from _describe("modeljobs/engines/catalog.py", *said)
    for method in METHODS.values():
        said = [method.title, method.description, *_read_options(method.parameters)]
        yield from _describe(_find_file(method), *said)


def _read_options(options: Sequence[Any]) -> list[str]:
    """What the settings of an engine or a method say: titles, help and the names of choices."""
    return [
        text
        for option in options
        for text in (option.title, option.help, *(title for _, title in option.choices))
    ]


def _find_file(thing: object) -> str:
    return type(thing).__module__.replace(".", "/") + ".py"


def _describe(name: str, *texts: str) -> Iterator[Message]:
    for text in texts:
        if LETTERS.search(text):
            yield Message(text, context=SENTENCE, files=[name])


# --- All of it ------------------------------------------------------------------------------------


def collect_messages(root: Path = ROOT) -> dict[Key, Message]:
    """Every string of the project by its key: in the order of files and lines, sentences last."""
    found: dict[Key, Message] = {}
    modules: dict[str, str] = {}
    for path in _list_files(root):
        name = path.relative_to(root).as_posix()
        source = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            modules[name] = source
            messages = list(extract_from_python(source, name))
        else:
            messages = extract_from_template(source, name)
        _add(found, messages)
    _add(found, extract_sentences(modules))
    _add(found, list_descriptions())
    return found


def _list_files(root: Path) -> list[Path]:
    """What may hold strings: what annotators see first, so that a catalogue reads from there."""
    templates = [path for path in (root / TEMPLATES).rglob("*") if path.suffix in (".html", ".txt")]
    modules = [path for name in PACKAGES for path in (root / name).rglob("*.py")]
    return sorted(templates) + sorted(path for path in modules if "migrations" not in path.parts)


def _add(found: dict[Key, Message], messages: Iterable[Message]) -> None:
    """Add strings; one that is there already gets the files and notes of the other."""
    for message in messages:
        known = found.setdefault(message.key, message)
        if known is message or not message.text:
            continue
        known.plural = known.plural or message.plural
        known.files += [name for name in message.files if name not in known.files]
        known.notes += [note for note in message.notes if note not in known.notes]
    found.pop((None, ""), None)
