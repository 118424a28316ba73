from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.formats.genprm import read_decision
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.verdicts import Verdict, find_last_verdict, find_output_verdict

TEXTS = st.lists(
    st.sampled_from(
        [
            "<output>",
            "</output>",
            "\\boxed",
            "{",
            "}",
            "Yes",
            "no",
            "\\text{",
            "$",
            " ",
            "\n",
            "casino",
        ]
    )
    | st.text(max_size=5),
    max_size=25,
).map("".join)


@pytest.mark.parametrize(
    ("text", "is_yes"),
    [
        ("<output>\n**Judgement**: $\\boxed{Yes}$\n</output>\n", True),
        ("<output>\n**Judgement**: $\\boxed{No}$\n</output>\n", False),
        ("<output>\\boxed{\\text{Yes}}", True),
        ("<output>\\boxed{\\mathrm{No}}", False),
        ("<output>\\boxed{yes}", True),
        ("<output>\\boxed { NO }", False),
        ("<output>\\boxed{Yes.}", True),
        ("<output>\\boxed{Yes", True),
        ("<output>\\boxed{No}</output> <output>\\boxed{Yes}", True),
        ("\\boxed{No} <output>\\boxed{Yes}", True),
        ("<output>\\boxed{Yes} that is \\boxed{Yes}", True),
    ],
)
def test_verdicts_that_can_be_read(text: str, is_yes: bool) -> None:
    verdict = find_output_verdict(text)
    assert isinstance(verdict, Verdict)
    assert verdict.is_yes is is_yes
    assert text[verdict.start :].lower().startswith("yes" if is_yes else "no")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("\\boxed{Yes}", "no_output"),
        ("<output>\n**Judgement**: $\\boxed", "no_verdict"),
        ("<output>\\boxed{Maybe}", "no_verdict"),
        ("<output>\\boxed{None}", "no_verdict"),
        ("<output>\\boxed{Yes or No}", "no_verdict"),
        ("<output>Yes", "no_verdict"),
        ("<output>\\text{casino}", "no_verdict"),
        ("<output>\\boxed{Yes} or \\boxed{No}", "contradictory"),
    ],
)
def test_every_reason_for_not_reading_a_verdict(text: str, code: str) -> None:
    unparsed = find_output_verdict(text)
    assert isinstance(unparsed, Unparsed)
    assert unparsed.code == code
    assert unparsed.reason.endswith(".")


def test_a_reply_without_parts_is_read_by_its_last_verdict() -> None:
    text = "At first \\boxed{No}, but after all \\boxed{Yes}."
    assert find_last_verdict(text) == Verdict(is_yes=True, start=text.index("Yes"))
    assert find_last_verdict("It is right.") == Unparsed(
        "no_verdict", "The reply holds neither \\boxed{Yes} nor \\boxed{No}."
    )
    empty = find_last_verdict("")
    assert isinstance(empty, Unparsed)
    assert empty.code == "empty"


@given(TEXTS)
@settings(deadline=None)
def test_any_text_gives_a_verdict_or_a_reason(text: str) -> None:
    for found in (find_output_verdict(text), find_last_verdict(text)):
        if isinstance(found, Verdict):
            assert text[found.start :].lower().startswith("yes" if found.is_yes else "no")
        else:
            assert found.code
            assert found.reason


@given(TEXTS)
@settings(deadline=None)
def test_a_verdict_is_one_for_the_format_as_well(text: str) -> None:
    found = find_output_verdict(text)
    if isinstance(found, Verdict):
        assert read_decision(text) is found.is_yes
