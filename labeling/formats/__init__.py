"""Readers and writers of step-level data: pure, streaming, one module per format.

`get_format(name)` gives a format with `read`, `write` and `info`; `detect_format` guesses a name.
"""

from __future__ import annotations

from labeling.formats import (
    genprm,
    graded_solutions,
    labelllm,
    math_aps,
    math_shepherd,
    native,
    prm800k,
    prmbench,
    prmbench_pilot,
    problems,
    processbench,
    trl,
)
from labeling.formats.base import (
    Format,
    FormatInfo,
    OptionError,
    ReadOptions,
    UnknownFormat,
    WriteLog,
    WriteOptions,
    get_format,
    list_formats,
    register_format,
)
from labeling.formats.compressed import CompressedError, ExpansionLimits, open_compressed
from labeling.formats.detection import detect_format

__all__ = [
    "CompressedError",
    "ExpansionLimits",
    "Format",
    "FormatInfo",
    "OptionError",
    "ReadOptions",
    "UnknownFormat",
    "WriteLog",
    "WriteOptions",
    "detect_format",
    "get_format",
    "list_formats",
    "open_compressed",
]

# In the order in which they are offered.
for _module in (
    native,
    prmbench,
    prm800k,
    processbench,
    trl,
    math_shepherd,
    genprm,
    math_aps,
    problems,
    graded_solutions,
    labelllm,
    prmbench_pilot,
):
    register_format(_module.FORMAT)
