"""Guessing the format of a file from its beginning."""

from __future__ import annotations

import re
from collections.abc import Callable

from labeling.formats.native_reading import SCHEMA_NAME

# A name in quotes before a colon. Inside a JSON text the quotes would have backslashes before
# them, so a text that speaks of such a field does not count as one.
_KEY = re.compile(rb'"([A-Za-z0-9_]{1,40})"\s{0,4}:')

_Rule = Callable[[frozenset[str]], bool]


def _has(*names: str) -> _Rule:
    wanted = frozenset(names)
    return lambda keys: wanted <= keys


def _has_any(*names: str) -> _Rule:
    wanted = frozenset(names)
    return lambda keys: bool(wanted & keys)


# The first rule that holds decides: formats that wrap or extend another stand before it. The
# beginning of a file may end inside its first row, so a rule asks for early fields only.
_RULES: tuple[tuple[str, _Rule], ...] = (
    ("labelllm", _has_any("questionnaire_id", "conversation_evaluation")),
    ("prmbench_pilot", _has_any("hallucination_steps", "hallucination_types")),
    ("prmbench_pilot", _has("prompt", "conversation")),
    ("prm800k", _has_any("is_quality_control_question", "chosen_completion", "finish_reason")),
    ("prmbench", _has("original_process", "modified_process")),
    ("prmbench", _has("original_question", "modified_question")),
    ("math_aps", _has("question", "reasoning_steps")),
    ("genprm", _has("conversations")),
    ("trl", _has("prompt", "completions")),
    ("math_shepherd", _has("input", "label")),
    ("processbench", _has("problem", "steps", "label")),
    ("processbench", _has("generator", "problem", "steps")),
    ("graded_solutions", _has("question", "is_correct", "solution")),
    ("problems", _has("question", "answer")),
    ("problems", _has("problem", "answer")),
    ("problems", _has("problem", "solution")),
)

# Words of file names, for a beginning that holds less than a row tells.
_NAMES = (
    ("prm800k", "prm800k"),
    ("processbench", "processbench"),
    ("prmbench", "prmbench"),
    ("prmtest", "prmbench"),
    ("math_shepherd", "math_shepherd"),
    ("math-shepherd", "math_shepherd"),
    ("math_aps", "math_aps"),
    ("genprm", "genprm"),
    ("gsm8k", "problems"),
)

# How much of a file to look at: some rows begin with a text of several thousand bytes.
DETECTION_BYTES = 64 * 1024


def detect_format(first_bytes: bytes, filename: str = "") -> str | None:
    """The name of the format whose fields the file begins with, or None.

    The content decides; the file name only where the content shows no known field. Give
    DETECTION_BYTES of it where there are as many, expanded if the file is compressed.
    """
    if f'"{SCHEMA_NAME}/'.encode() in first_bytes[:200]:
        return "native"
    keys = frozenset(name.decode() for name in _KEY.findall(first_bytes))
    for name, holds in _RULES:
        if holds(keys):
            return name
    # A row of one long text (Math-Shepherd's input) may fill the beginning by itself.
    if "input" in keys and " ки".encode() in first_bytes:
        return "math_shepherd"
    lowered = filename.lower()
    return next((name for word, name in _NAMES if word in lowered), None)
