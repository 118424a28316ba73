"""Published problems and steps as the pages render them: every formula, in a real browser.

Exceptions are listed with their reasons: formulas by what KaTeX says of them, which is a fault of
the source each time, and dollars that stay in the prose by a hash of their text. The sets (see the
README of the data folder for their licences) are not part of this repository.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from labeling.formats.base import get_format
from labeling.records import Solution
from tests.conftest import demand, find_real_data
from tests.js.conftest import run, site  # noqa: F401

pytestmark = [pytest.mark.real_data, pytest.mark.browser]

FILES = (
    ("prmbench", "prmbench/prmbench_subset_394.jsonl", 394),
    ("prmbench_pilot", "prmbench/pilot_injections_106.jsonl", 106),
    ("labelllm", "prmbench/multi_solutions_human_verdicts_174.jsonl", 174),
    ("processbench", "processbench/gsm8k.json", 400),
    ("processbench", "processbench/olympiadbench.json", 1000),
)
# What KaTeX says of a formula that is shown as source, and of how many different ones.
BROKEN = {
    # 2^3^\circ: TeX refuses it as well.
    "Double superscript": 18,
    # A line break written as \n, and rows of a matrix parted by one backslash (80\5).
    "Undefined control sequence": 17,
    # A display formula that ends in \), an inline one.
    "Can't use function": 11,
    # A box that was closed too early, or a brace too many.
    "Expected": 2,
    # The same row of `aligned` has two.
    "Multiple \\tag": 1,
}
# Dollars that are neither beside an amount nor part of a formula, by the hash of their text.
PROSE_DOLLARS = {
    "never closed": (
        *("a3b609f20a08", "1574179327ed", "92b9549763f0", "5435614da30e", "3fdd2c11cf02"),
        *("a0c1ec5ec9f2", "bf00c45a563b", "7670f52153e8", "ea30412c1085", "a747ed701f0f"),
        *("2e38b23086ec", "2a317158d4fc"),
    ),
    "money before a variable or a formula": (
        *("81e69959a583", "7a42c36de6f4", "2cb98bdd2ca2", "96dda4a934fe"),
    ),
    "prose between the dollars": ("3c45b3018183",),
    "space inside and nothing that only TeX has": ("1c0141ebff54", "0ffe1273710d"),
    "a pair over several lines, with space inside": ("f869dff60add", "736bc18cbe84"),
    "a blank line inside": ("d0fd5f675b9d",),
}
# Formulas with four words in a row: names of points and of throws, and answers in a box.
WORDY = {"\\cong", "HHH", "AB, BC"}
WORDS = re.compile(r"(?:[A-Za-z]{2,}[ ,]+){3,}[A-Za-z]{2,}")
TEXTS = re.compile(
    r"\\(?:text|mbox|textbf|textit|textrm|mathrm|operatorname|hbox|tag|mathbf|emph|boxed)"
    r"\s*\{[^{}]*\}"
)
AMOUNT_AFTER = re.compile(r"\$ ?[0-9.,]")

RENDER = """
const { splitMath } = await load("segments");
const { renderFormula } = await load("math");
const katex = (await import("/static/vendor/katex/katex.mjs")).default;
const reason = (tex, displayMode) => {
  try {
    katex.renderToString(tex, { throwOnError: true, strict: "ignore", displayMode });
  } catch (error) {
    return error.rawMessage;
  }
  return "refused";
};
const known = new Map();
return args.map((text) =>
  splitMath(text).map((run) => {
    if (run.kind === "text") return ["text", run.text, ""];
    const key = run.kind + run.text;
    if (!known.has(key)) {
      const isBroken = renderFormula(run).matches(".tex-broken");
      known.set(key, isBroken ? reason(run.text, run.kind === "display") : "");
    }
    return [run.kind, run.source, known.get(key)];
  }),
);
"""


class Run(NamedTuple):
    """Prose or a formula as it was cut, and what KaTeX says of one that it cannot read."""

    kind: str
    source: str
    fault: str


def list_texts(folder: Path) -> Iterator[str]:
    """Every text of the sets that a page shows."""
    for name, path, rows in FILES:
        found = 0
        with (folder / path).open("rb") as stream:
            for row in get_format(name).read(stream):
                if not isinstance(row, Solution):
                    continue
                found += 1
                yield row.problem.text
                yield from (step.text for step in row.steps)
                if row.injection:
                    yield row.injection.original_problem
                    yield from row.injection.original_steps
                    yield row.injection.reason
        assert found == rows, path


@pytest.fixture
def rendered(run: Callable[..., Any]) -> dict[str, list[Run]]:  # noqa: F811
    """Each text, cut and rendered."""
    demand("real_data")
    texts = sorted(set(list_texts(find_real_data())))
    return {
        text: [Run(*one) for one in runs]
        for text, runs in zip(texts, run(RENDER, texts), strict=True)
    }


def test_it_works(rendered: dict[str, list[Run]]) -> None:
    formulas = [one for runs in rendered.values() for one in runs if one.kind != "text"]
    assert len(rendered) > 20_000
    assert len(formulas) > 50_000
    check_broken(formulas)
    check_prose(rendered)
    check_formulas(formulas)


def check_broken(formulas: list[Run]) -> None:
    """KaTeX reads every formula but those that TeX would not read either."""
    faults = {one.source: one.fault for one in formulas if one.fault}
    said = Counter(
        next((name for name in BROKEN if fault.startswith(name)), "refused")
        for fault in faults.values()
    )
    assert said == Counter(BROKEN)


def check_prose(rendered: dict[str, list[Run]]) -> None:
    """A dollar in the prose is money, or one of the exceptions."""
    odd = {
        hashlib.sha256(text.encode()).hexdigest()[:12]
        for text, runs in rendered.items()
        if any(one.kind == "text" and has_odd_dollar(one.source) for one in runs)
    }
    assert odd == {name for names in PROSE_DOLLARS.values() for name in names}


def has_odd_dollar(prose: str) -> bool:
    """Is there a dollar with no amount on either side?"""
    return any(
        prose[place] == "$"
        and not AMOUNT_AFTER.match(prose, place)
        and not prose[:place][-1:].isdigit()
        for place in range(len(prose))
    )


def check_formulas(formulas: list[Run]) -> None:
    """No formula has swallowed prose."""
    wordy = {
        one.source
        for one in formulas
        if WORDS.search(re.sub(r"\\[A-Za-z]+", " ", TEXTS.sub("", one.source)))
    }
    assert {text for text in wordy if not any(word in text for word in WORDY)} == set()
