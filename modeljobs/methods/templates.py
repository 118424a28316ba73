"""Prompt files: named, versioned, read once.

`prompts/<name>.md` holds a front matter with name and version, and one section a message. What an
error class adds to the injection prompt is in `prompts/injection/<class>.toml`. A changed text is a
new version: results name the version that they were made with.
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

SECTION = re.compile(r"^## (?P<name>[a-z_]+)$", re.MULTILINE)
FIELD = re.compile(r"\{\{(?P<name>[a-z_]+)\}\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt's parts by name."""

    name: str
    version: str
    sections: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example of an injection, with 1-based positions as a reply gives them."""

    question: str
    steps: tuple[str, ...]
    modified_question: str
    modified_steps: tuple[str, ...]
    changed: tuple[int, ...]
    errors: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ErrorClassPrompt:
    """What the injection prompt says about one class of error."""

    error_type: str
    version: str
    title: str
    definition: str
    instruction: str
    flagging: str
    examples: tuple[Example, ...]


@functools.cache
def load_prompt(name: str) -> Prompt:
    """The prompt of that name; ValueError where its file is not as it should be."""
    text = _read(f"{name}.md")
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    facts = dict(line.split(": ", 1) for line in head.splitlines())
    parts = SECTION.split(body)
    sections = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    if facts.get("name") != name or "version" not in facts or not sections:
        raise ValueError(f"The prompt file {name}.md needs its name, a version and sections.")
    return Prompt(name, facts["version"], sections)


@functools.cache
def load_error_class(error_type: str) -> ErrorClassPrompt:
    """What there is to say about a class of error."""
    facts = tomllib.loads(_read(f"injection/{error_type}.toml"))
    return ErrorClassPrompt(
        error_type=error_type,
        version=facts["version"],
        title=facts["title"],
        definition=facts["definition"].strip(),
        instruction=facts["instruction"].strip(),
        flagging=facts["flagging"].strip(),
        examples=tuple(
            Example(
                question=one["question"],
                steps=tuple(one["steps"]),
                modified_question=one.get("modified_question", one["question"]),
                modified_steps=tuple(one["modified_process"]),
                changed=tuple(one["modified_steps"]),
                errors=tuple(one["error_steps"]),
                reason=one["reason"],
            )
            for one in facts["examples"]
        ),
    )


@functools.cache
def digest_texts(*names: str) -> str:
    """The start of a hash over prompt files: a text that changed without its version shows here."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(_read(name).encode() + b"\0")
    return digest.hexdigest()[:12]


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each `{{name}}` replaced; a name without a value is a KeyError.

    What is put in is not searched again, so that a problem's own braces do no harm.
    """
    return FIELD.sub(lambda match: values[match["name"]], template)


def _read(path: str) -> str:
    return (files("modeljobs.methods") / "prompts" / path).read_text(encoding="utf-8")
