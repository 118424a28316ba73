"""Whatever a model writes is read or explained: good replies, mangled in every way we know."""

from __future__ import annotations

import json
import random

import pytest

from labeling.records import Problem, Solution, Step
from modeljobs.methods.injection_prompts import ERROR_CLASSES, build_examples
from modeljobs.methods.injection_replies import (
    ParsedInjection,
    build_solution,
    parse_injection_reply,
)
from modeljobs.methods.multi_solutions import (
    OtherSolution,
    build_solution_examples,
    parse_other_solution,
)
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.rule_injection import MULTI_SOLUTIONS
from modeljobs.methods.templates import load_error_class

SOURCE = Solution(Problem("What is $1 + 1$?"), (Step("It is $2$."),))
JUNK = (
    *(
        "{",
        "}",
        "[",
        "]",
        '"',
        "\\",
        "\n",
        "```",
        "<think>",
        "</think>",
        "Step 1.",
        "Step 99.",
        "$",
    ),
    *("null", "-1", "1e999", "\x00", "\ud800", "𝕏", "\u2028", "NaN", '{"steps": [1]}', "9" * 5000),
)


def mangle(text: str, rng: random.Random) -> str:
    """The text with one to four accidents."""
    for _ in range(rng.randint(1, 4)):
        at, to = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        match rng.randrange(4):
            case 0:
                text = text[:at]
            case 1:
                text = text[:at] + text[to:]
            case 2:
                text = text[:at] + rng.choice(JUNK) + text[at:]
            case _:
                text = text[:to] + text[at:]
    return text


@pytest.mark.parametrize("kind", ERROR_CLASSES)
def test_a_mangled_injection_is_read_or_explained(kind: str) -> None:
    rng = random.Random(kind)
    replies = [message.content for message in build_examples(load_error_class(kind), count=2)[1::2]]
    seen = set()
    for _ in range(150):
        parsed = parse_injection_reply(mangle(rng.choice(replies), rng))
        seen.add(type(parsed))
        if isinstance(parsed, Unparsed):
            assert parsed.code
            assert parsed.reason.endswith(".")
        else:
            solution = build_solution(SOURCE, parsed, error_type=kind)
            assert solution.steps
            assert solution.injection is not None
            json.dumps(dict(solution.injection.extra))
    assert seen == {Unparsed, ParsedInjection}


def test_a_mangled_solution_is_read_or_explained() -> None:
    rng = random.Random(5)
    examples = build_solution_examples(load_error_class(MULTI_SOLUTIONS), count=2)[1::2]
    seen = set()
    for _ in range(600):
        parsed = parse_other_solution(mangle(rng.choice(examples).content, rng), source=SOURCE)
        seen.add(type(parsed))
        if isinstance(parsed, Unparsed):
            assert parsed.code
            assert parsed.reason.endswith(".")
        else:
            assert all(step.strip() for step in parsed.steps)
    assert seen == {Unparsed, OtherSolution}
