"""Taxonomies of error types: the shipped ones, and those that projects edit.

A taxonomy is a TOML file here and a JSON document in a project; both have the same shape, and
`parse_taxonomy` reads either. Texts stand in several languages; a reader without a text in theirs
gets the English one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, TypeVar

from labeling.records import Contribution, StepLabel, Validity

Kind = TypeVar("Kind", bound=StrEnum)

FALLBACK_LANGUAGE = "en"
CODE_LIMIT = 60
NAME_LIMIT = 120
TEXT_LIMIT = 5_000
MOST_TYPES = 200

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class TaxonomyError(ValueError):
    """The document is not a taxonomy; `field` says where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Texts:
    """One text in several languages, by language tag ("en", "zh-Hans")."""

    by_language: Mapping[str, str]

    def pick(self, language: str) -> str:
        """The text in the language, in a wider or narrower one (zh for zh-Hans), or in English."""
        known = {tag.lower(): text for tag, text in self.by_language.items()}
        wanted = language.lower().replace("_", "-")
        base = wanted.split("-")[0]
        narrower = (text for tag, text in known.items() if tag.split("-")[0] == base)
        for found in (known.get(wanted), known.get(base), next(narrower, None)):
            if found is not None:
                return found
        return known.get(FALLBACK_LANGUAGE) or next(iter(known.values()), "")


@dataclass(frozen=True, slots=True)
class Dimension:
    """A group of error types."""

    id: str
    name: Texts

    def name_in(self, language: str) -> str:
        return self.name.pick(language)


@dataclass(frozen=True, slots=True)
class ErrorType:
    """A kind of mistake, with what it implies for a step that has it.

    `validity` and `contribution` are what a step of this type is by definition: a redundant step
    is true. A type with `is_error` false names solutions in which nothing is wrong.
    """

    code: str
    dimension: str
    name: Texts
    definition: Texts
    example: Texts
    counter_example: Texts
    validity: Validity | None = None
    contribution: Contribution | None = None
    is_error: bool = True

    def name_in(self, language: str) -> str:
        return self.name.pick(language)

    def definition_in(self, language: str) -> str:
        return self.definition.pick(language)

    def example_in(self, language: str) -> str:
        return self.example.pick(language)

    def counter_example_in(self, language: str) -> str:
        return self.counter_example.pick(language)

    def implied_label(self) -> StepLabel:
        """The label that saying this type of a step amounts to."""
        return StepLabel(
            validity=self.validity,
            contribution=self.contribution,
            error_types=(self.code,) if self.is_error else (),
        )


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """One version of a taxonomy; types and dimensions in the order in which they are shown."""

    id: str
    version: int
    title: Texts
    dimensions: tuple[Dimension, ...]
    types: tuple[ErrorType, ...]

    def title_in(self, language: str) -> str:
        return self.title.pick(language)

    def find_type(self, code: str) -> ErrorType | None:
        return next((entry for entry in self.types if entry.code == code), None)

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(entry.code for entry in self.types)

    @property
    def no_error_codes(self) -> frozenset[str]:
        """Types of solutions in which no step is an error."""
        return frozenset(entry.code for entry in self.types if not entry.is_error)

    @property
    def true_step_codes(self) -> frozenset[str]:
        """Types whose steps are true, so that the answer stays as it is."""
        return frozenset(entry.code for entry in self.types if entry.validity is Validity.CORRECT)


def list_builtin() -> tuple[str, ...]:
    """The ids of the shipped taxonomies, in order."""
    names = (entry.name for entry in files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def load_builtin(taxonomy_id: str) -> Taxonomy:
    """A shipped taxonomy; LookupError where there is none of that id."""
    if taxonomy_id not in list_builtin():
        known = ", ".join(list_builtin())
        raise LookupError(f"There is no taxonomy {taxonomy_id!r}; shipped are {known}.")
    text = files(__package__).joinpath(f"{taxonomy_id}.toml").read_text(encoding="utf-8")
    return parse_taxonomy(tomllib.loads(text))


def parse_taxonomy(data: object) -> Taxonomy:
    """The document as a taxonomy, or TaxonomyError with the field at fault."""
    document = _mapping(data, "taxonomy")
    _refuse_others(document, {"id", "version", "title", "dimensions", "types"}, "taxonomy")
    dimensions = tuple(
        _parse_dimension(entry, f"dimensions[{index}]")
        for index, entry in enumerate(_list(document.get("dimensions", []), "dimensions"))
    )
    known = [dimension.id for dimension in dimensions]
    _refuse_repeats(known, "dimensions", "id")
    entries = _list(document.get("types"), "types")
    if not entries:
        raise TaxonomyError("types", "a taxonomy has at least one error type.")
    if len(entries) > MOST_TYPES:
        raise TaxonomyError("types", f"{len(entries)} types; {MOST_TYPES} are allowed.")
    types = tuple(
        _parse_type(entry, f"types[{index}]", dimensions=known)
        for index, entry in enumerate(entries)
    )
    _refuse_repeats([entry.code for entry in types], "types", "code")
    version = document.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise TaxonomyError("version", f"is a whole number from 1, not {version!r}.")
    return Taxonomy(
        id=_code(document.get("id"), "id"),
        version=version,
        title=_texts(document.get("title"), "title", limit=NAME_LIMIT),
        dimensions=dimensions,
        types=types,
    )


def pack_taxonomy(taxonomy: Taxonomy) -> dict[str, Any]:
    """The taxonomy as JSON-ready data: the inverse of `parse_taxonomy`."""
    return {
        "id": taxonomy.id,
        "version": taxonomy.version,
        "title": dict(taxonomy.title.by_language),
        "dimensions": [
            {"id": dimension.id, "name": dict(dimension.name.by_language)}
            for dimension in taxonomy.dimensions
        ],
        "types": [_pack_type(entry) for entry in taxonomy.types],
    }


def _pack_type(entry: ErrorType) -> dict[str, Any]:
    packed: dict[str, Any] = {"code": entry.code, "dimension": entry.dimension}
    if entry.validity is not None:
        packed["validity"] = str(entry.validity)
    if entry.contribution is not None:
        packed["contribution"] = str(entry.contribution)
    packed["is_error"] = entry.is_error
    for name in ("name", "definition", "example", "counter_example"):
        packed[name] = dict(getattr(entry, name).by_language)
    return packed


_TYPE_FIELDS = {
    "code",
    "dimension",
    "validity",
    "contribution",
    "is_error",
    "name",
    "definition",
    "example",
    "counter_example",
}


def _parse_dimension(data: object, field: str) -> Dimension:
    document = _mapping(data, field)
    _refuse_others(document, {"id", "name"}, field)
    return Dimension(
        id=_code(document.get("id"), f"{field}.id"),
        name=_texts(document.get("name"), f"{field}.name", limit=NAME_LIMIT),
    )


def _parse_type(data: object, field: str, *, dimensions: Sequence[str]) -> ErrorType:
    document = _mapping(data, field)
    _refuse_others(document, _TYPE_FIELDS, field)
    dimension = document.get("dimension", "")
    if dimension != "" and dimension not in dimensions:
        known = ", ".join(map(repr, dimensions)) or "none"
        raise TaxonomyError(
            f"{field}.dimension", f"{dimension!r} is not a dimension here; there are: {known}."
        )
    is_error = document.get("is_error", True)
    if not isinstance(is_error, bool):
        raise TaxonomyError(f"{field}.is_error", f"is true or false, not {is_error!r}.")
    validity = _choice(Validity, document.get("validity"), f"{field}.validity")
    if not is_error and validity not in (None, Validity.CORRECT):
        raise TaxonomyError(
            f"{field}.validity", f"a type without an error is not {str(validity)!r}."
        )
    return ErrorType(
        code=_code(document.get("code"), f"{field}.code"),
        dimension=dimension,
        name=_texts(document.get("name"), f"{field}.name", limit=NAME_LIMIT),
        definition=_texts(document.get("definition"), f"{field}.definition"),
        example=_texts(document.get("example", {}), f"{field}.example", may_lack=True),
        counter_example=_texts(
            document.get("counter_example", {}), f"{field}.counter_example", may_lack=True
        ),
        validity=validity,
        contribution=_choice(Contribution, document.get("contribution"), f"{field}.contribution"),
        is_error=is_error,
    )


def _mapping(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TaxonomyError(field, f"is an object, not {type(value).__name__}.")
    return value


def _list(value: object, field: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise TaxonomyError(field, f"is a list, not {type(value).__name__}.")
    return value


def _code(value: object, field: str) -> str:
    if not isinstance(value, str) or not _CODE.fullmatch(value) or len(value) > CODE_LIMIT:
        raise TaxonomyError(
            field,
            f"{value!r} is not a code: up to {CODE_LIMIT} letters, digits and the signs _ . - "
            "(a letter or digit first).",
        )
    return value


def _texts(value: object, field: str, *, limit: int = TEXT_LIMIT, may_lack: bool = False) -> Texts:
    texts: dict[str, str] = {}
    for language, text in _mapping(value, field).items():
        if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
            raise TaxonomyError(field, f"{language!r} is not a language tag such as 'en'.")
        inner = f"{field}.{language}"
        if not isinstance(text, str):
            raise TaxonomyError(inner, f"is a text, not {type(text).__name__}.")
        if "\x00" in text:
            raise TaxonomyError(inner, "holds a NUL character, which cannot be stored.")
        if len(text.strip()) > limit:
            raise TaxonomyError(
                inner, f"has {len(text.strip()):,} characters; {limit:,} are allowed."
            )
        if text.strip():
            texts[language] = text.strip()
    if not texts and not may_lack:
        raise TaxonomyError(field, "is empty; give the text in at least one language.")
    return Texts(MappingProxyType(texts))


def _choice(kind: type[Kind], value: object, field: str) -> Kind | None:
    if value is None or value == "":
        return None
    try:
        return kind(str(value))
    except ValueError:
        known = ", ".join(repr(str(member)) for member in kind)
        raise TaxonomyError(field, f"{value!r} is not one of {known}.") from None


def _refuse_others(document: Mapping[str, Any], known: Collection[str], field: str) -> None:
    for name in document:
        if name not in known:
            expected = ", ".join(sorted(known))
            raise TaxonomyError(f"{field}.{name}", f"is not known here; there are: {expected}.")


def _refuse_repeats(values: Sequence[str], field: str, name: str) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise TaxonomyError(f"{field}[{index}].{name}", f"{value!r} stands twice.")
