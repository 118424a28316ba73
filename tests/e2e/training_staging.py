"""python -m tests.e2e.training_staging NAME: a project that asks for its training first.

Prints {"slug"}. A person of that name, which is their password too, annotates there; the set has a
solution with an error in its second step, an injection whose claim is right, and a solution without
an error; one item waits in the queue.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from typing import Any

WRONG_STEP = "Two and two are five: $2+2=5$."
EXPLANATION = """\
Step 2 adds wrongly: $2+2=4$.

- Steps 1 and 3 hold *by themselves*.
"""


def main(arguments: list[str]) -> int:
    """Make the person and the project; 0."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings.dev")
    import django

    django.setup()
    json.dump(open_school(*arguments), sys.stdout)
    return 0


def open_school(name: str) -> dict[str, str]:
    """The person, and a project that asks for its training first."""
    from labeling.models import Membership, Step, User
    from labeling.services.training import add_items
    from tests.labeling.factories import (
        enqueue,
        join,
        make_injection_item,
        make_project,
        make_solution,
        rating,
        verdict,
    )
    from tests.labeling.training_helpers import agree_on

    lead = User.objects.get(username="admin")
    project = make_project(lead, slug=name, screening_required=True, screening_pass_percent=100)
    wrong = make_solution(project, "wrong", steps=("First, $1+1=2$.", WRONG_STEP, "So it is $5$."))
    agree_on(rated := enqueue(wrong), rating("correct", "wrong", "correct"))
    agree_on(claimed := make_injection_item(project), verdict())
    Step.objects.filter(solution=claimed.solution, position=1).update(text=WRONG_STEP)
    agree_on(clean := enqueue(make_solution(project, "clean")), rating(*["correct"] * 3))
    add_items(project=project, by=lead, items=[rated.pk, claimed.pk, clean.pk])
    project.training_items.update(explanation=EXPLANATION)
    join(project, User.objects.create_user(name, password=name), Membership.Role.ANNOTATOR)
    enqueue(make_solution(project, "first"))
    return {"slug": name}


def stage_training(project: Any, lead: Any) -> dict[str, str]:
    """The pages of the training as the demo's lead goes through it: a round that is done, and one
    under way; and the lead's own work, beside decisions.
    """
    from django.urls import reverse

    from labeling.models import Project
    from labeling.selectors.training import find_answer
    from labeling.services.training import remove_item, start_round

    def answer(found: Any, place: int) -> None:
        from labeling.services.training import answer_item

        row = find_answer(found, place)
        answer_item(row=row, data=row.expected, idempotency_key=uuid.uuid4())

    Project.objects.filter(pk=project.pk).update(decisions_shown=True)
    done = start_round(user=lead, project=project)
    _answer_wrongly(done)
    for place in range(2, done.size + 1):
        answer(done, place)
    going = start_round(user=lead, project=project)
    answer(going, 1)
    remove_item(row=project.training_items.get(place=2), by=lead)
    here = reverse("labeling:training", args=[project.slug])
    mine = reverse("labeling:own-work", args=[project.slug])
    return {
        "training": f"{here}?removed={project.training_items.get(place=2).pk}",
        "training-choose": f"{here}?choose=1",
        "training-round": reverse("labeling:training-round", args=[done.pk]),
        "training-explained": reverse("labeling:training-item", args=[done.pk, 1]),
        "training-verified": reverse("labeling:training-item", args=[done.pk, done.size]),
        "training-item": reverse("labeling:training-item", args=[going.pk, 2]),
        "own-work": mine,
        "own-work-items": f"{mine}?figure=first_error",
    }


def _answer_wrongly(found: Any) -> None:
    """Every step of the first item is called right, which is not so, with a note."""
    from labeling.selectors.training import find_answer
    from labeling.services.training import answer_item

    row = find_answer(found, 1)
    n_steps = row.training_item.item.solution.n_steps
    steps = [
        {"position": position, "validity": "correct", "contribution": "advances"}
        for position in range(n_steps)
    ]
    steps[0]["note"] = "Is $\\pi r h$ meant?"
    data = {"task": "rate_steps", "steps": steps}
    answer_item(row=row, data=data, idempotency_key=uuid.uuid4())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
