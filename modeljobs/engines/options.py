"""Settings that a person fills in: what each may be, and what is wrong with what was given.

Engines and methods declare their settings as Options; a form is drawn from them, and the same
declaration checks what comes in by REST.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

OptionType = Literal["text", "int", "float", "bool", "choice", "choices", "json"]
TEXT_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. `choices` pairs each value with its title; None as default means "not set"."""

    name: str
    type: OptionType
    title: str
    help: str = ""
    default: Any = None
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[tuple[str, str], ...] = ()


class InvalidOptions(ValueError):
    """Some settings are not valid; `problems` maps each setting's name to a sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


def validate_options(options: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with defaults and right types, or InvalidOptions with every fault.

    Strings from a form count as numbers where they are some; an empty one counts as not given. A
    value under a name that no option has is a fault: a misspelt setting would do nothing.
    """
    known = {option.name: option for option in options}
    problems = {
        name: f"There is no setting {name!r}; the settings are {', '.join(sorted(known))}."
        for name, value in given.items()
        if name not in known and not _is_empty(value)
    }
    values: dict[str, Any] = {}
    for name, option in known.items():
        value = given.get(name)
        if _is_empty(value):
            if option.required:
                problems[name] = f"The setting {name!r} is needed."
            values[name] = option.default
            continue
        try:
            values[name] = _read_value(option, value)
        except ValueError as error:
            problems[name] = f"The setting {name!r} {error}, not {_shorten(value)}."
    if problems:
        raise InvalidOptions(problems)
    return values


def _is_empty(value: Any) -> bool:
    return value is None or value == ""


def _read_value(option: Option, value: Any) -> Any:
    match option.type:
        case "text":
            return _read_text(value)
        case "int" | "float":
            return _read_number(option, value)
        case "bool":
            return _read_bool(value)
        case "choice":
            return _read_choice(option, value)
        case "choices":
            return _read_choices(option, value)
        case "json":
            if not isinstance(value, Mapping):
                raise ValueError("must be an object")
            return dict(value)


def _read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    if len(value) > TEXT_LIMIT:
        raise ValueError(f"must be at most {TEXT_LIMIT} characters")
    return value.strip()


def _read_number(option: Option, value: Any) -> int | float:
    wanted = "must be a whole number" if option.type == "int" else "must be a number"
    # True is an int to Python, and no number to anybody who fills in a form.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(wanted)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(wanted) from None
    if not math.isfinite(number) or (option.type == "int" and number != int(number)):
        raise ValueError(wanted)
    low, high = option.minimum, option.maximum
    if low is not None and number < low:
        raise ValueError(f"must be at least {low:g}")
    if high is not None and number > high:
        raise ValueError(f"must be at most {high:g}")
    return int(value) if option.type == "int" else number


def _read_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
    read = words.get(value.strip().lower()) if isinstance(value, str) else None
    if read is None:
        raise ValueError("must be true or false")
    return read


def _read_choice(option: Option, value: Any) -> str:
    values = [name for name, _ in option.choices]
    if value not in values:
        raise ValueError(f"must be one of {', '.join(values)}")
    return str(value)


def _read_choices(option: Option, value: Any) -> tuple[str, ...]:
    """Several of the choices, each once, in the order of the declaration."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, Sequence):
        raise ValueError("must be a list")
    chosen = {_read_choice(option, item) for item in items}
    if not chosen:
        raise ValueError("must name at least one choice")
    return tuple(name for name, _ in option.choices if name in chosen)


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
