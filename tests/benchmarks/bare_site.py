"""What Django does at all: one view with two SELECTs, one with an insert; nothing around them.

The same database, models, server and number of threads as ours; no middleware, no sign-in, no
rules.
"""

from __future__ import annotations

import orjson
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from labeling.models import ReviewItem, Step


def answer(data: object) -> HttpResponse:
    """JSON with its length, which a middleware would add elsewhere."""
    response = JsonResponse(data)
    response["Content-Length"] = str(len(response.content))
    return response


def health(request: HttpRequest) -> HttpResponse:
    return answer({"ok": True})


def show_item(request: HttpRequest, item_id: int) -> HttpResponse:
    """An item with its question, and its steps."""
    item = ReviewItem.objects.select_related("solution__problem").get(pk=item_id)
    problem = item.solution.problem
    steps = Step.objects.filter(solution=item.solution_id).order_by("position")
    return answer(
        {
            "id": item.pk,
            "task": item.task,
            "problem": {"text": problem.text, "reference_answer": problem.reference_answer},
            "steps": list(steps.values("id", "position", "text", "kind")),
        }
    )


def store_labels(request: HttpRequest) -> HttpResponse:
    """Keep the labels of one solution, in one transaction."""
    rows = [(step["position"], step["validity"]) for step in orjson.loads(request.body)["steps"]]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany("INSERT INTO bare_label (position, validity) VALUES (%s, %s)", rows)
    return answer({"stored": len(rows)})


urlpatterns = [
    path("health/", health),
    path("items/<int:item_id>/", show_item),
    path("labels/", store_labels),
]
