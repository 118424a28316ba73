"""Every reference answer of the demo, found again by counting or by exact arithmetic."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from fractions import Fraction

import pytest

from labeling.demo.content import DemoProblem, DemoSolution, load_demo_content

CONTENT = load_demo_content()
DICE = range(1, 7)
# The sides of alg-03 differ by x - 7 or 3 - 3x: every solution is among these.
SIXTHS = [Fraction(k, 6) for k in range(-600, 601)]


def exact(answer: str) -> Fraction:
    r"""`\frac{36}{5}`, `\frac12`, `100\pi` (in units of pi) or `85` as a fraction."""
    answer = answer.removesuffix(r"\pi")
    if match := re.fullmatch(r"\\frac(?:\{(\d+)\}\{(\d+)\}|(\d)(\d))", answer):
        top, bottom = (part for part in match.groups() if part is not None)
        return Fraction(int(top), int(bottom))
    return Fraction(answer)


def sum_of_cubes_of_roots() -> int:
    # x^2 = 7x - 5, so the power sums obey p(n) = 7 p(n-1) - 5 p(n-2), from p(0) = 2 and p(1) = 7.
    sums = [2, 7]
    while len(sums) < 4:
        sums.append(7 * sums[-1] - 5 * sums[-2])
    return sums[3]


def count_lattice_paths() -> int:
    count = 0
    for ups in itertools.combinations(range(8), 3):
        points = [
            (moves - sum(up < moves for up in ups), sum(up < moves for up in ups))
            for moves in range(9)
        ]
        count += (2, 2) not in points
    return count


def share(outcomes: list[bool]) -> Fraction:
    return Fraction(sum(outcomes), len(outcomes))


FOUND: dict[str, Callable[[], Fraction | int]] = {
    "alg-01": lambda: next(n for n in range(118) if 5 * n + (235 - 2 * n) == 490),
    "alg-02": sum_of_cubes_of_roots,
    "alg-03": lambda: sum(x for x in SIXTHS if abs(2 * x - 5) == x + 2),
    "alg-04": lambda: next(x for x in range(1, 100) if 3 * x + 7 == (x - 1) ** 2),
    "alg-05": lambda: max(-2 * x * x + 12 * x - 7 for x in range(-100, 100)),
    "alg-06": lambda: sum(11 + (31 - 11) // 5 * (k - 3) for k in range(1, 21)),
    "alg-07": lambda: (1 - 2 * (Fraction(1, 6) + Fraction(1, 9))) / Fraction(1, 9),
    "alg-08": lambda: 108 / (Fraction(108, 100) * Fraction(80, 100)),
    "cnt-01": lambda: sum(len(set(str(n))) == 3 for n in range(100, 1000, 2)),
    "cnt-02": lambda: sum(
        abs(row.index(0) - row.index(1)) > 1 for row in itertools.permutations(range(6))
    ),
    "cnt-03": lambda: sum(
        sum(shares) == 12 for shares in itertools.product(range(2, 13), repeat=3)
    ),
    "cnt-04": lambda: sum(
        word[0] == word[-1] == "P" for word in set(itertools.permutations("PEPPER"))
    ),
    "cnt-05": lambda: sum(
        people.count("w") >= 2 for people in itertools.combinations("wwwwwmmmm", 4)
    ),
    "cnt-06": count_lattice_paths,
    "cnt-07": lambda: sum(bool(n % 4 and n % 6) for n in range(1, 301)),
    "nt-01": lambda: 3**50 % 7,
    "nt-02": lambda: sum(720 % d == 0 for d in range(6, 721, 6)),
    "nt-03": lambda: next(n for n in itertools.count(1) if (n % 5, n % 7, n % 4) == (3, 4, 1)),
    "nt-04": lambda: next(
        2 * b + 42 for b in range(1, 181) if math.gcd(b, b + 42) == 6 and math.lcm(b, b + 42) == 180
    ),
    "nt-05": lambda: len(str(math.factorial(130))) - len(str(math.factorial(130)).rstrip("0")),
    "nt-06": lambda: next(
        7 * a + b for a in range(1, 7) for b in range(1, 7) if 7 * a + b == 9 * b + a
    ),
    "nt-07": lambda: sum(n for n in range(1, 2000) if (n * n + 3 * n) % (n + 5) == 0),
    "geo-01": lambda: Fraction(9 * 12, math.isqrt(9**2 + 12**2)),
    "geo-02": lambda: Fraction(math.isqrt(21 * 8 * 7 * 6), 21),
    "geo-03": lambda: (16 // 2) ** 2 + 6**2,
    "geo-04": lambda: Fraction((10 + 22) * math.isqrt(10**2 - 6**2), 2),
    "geo-05": lambda: 12 * Fraction(4 + 6, 4) ** 2 - 12,
    "geo-06": lambda: next(n for n in range(3, 99) if (n - 2) * 180 == 156 * n) * (15 - 3) // 2,
    "geo-07": lambda: 5 * math.isqrt(5**2 + 12**2) + 5**2,
    "prob-01": lambda: share([6 in (a, b) for a in DICE for b in DICE if a + b >= 9]),
    "prob-02": lambda: share([a != b for a, b in itertools.combinations("rrrrrbbb", 2)]),
    "prob-03": lambda: share([sum(coins) >= 4 for coins in itertools.product((0, 1), repeat=5)]),
    "prob-04": lambda: Fraction(2 * 90, 2 * 90 + 98 * 5),
    "prob-05": lambda: Fraction(sum({6: 12, 5: 3}.get(face, 0) for face in DICE), 6) - 2,
    "prob-06": lambda: 1 - Fraction(2, 3) ** 2,
    "prob-07": lambda: share(
        [max(three) == 7 for three in itertools.combinations(range(1, 11), 3)]
    ),
}


def test_no_answer_is_left_out() -> None:
    assert set(FOUND) == {problem.id for problem in CONTENT.problems}


@pytest.mark.parametrize("problem", CONTENT.problems, ids=lambda one: one.id)
def test_reference_answer(problem: DemoProblem) -> None:
    assert exact(problem.reference_answer) == FOUND[problem.id]()


@pytest.mark.parametrize(
    "solution",
    [one for one in CONTENT.solutions if not one.final_answer_correct],
    ids=lambda one: one.id,
)
def test_wrong_answer_is_wrong(solution: DemoSolution) -> None:
    try:
        answer = exact(solution.final_answer)
    except ValueError:
        # A surd or a list of numbers; the reference answer is a single rational number.
        assert re.search(r"sqrt|and", solution.final_answer)
    else:
        assert answer != FOUND[solution.problem_id]()
