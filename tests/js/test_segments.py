"""segments.js cuts a text where labeling/mathtext.py does: both pass the same vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.js.conftest import ROOT

pytestmark = pytest.mark.browser

VECTORS = json.loads((ROOT / "tests" / "data" / "math_segments.json").read_text(encoding="utf-8"))
SPLIT_ALL = """
const { splitMath } = await load("segments");
return args.map((text) => splitMath(text));
"""


def test_the_vectors(run: Callable[..., Any]) -> None:
    found = run(SPLIT_ALL, [vector["text"] for vector in VECTORS])
    for vector, runs in zip(VECTORS, found, strict=True):
        said = [{"kind": run["kind"], "text": run["text"]} for run in runs]
        assert said == vector["runs"], vector["name"]


def test_sources_joined_are_the_text(run: Callable[..., Any]) -> None:
    texts = [vector["text"] for vector in VECTORS]
    for text, runs in zip(texts, run(SPLIT_ALL, texts), strict=True):
        assert "".join(run["source"] for run in runs) == text


def test_unclosed_openers_cost_linear_time(run: Callable[..., Any]) -> None:
    # 100,000 characters that open and never close: a second would be a hundred times too long.
    body = """
    const { splitMath } = await load("segments");
    const start = performance.now();
    const kinds = args.map((piece) => splitMath(piece.repeat(100_000 / piece.length)).length);
    return { kinds, ms: performance.now() - start };
    """
    result = run(body, ["$a ", "\\begin{align}", "\\text{", "{"])
    assert result["kinds"] == [1] * 4
    assert result["ms"] < 1000
