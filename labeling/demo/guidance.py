"""What the demo project works by: guidelines in both languages, and rulings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from labeling.ruling_examples import EXAMPLES

GUIDELINES: Final[Mapping[str, str]] = {
    "en": """\
Judge each step against the problem and the steps before it.

- **+1** the step is true and moves the solution on.
- **0** the step is true but adds nothing: it repeats, restates or stalls.
- **−1** the step is wrong in any part that matters, or cannot be verified.

A step that is wrong only because an earlier one is wrong *follows from an earlier error*. Say so:
whoever trains on these labels can then count it or not.

When you verify an injection, first find the error yourself. Then the claim opens. Accept it if the
flagged steps are wrong (or superfluous, for redundancy and circular logic) and the type fits;
repair it if it points at the wrong steps; reject it if there is no such error.
""",
    "zh-hans": """\
对照题目和前面的步骤判断每一步。

- **+1** 步骤正确，并推进了解答。
- **0** 步骤正确，但没有新内容：重复、换种说法或原地不动。
- **−1** 步骤在要紧的地方有错，或无法验证。

如果一步只是因为前面的步骤错了才错，它就是**由前面的错误引起**的。请注明这一点：使用这些标注训练模型的人便可以自行决定是否计入。

核验注入的错误时，先自己找出错误，随后才会显示声明。如果所标的步骤确实有错（对冗余和循环论证而言，确实多余），且类型相符，就接受；如果指错了步骤，就修正；如果并没有这样的错误，就拒绝。
""",
}


@dataclass(frozen=True, slots=True)
class DemoRuling:
    """A ruling by language, and the error type it is about; "" for all."""

    error_type: str
    words: Mapping[str, Mapping[str, str]]


RULINGS: Final = (
    DemoRuling(
        "redundency",
        {
            "en": {
                "question": "Is a check of the answer redundant?",
                "answer": (
                    "Not where it can fail: after squaring, or where a case may have been lost, "
                    "it belongs to the proof. It is where it only does the same sum again."
                ),
            },
            "zh-hans": {
                "question": "检验答案算冗余吗？",
                "answer": (
                    "如果检验有可能不通过，就不算：例如两边平方之后，或可能漏掉情形时，"
                    "检验是证明的一部分。如果只是把同样的计算再做一遍，就算冗余。"
                ),
            },
        },
    ),
    DemoRuling("", EXAMPLES["rounding"]),
    DemoRuling("", EXAMPLES["inherited"]),
)
