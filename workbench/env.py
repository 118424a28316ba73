"""Settings from the environment, read strictly: a value that cannot be understood stops the start.

Each reader takes a default for a variable that is absent. A variable that is set to nothing
counts as absent, as in a compose file that passes through what the host does not set.
"""

from __future__ import annotations

import os
from pathlib import Path

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


class EnvError(Exception):
    """An environment variable is missing or cannot be understood."""


def env_text(name: str, default: str = "") -> str:
    """The variable's text without surrounding space, or the default."""
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, default: bool = False) -> bool:
    """True or False from one of the usual words; any other word is an error."""
    raw = env_text(name)
    if not raw:
        return default
    if raw.lower() in TRUE_WORDS:
        return True
    if raw.lower() in FALSE_WORDS:
        return False
    raise EnvError(f"{name} is {raw!r}; use one of 1, true, yes, on, 0, false, no, off.")


def env_int(
    name: str, default: int, *, minimum: int | None = None, maximum: int | None = None
) -> int:
    """A whole number within the bounds, both included."""
    raw = env_text(name)
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise EnvError(f"{name} is {raw!r}; it must be a whole number.") from None
    if minimum is not None and value < minimum:
        raise EnvError(f"{name} is {value}; it must be at least {minimum}.")
    if maximum is not None and value > maximum:
        raise EnvError(f"{name} is {value}; it must be at most {maximum}.")
    return value


def env_float(name: str, default: float, *, minimum: float | None = None) -> float:
    """A finite number not below the minimum."""
    raw = env_text(name)
    if not raw:
        return default
    try:
        value = float(raw)
    except ValueError:
        raise EnvError(f"{name} is {raw!r}; it must be a number.") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise EnvError(f"{name} is {raw!r}; it must be a finite number.")
    if minimum is not None and value < minimum:
        raise EnvError(f"{name} is {value}; it must be at least {minimum}.")
    return value


def env_list(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """The comma-separated parts, without space around them and without empty ones."""
    raw = env_text(name)
    if not raw:
        return list(default)
    return [part for part in (piece.strip() for piece in raw.split(",")) if part]


def env_secret(name: str, *, required: bool = False) -> str | None:
    """The secret in NAME, or the one in the file that NAME_FILE names; None where neither is set.

    A file is how container platforms hand over secrets. Both at once is an error, since one of
    them would be ignored without a word. The secret's value is in no message.
    """
    value = env_text(name)
    path = env_text(f"{name}_FILE")
    if value and path:
        raise EnvError(f"Both {name} and {name}_FILE are set; keep one of them.")
    if path:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise EnvError(f"{name}_FILE names {path!r}, which cannot be read: {error}") from None
        if not value:
            raise EnvError(f"{name}_FILE names {path!r}, which is empty.")
    if not value:
        if required:
            raise EnvError(f"{name} is not set; set it, or {name}_FILE to a file that holds it.")
        return None
    return value
