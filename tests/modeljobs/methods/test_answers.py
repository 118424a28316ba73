from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeljobs.methods.answer_checks import (
    AnswerVerdict,
    CachedChecker,
    MemoryVerdictCache,
    PlainChecker,
    VerdictKey,
)
from modeljobs.methods.answers import (
    ANSWER_CHARACTERS,
    FoundAnswer,
    extract_answer,
    normalise_answer,
    read_number,
)
from modeljobs.methods.math_verify import MathVerifyChecker, write_block
from modeljobs.methods.parsing import Unparsed
from modeljobs.sandbox.base import CodeResult, CodeStatus, SandboxError, SandboxUnavailable

needs_math_verify = pytest.mark.skipif(
    importlib.util.find_spec("math_verify") is None, reason="math-verify is not installed"
)

# --- Extraction -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer", "place"),
    [
        (r"So it is \boxed{\frac{1}{2}}.", r"\frac{1}{2}", "boxed"),
        (r"First \boxed{3}, then \boxed{4}.", "4", "boxed"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}", "boxed"),
        (r"\boxed{\left\{ x \right.}", r"\left\{ x \right.", "boxed"),
        (r"Put it within \boxed{}. The result: \fbox{7}", "7", "boxed"),
        (r"It is \boxed{7}, and I put it within \boxed{}.", "7", "boxed"),
        (r"Hence \boxed 7.", "7", "boxed"),
        (r"\boxed{3} beats a sentence: the answer is 4.", "3", "boxed"),
        ("Final Answer: The final answer is $x + 1$. I hope it is correct.", "x + 1", "minerva"),
        ("The answer is 3.5. That was easy.", "3.5", "phrase"),
        ("The answer is: $\\frac{3}{4}$.", "$\\frac{3}{4}$", "phrase"),
        ("The final answer is **12**", "12", "phrase"),
        ("The answer is 3. No, the answer is\n\n5.", "3", "phrase"),
        ("所以答案是 12。", "12", "phrase"),
        ("答案为:8", "8", "phrase"),
        ("We get 3, then 1,024", "1,024", "last_number"),
        ("It falls to -2.5", "-2.5", "last_number"),
    ],
)
def test_the_last_answer_is_found(text, answer, place):
    assert extract_answer(text) == FoundAnswer(answer, place)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("There is nothing here.", "no_answer"),
        ("", "no_answer"),
        (r"It is \boxed{3}, or rather \boxed{4", "unclosed_box"),
        (rf"\boxed{{{'1' * (ANSWER_CHARACTERS + 1)}}}", "answer_too_long"),
    ],
)
def test_a_text_without_an_answer_says_why(text, code):
    found = extract_answer(text)
    assert isinstance(found, Unparsed)
    assert found.code == code


def test_how_far_to_look_is_a_setting():
    said, counted = "The answer is 5.", "We count 5"
    assert isinstance(extract_answer(said, extraction="stated"), FoundAnswer)
    assert isinstance(extract_answer(said, extraction="boxed"), Unparsed)
    assert isinstance(extract_answer(counted, extraction="stated"), Unparsed)


@settings(deadline=None)
@given(st.text(alphabet="\\boxed{} fanwris12.$答案是", max_size=200))
def test_no_text_breaks_the_extraction(text):
    assert isinstance(extract_answer(text), FoundAnswer | Unparsed)


@settings(deadline=None)
@given(
    st.sampled_from(["", "$", r"\text{ cm}", " apples", ".", r"\%", " "]),
    st.fractions(max_denominator=1000),
)
def test_what_stands_around_a_number_does_not_change_its_form(around, value):
    assert normalise_answer(f"{value}{around}") == str(value)


# --- The plain checker ----------------------------------------------------------------------------


def compare(answer: str, reference: str, *, percent: bool = False) -> AnswerVerdict:
    return asyncio.run(PlainChecker(percent=percent).compare(answer, reference))


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("12", "12"),
        (" $12$. ", "12"),
        ("1/2", "0.5"),
        (r"\dfrac{11}{36}", r"\frac{11}{36}"),
        (r"\frac12", "0.5"),
        (r"\frac{6}{8}", "3/4"),
        (r"1\frac{1}{2}", "1.5"),
        (r"-\frac{3}{4}", "-0.75"),
        ("1,000", "1000"),
        (r"10{,}000", "10{,}000"),
        ("10^3", "1000"),
        (r"1.2 \times 10^{5}", "120000"),
        ("1e3", "1000"),
        ("0.33333", "1/3"),
        (r"50\%", "50"),
        (r"90^\circ", "90"),
        (r"\$5", "5"),
        (r"5\text{ cm}", "5"),
        ("5 apples", "5"),
        ("x = 5", "5"),
        ("(A)", "A"),
        (r"\text{Tuesday}", "tuesday"),
        ("(1, 2)", "(1,2)"),
        (r"\left(1, \frac12\right)", "(1,0.5)"),
        ("2, 1", "1, 2"),
        (r"\{1,2\}", r"\{2,1\}"),
        (r"2 \sqrt{3}", r"2\sqrt{3}"),
    ],
)
def test_equal_answers_are_equal(answer, reference):
    assert compare(answer, reference).is_equal is True


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("3", "4"),
        ("0.333", "1/3"),
        # Whole numbers are equal or not, however large they are.
        ("100001", "100000"),
        ("50", "0.5"),
        ("Monday", "Tuesday"),
        ("A", "B"),
        ("(1,2)", "(2,1)"),
        ("(1,2)", "(1,2,3)"),
        ("1,2", "1,2,3"),
        ("1,3", "1,2"),
    ],
)
def test_different_answers_are_different(answer, reference):
    assert compare(answer, reference).is_equal is False


@pytest.mark.parametrize(
    ("answer", "reference", "reason"),
    [
        ("x+1", "1+x", "not_comparable"),
        (r"2\sqrt{3}", r"\sqrt{12}", "not_comparable"),
        ("[0,1)", "[0,1]", "not_comparable"),
        ("3 million", "3000000", "not_comparable"),
        ("1e999999999", "3", "not_comparable"),
        ("(" * 50 + "1,2", "(1,2)", "not_comparable"),
        ("", "3", "empty_answer"),
        ("3", "$$", "empty_reference"),
        ("3", "1" * (ANSWER_CHARACTERS + 1), "too_long"),
    ],
)
def test_what_cannot_be_told_is_undecided_with_a_reason(answer, reference, reason):
    assert compare(answer, reference) == AnswerVerdict(None, "plain/1", reason)


def test_percent_is_off_unless_chosen():
    assert compare("50", "0.5", percent=True).is_equal is True
    assert compare("0.5", "50", percent=True).is_equal is True
    assert compare("50", "0.4", percent=True).is_equal is False
    assert compare("1", "1", percent=True).checker == "plain/1+percent"


def test_an_undecided_verdict_without_a_reason_is_refused():
    with pytest.raises(ValueError, match="reason"):
        AnswerVerdict(None, "plain/1")


@settings(deadline=None)
@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_a_fraction_is_read_exactly(top, bottom):
    plain, latex = read_number(f"{top}/{bottom}"), read_number(f"\\frac{{{top}}}{{{bottom}}}")
    assert plain is not None
    assert latex is not None
    assert plain.value == latex.value
    assert plain.value * bottom == top


@settings(deadline=None)
@given(
    st.text(alphabet="\\frac{}()[]1/2,.^%$x ", max_size=30),
    st.text(alphabet="\\frac{}()[]1/2,.^%$x ", max_size=30),
)
def test_the_plain_checker_is_symmetric(one, other):
    there, back = compare(one, other).is_equal, compare(other, one).is_equal
    assert there is back


# --- The cache ------------------------------------------------------------------------------------


@dataclass
class CountingChecker:
    verdicts: dict[str, bool | None]
    name: str = "counting"
    version: str = "1"
    asked: list[str] = field(default_factory=list)

    async def compare(self, answer: str, reference: str) -> AnswerVerdict:
        self.asked.append(answer)
        await asyncio.sleep(0)
        found = self.verdicts[answer]
        return AnswerVerdict(found, "counting/1", "" if found is not None else "timed_out")


def test_a_decided_pair_is_compared_once_even_at_once():
    async def ask() -> list[AnswerVerdict]:
        checker = CachedChecker(counting, MemoryVerdictCache())
        return list(await asyncio.gather(*(checker.compare("a", "r") for _ in range(5))))

    counting = CountingChecker({"a": False})
    assert {verdict.is_equal for verdict in asyncio.run(ask())} == {False}
    assert counting.asked == ["a"]


def test_an_undecided_verdict_is_not_kept():
    async def ask() -> None:
        checker = CachedChecker(counting, MemoryVerdictCache())
        await checker.compare("a", "r")
        await checker.compare("a", "r")

    counting = CountingChecker({"a": None})
    asyncio.run(ask())
    assert counting.asked == ["a", "a"]


def test_another_version_has_verdicts_of_its_own():
    async def ask() -> MemoryVerdictCache:
        cache = MemoryVerdictCache()
        for version in ("1", "2"):
            counting = CountingChecker({"a": True}, version=version)
            await CachedChecker(counting, cache).compare("a", "r")
        return cache

    kept = asyncio.run(ask()).verdicts
    assert set(kept) == {VerdictKey("counting", version, "a", "r") for version in ("1", "2")}


# --- Math-Verify ----------------------------------------------------------------------------------


@dataclass
class FakeSandbox:
    """Answers every block with one result or error, and keeps the blocks."""

    answer: CodeResult | SandboxError
    blocks: list[tuple[str, str]] = field(default_factory=list)

    async def run(self, key: str, code: str) -> CodeResult:
        self.blocks.append((key, code))
        if isinstance(self.answer, SandboxError):
            raise self.answer
        return self.answer


def printed(verdict: object, reason: str = "") -> CodeResult:
    line = json.dumps({"verdict": verdict, "reason": reason})
    return CodeResult(CodeStatus.OK, f"math-verify verdict: {line}")


def verify(answer: CodeResult | SandboxError, *, text: str = "x+1") -> AnswerVerdict:
    checker = MathVerifyChecker(FakeSandbox(answer).run, version="0.9.0")
    return asyncio.run(checker.compare(text, "1+x"))


@pytest.mark.parametrize("verdict", [True, False])
def test_what_math_verify_prints_is_its_verdict(verdict):
    assert verify(printed(verdict)) == AnswerVerdict(verdict, "math_verify/0.9.0")


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (CodeResult(CodeStatus.TIMEOUT, "Code execute time out"), "timed_out"),
        (CodeResult(CodeStatus.ERROR, "Code execute Error: no module"), "checker_failed"),
        (CodeResult(CodeStatus.OK, ""), "checker_failed"),
        (CodeResult(CodeStatus.OK, "math-verify verdict: {"), "checker_failed"),
        (CodeResult(CodeStatus.OK, "math-verify verdict: [true]"), "checker_failed"),
        (printed("true"), "checker_failed"),
        (printed(None, "unreadable_answer"), "unreadable_answer"),
        (SandboxError("Memory.", code="killed"), "sandbox_killed"),
    ],
)
def test_what_math_verify_could_not_finish_is_undecided(result, reason):
    assert verify(result) == AnswerVerdict(None, "math_verify/0.9.0", reason)


def test_a_missing_sandbox_is_not_a_verdict():
    with pytest.raises(SandboxUnavailable):
        verify(SandboxUnavailable("Seccomp is missing."))


def test_the_same_text_needs_no_sandbox():
    sandbox = FakeSandbox(printed(False))
    checker = MathVerifyChecker(sandbox.run, version="0.9.0")
    assert asyncio.run(checker.compare("$x+1$", "x+1")).is_equal is True
    assert sandbox.blocks == []


@pytest.mark.parametrize(
    "hostile", ['"); import os; ("', "'''", "\\", "\n", "{answer}", "}{", "\u2028", "é\x00"]
)
def test_answers_stand_in_the_block_as_literals(hostile):
    code = write_block(hostile, "1")
    assert code.isascii()
    compile(code, "block", "exec")
    call = code[code.index("_verdict, _reason = ") :].splitlines()[0]
    assert ascii(hostile) in call


def run_block(answer: str, reference: str) -> AnswerVerdict:
    """The verdict of the real package, in a process of its own."""

    async def run(key: str, code: str) -> CodeResult:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        status = CodeStatus.ERROR if done.returncode else CodeStatus.OK
        return CodeResult(status, (done.stdout or done.stderr).strip())

    return asyncio.run(MathVerifyChecker(run, version="0.9.0").compare(answer, reference))


@needs_math_verify
@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("x+1", "1+x", True),
        (r"2\sqrt{3}", r"\sqrt{12}", True),
        ("100001", "100000", False),
        ("Monday", "Tuesday", False),
        (r"\frac{", "3", None),
    ],
)
def test_math_verify_compares_formulas(answer, reference, expected):
    assert run_block(answer, reference).is_equal is expected
