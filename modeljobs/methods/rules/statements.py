"""Statements whose truth does not depend on the problem."""

from __future__ import annotations

FALSE_FACTS = (
    "Recall that the product of two negative numbers is negative.",
    "Recall that every multiple of $3$ is odd.",
    "It is a known fact that the angles of every triangle add up to $360^\\circ$.",
    "It is a known fact that $\\pi$ is the ratio of two whole numbers.",
    "By the usual convention, $0! = 0$.",
    "Recall that dividing by $\\frac{1}{2}$ halves a number.",
    "Recall that there are only finitely many prime numbers.",
    "It is well known that a square of a real number can be negative.",
    "Recall that the sum of two odd numbers is odd.",
    "It is a known fact that $1$ is the smallest prime number.",
    "Recall that a number and its square always have different signs.",
    "It is known that $2$ is the only even number.",
)

NEAR_TRUTHS = (
    "Recall that every whole number greater than $0$ is either prime or composite.",
    "Recall that $\\sqrt{x^2} = x$ for every real number $x$.",
    "Recall that a number is divisible by $6$ as soon as it is divisible by $2$ or by $3$.",
    "Recall that every prime number is odd.",
    "Recall that both sides of an inequality may be multiplied by any nonzero number.",
    "Recall that a quadratic equation with real coefficients has exactly two real roots.",
    "Recall that the square of a number is never smaller than the number.",
    "Recall that two numbers with the same square are equal.",
    "Recall that a number is divisible by $4$ as soon as its last digit is.",
    "Recall that $\\frac{x}{x} = 1$ for every real number $x$.",
)

# Rules of functions that split over products, put onto sums. Each is false for every pair of
# different whole numbers of 2 or more. (A logarithm's would hold for 2 and 2.)
SUM_RULES = (
    r"Roots split over sums as they do over products, so $\sqrt{{{a} + {b}}} = \sqrt{{{a}}} + "
    r"\sqrt{{{b}}}$.",
    r"Squaring term by term, as is allowed modulo $2$, gives $({a} + {b})^2 = {a}^2 + {b}^2$.",
    r"Reciprocals can be added like whole numbers, so $\frac{{1}}{{{a}}} + \frac{{1}}{{{b}}} = "
    r"\frac{{1}}{{{a} + {b}}}$.",
    r"Logarithms of sums split as those of products do, so $\log({a} + {b}) = "
    r"\log {a} + \log {b}$.",
)

# Rules of order and of cancelling outside the arithmetic in which they hold; false likewise.
ORDER_RULES = (
    r"As with matrices, the order of the factors matters, so ${a} \cdot {b} \neq {b} \cdot {a}$.",
    r"As in addition, the order does not matter here, so ${a} - {b} = {b} - {a}$.",
    r"As in multiplication, the two numbers may change places, so $\frac{{{a}}}{{{b}}} = "
    r"\frac{{{b}}}{{{a}}}$.",
)
CANCEL_RULES = (
    r"What stands above and below the bar cancels as in a product, so $\frac{{{a}}}{{{a} + {b}}} = "
    r"\frac{{1}}{{{b}}}$.",
    r"Equal numbers above and below the bar cancel in sums too, so "
    r"$\frac{{{a} + {b}}}{{{a}}} = {b}$.",
)
MISAPPLIED_RULES = (*SUM_RULES, *ORDER_RULES, *CANCEL_RULES)
