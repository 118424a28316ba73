"""Is this equality true? Asked beside one's work and answered by a worker: nothing runs here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from labeling.access import get_own_assignment, get_review_item
from labeling.models import ReviewItem
from labeling.web.errors import page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, wants_fragment
from modeljobs import selectors
from modeljobs.equality_views import SHOWN, CheckView, list_checks, show_check
from modeljobs.models import EqualityCheck
from modeljobs.services.equalities import (
    MAX_CHARS,
    QUEUE,
    ask_in_assignment,
    ask_of_item,
    explain_seal,
    find_equality_state,
    get_item_to_ask,
    may_ask,
)
from modeljobs.web.views.evidence import read_whole, refuse
from workbench.errors import Conflict, InvalidInput, NotAllowed

Ask = Callable[[int | None, str], EqualityCheck]


@page
@never_cache
@require_http_methods(["GET", "POST"])
def assignment_equalities(request: AuthedRequest, pk: int) -> HttpResponse:
    """What one has asked of one's own item: a page, or with `?fragment=list` the part that is asked
    for again until all are answered. A POST (`text`, `position`) asks.
    """
    held = get_own_assignment(request.user, pk)

    def ask(position: int | None, text: str) -> EqualityCheck:
        return ask_in_assignment(assignment=held, position=position, text=text)

    state = find_equality_state(held, None)
    return _answer(
        request,
        held.item,
        ask,
        sees_others=False,
        context={
            **project_context(request, held.project, "work"),
            "assignment": held,
            # Of a step it may be open all the same: the address decides.
            "may_ask": state != "absent" and held.project.equality_checks != "never",
            "seal": explain_seal(held) if state == "sealed" else "",
        },
    )


@page
@never_cache
@require_http_methods(["GET", "POST"])
def item_equalities(request: AuthedRequest, pk: int) -> HttpResponse:
    """The same for those who browse the project: of an item, with everybody's checks."""
    if request.method == "POST":
        item = get_item_to_ask(request.user, pk)
    else:
        item = get_review_item(request.user, pk)

    def ask(position: int | None, text: str) -> EqualityCheck:
        return ask_of_item(item=item, position=position, text=text, by=request.user)

    return _answer(
        request,
        item,
        ask,
        sees_others=True,
        context={
            **project_context(request, item.project, "solutions"),
            "assignment": None,
            "may_ask": may_ask(request.user, item.project),
            "seal": "",
        },
    )


def _answer(
    request: AuthedRequest,
    item: ReviewItem,
    ask: Ask,
    *,
    sees_others: bool,
    context: dict[str, Any],
) -> HttpResponse:
    is_fragment = wants_fragment(request, "list")
    refusal: Conflict | InvalidInput | NotAllowed | None = None
    if request.method == "POST":
        try:
            position = read_whole(request, "position") if request.POST.get("position") else None
            ask(position, request.POST.get("text", ""))
        except (Conflict, InvalidInput, NotAllowed) as error:
            if is_fragment:
                return refuse(request, error)
            if isinstance(error, NotAllowed):
                raise
            refusal = error
        else:
            if not is_fragment:
                return redirect(request.path)
    shown = _list(request, item, sees_others=sees_others)
    shared = {
        "checks": shown,
        "url": request.path,
        "shows_authors": sees_others,
        "is_settled": all(one.is_settled for one in shown),
        "has_worker": selectors.is_any_worker_alive(now=timezone.now(), queue=QUEUE),
    }
    if is_fragment:
        return render(request, "modeljobs/_equalities.html", shared)
    answer = render(
        request,
        "modeljobs/equalities.html",
        {
            **context,
            **shared,
            "item": item,
            "steps": range(1, item.solution.n_steps + 1),
            "text": request.POST.get("text", ""),
            "longest": MAX_CHARS,
            "refusal": refusal.message if refusal else "",
        },
        status=refusal.status if refusal else 200,
    )
    wait = refusal.extra.get("retry_after") if refusal else None
    if wait is not None:
        answer["Retry-After"] = str(wait)
    return answer


def _list(request: AuthedRequest, item: ReviewItem, *, sees_others: bool) -> list[CheckView]:
    rows = list_checks(item, request.user, sees_others=sees_others)[:SHOWN]
    return [show_check(row) for row in rows]
