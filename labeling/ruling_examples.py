"""Rulings that many projects need, ready to be taken over and edited. PURE.

By language, as a ruling keeps them: {"en": {"question": …, "answer": …}, "zh-hans": …}.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Words = Mapping[str, Mapping[str, str]]

EXAMPLES: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "rounding": {
            "en": {
                "question": "Is a rounding a mistake?",
                "answer": (
                    "Not where the step says that it rounds (with ≈, “about”, or a number of "
                    "places) and the question allows it. It is one where an equals sign stands "
                    "between numbers that are not equal, as in $\\frac{1}{3} = 0.33$, or where the "
                    "question asks for an exact result."
                ),
            },
            "zh-hans": {
                "question": "取近似值算错误吗？",
                "answer": (
                    "如果步骤写明是近似（用 ≈、“约”或注明保留几位小数），而且题目允许，就不算错误。"
                    "如果在不相等的数之间写了等号，例如 $\\frac{1}{3} = 0.33$，"
                    "或者题目要求精确结果，就算错误。"
                ),
            },
        },
        "inherited": {
            "en": {
                "question": "Does an inherited error count?",
                "answer": (
                    "Yes: a step whose result is false is wrong, whoever is to blame. Rate it −1 "
                    "and say that it follows from an earlier error. It is not the first error, and "
                    "it has no type of its own unless it adds another mistake."
                ),
            },
            "zh-hans": {
                "question": "由前面的错误引起的错误算错误吗？",
                "answer": (
                    "算：只要这一步的结果不成立，它就是错的，不论错误从何而来。评为 −1，"
                    "并注明它由前面的错误引起。它不是第一个错误；除非它又犯了新的错误，"
                    "否则不另选错误类型。"
                ),
            },
        },
    }
)
