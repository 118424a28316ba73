"""How problems, solutions, verdicts and refinements are written as prompts and answers.

The protocol is GenPRM's: one user turn per step, one assistant turn per verdict. Texts are given in
parts, because prompts grow part by part and each part is encoded by itself.
"""

from __future__ import annotations

from modeljobs.tiny.problems import Attempt, Change, Equation, Problem

REVIEW_SYSTEM = (
    "You are a math teacher. Your task is to review and critique the paragraphs in solution step "
    "by step."
)
DIRECT_SYSTEM = (
    "You are a math teacher. Your task is to review and critique the paragraphs in solution "
    "directly. Output your judgement in the format of `\\boxed{Yes}` if the paragraph is correct, "
    "or `\\boxed{No}` if the paragraph is incorrect."
)
SOLVE_INSTRUCTION = "Please reason step by step, and put your final answer within \\boxed{}."
REFINE_SENTENCE = (
    "There might be some problem in this paragraph of your reasoning, please rethink and refine "
    "your answer:"
)
VERIFY_PREFIX = "<verify>\nLet's use python code to find any potential error:\n```python\n"
OUTPUT_PREFIX = "<output>\n**Judgement**: $\\boxed"
CODE_OUTPUT_PREFIX = "[Code Output]\n\n```\n"
AGAIN_PREFIX = "Let's run it again:\n```python\n"
ANALYZE_END = "</analyze>\n"
VERIFY_END = "</verify>\n"
OUTPUT_END = "</output>\n"
FENCE_END = "\n```\n"


def write_analyze_prefix(number: int) -> str:
    """The forced beginning of a verdict; `number` counts steps from 1."""
    return f"<analyze>\nLet's analyze the Paragraph {number} step by step: "


def write_code_output(output: str) -> str:
    return f"{CODE_OUTPUT_PREFIX}{output}{FENCE_END}"


def write_verdict(is_right: bool) -> str:
    """What follows the output prefix."""
    return f"{{{'Yes' if is_right else 'No'}}}$\n{OUTPUT_END}"


def write_analysis(attempt: Attempt, position: int, *, quotes_equation: bool = False) -> str:
    """What the step should work out, from the problem and the step before, and what it says: its
    result, or its whole equation.
    """
    needed = find_needed(attempt, position)
    equation = attempt.equations[position]
    return (
        f"{_recall(attempt.problem, attempt.problem.changes[position])}"
        f"We need {needed.left} {needed.operator} {needed.right}. "
        f"The step says {equation if quotes_equation else equation.result}.\n"
    )


def write_code(attempt: Attempt, position: int) -> str:
    needed = find_needed(attempt, position)
    claimed = attempt.equations[position].result
    return f"x = {needed.left} {needed.operator} {needed.right}\nprint(x, x == {claimed})"


def find_needed(attempt: Attempt, position: int) -> Equation:
    """The equation that the step should state, given the result that the step before it claims."""
    change = attempt.problem.changes[position]
    left = attempt.equations[position - 1].result if position else attempt.problem.start
    made = Equation(left, change.operator, change.number, 0)
    return Equation(left, change.operator, change.number, made.value)


def write_solve_request(problem: str) -> str:
    """The user turn that asks for a solution."""
    return f"{problem}\n\n{SOLVE_INSTRUCTION}"


def write_refine_request(step: str, critique: str) -> str:
    """The user turn that asks for a better solution."""
    return f"{REFINE_SENTENCE}\n>{step}\n\n{critique}"


def _recall(problem: Problem, change: Change) -> str:
    if not change.verb:
        return f"It has {problem.start} with {change.number} each. "
    return f"On {change.day} it {change.verb} {change.number}. "
