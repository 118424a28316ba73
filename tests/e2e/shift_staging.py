"""python -m tests.e2e.shift_staging NAME KIND: a project of its own for a shift that a test works.

Prints {"path", "items"}: the way into the queue, and how many items wait there. The person has
their name as the password. Kinds: "mixed" (two solutions to rate, two injections to verify),
"long" (107 steps and 7,000 characters), "hostile" (texts that attack, in both tasks).
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

RIGHT = ("Add $2+2$.", "That is $2+2=4$.", "So the answer is $\\boxed{4}$.")
WRONG = ("Add $2+2$.", "That is $2+2=5$.", "So the answer is $\\boxed{4}$.")
LONG_STEPS = 107
# Scripts, a word of a thousand letters, right-to-left, marks on marks, and formulas that fail.
HOSTILE = (
    '<script>document.title = "taken"</script><img src=x onerror="document.title=\'taken\'">',
    "W" * 1_000 + " $" + "x" * 400 + "$",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 $x^2$",
    "Z" + "\u0310\u0353\u0326" * 60 + " e\u0301\u0301\u0301 \U0001f9ee",
    "$\\href{javascript:document.title='taken'}{x}$ and $\\frac{1}{$ and $$\\begin{x}$$",
    "</textarea></form><form action=/accounts/logout/ method=post><button>Submit</button>",
)


def main(arguments: list[str]) -> int:
    """Make the person and the project; 0."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings.dev")
    import django

    django.setup()
    json.dump(stage(*arguments), sys.stdout)
    return 0


def stage(name: str, kind: str) -> dict[str, Any]:
    """The person, and a project in which only they annotate."""
    from django.urls import reverse

    from labeling.models import Membership, User
    from tests.labeling.factories import join, make_project

    lead = User.objects.get(username="admin")
    project = make_project(lead, slug=name, overlap=1)
    user = User.objects.create_user(name, password=name)
    join(project, user, Membership.Role.ANNOTATOR)
    count = {"mixed": _fill_mixed, "long": _fill_long, "hostile": _fill_hostile}[kind](project)
    return {"path": reverse("labeling:work", args=[project.slug]), "items": count}


def _fill_mixed(project: Any) -> int:
    from tests.labeling.factories import enqueue, make_solution

    enqueue(make_solution(project, "right", steps=RIGHT))
    _enqueue_injection(project, "claimed", original=RIGHT, modified=WRONG)
    enqueue(make_solution(project, "wrong", steps=WRONG))
    _enqueue_injection(project, "shifted", original=RIGHT, modified=WRONG, claimed=0)
    return 4


def _fill_long(project: Any) -> int:
    from tests.labeling.factories import enqueue, make_solution

    steps = [
        f"Step {number} adds ${number}+{number}={2 * number}$, "
        "and the sum goes on like this for a good while."
        for number in range(1, LONG_STEPS + 1)
    ]
    assert sum(map(len, steps)) >= 7_000
    enqueue(make_solution(project, "long", steps=steps))
    return 1


def _fill_hostile(project: Any) -> int:
    from tests.labeling.factories import enqueue, make_solution

    enqueue(make_solution(project, "hostile", steps=HOSTILE, question=" ".join(HOSTILE)))
    _enqueue_injection(project, "attack", original=RIGHT, modified=HOSTILE, reason=HOSTILE[0])
    return 2


def _enqueue_injection(
    project: Any,
    key: str,
    *,
    original: tuple[str, ...],
    modified: tuple[str, ...],
    claimed: int = 1,
    reason: str = "It adds wrongly.",
) -> None:
    from django.utils import timezone

    from labeling.models import Injection, ReviewItem, Solution
    from tests.labeling.factories import enqueue, make_solution

    solution = make_solution(
        project, f"{key} modified", steps=modified, origin=Solution.Origin.INJECTED
    )
    Injection.objects.create(
        project=project,
        original=make_solution(project, f"{key} original", steps=original),
        modified=solution,
        error_type="deception",
        claimed_error_positions=[claimed],
        claimed_changed_positions=[1],
        reason=reason,
        producer="test",
        created_at=timezone.now(),
    )
    enqueue(solution, task=ReviewItem.Task.VERIFY_INJECTION)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
