"""Training: the lead's set, and a person's way through it.

The pages of work are those of the queue, drawn for an item that nobody holds; after each answer
comes a page that explains it.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.access import Capability, get_project, require
from labeling.content import parse_first_error
from labeling.models import Injection, Project, ReviewItem, TrainingAnswer, TrainingRound
from labeling.selectors.review import build_claim, list_error_types, list_steps
from labeling.selectors.training import (
    RoundView,
    explain_answer,
    find_answer,
    find_own_round,
    find_round,
    find_standing,
    get_round_view,
    get_training_workspace,
    is_answered,
    list_learners,
    list_own_rounds,
    list_removed,
    list_set,
    list_settled_items,
    load_people,
    load_settled,
    summarise_people,
)
from labeling.services.annotations import Incomplete
from labeling.services.training import (
    AlreadyAnswered,
    add_items,
    answer_item,
    choose_items,
    explain_item,
    let_in,
    move_item,
    put_back,
    remove_item,
    reveal_claim,
    start_round,
    take_back_letting_in,
)
from labeling.web.content_forms import find_gaps_in, read_rating_form, read_verdict_form
from labeling.web.errors import attempt, page
from labeling.web.nav import build_settings_tabs, project_context
from labeling.web.requests import AuthedRequest, paginate
from labeling.web.training_forms import ChooseForm, ExplainForm, LetInForm, SettledForm
from labeling.web.workspace_context import build_context
from workbench.errors import Conflict, InvalidInput

PAGE_SIZE = 25
MOST_CONFUSED = 5


@page
@never_cache
@require_http_methods(["GET", "POST"])
def training(request: AuthedRequest, slug: str) -> HttpResponse:
    """For a lead the set and how people did; for an annotator the way in."""
    project = get_project(request.user, slug)
    context = project_context(request, project, "settings")
    if request.method == "POST":
        require(request.user, project, Capability.MANAGE)
        return _change_set(request, project)
    if not context["can"][Capability.MANAGE]:
        require(request.user, project, Capability.ANNOTATE)
        return _show_start(request, project)
    context["tabs"] = build_settings_tabs(project, "training", can_manage=True)
    context["types"] = list_error_types(project.taxonomy)
    if "choose" in request.GET:
        return _show_chooser(request, project, context)
    return _show_set(request, project, context)


# --- The lead's set -----------------------------------------------------------------------------


def _show_set(request: AuthedRequest, project: Project, context: dict[str, Any]) -> HttpResponse:
    lines = list_set(project)
    removed = list_removed(project)
    people = paginate(request, list_learners(project))
    just_removed = request.GET.get("removed", "")
    return render(
        request,
        "labeling/training.html",
        {
            **context,
            "lines": [
                (line, _build_explain_form(line.row.pk, line.row.explanation)) for line in lines
            ],
            "removed": removed,
            "just_removed": next(
                (line for line in removed if str(line.row.pk) == just_removed), None
            ),
            "summary": summarise_people(project),
            "page": people,
            "people": load_people(project, people.object_list),
            "standing": find_standing(request.user, project),
            "choose_form": ChooseForm(initial={"size": project.screening_size, "seed": 1}),
            "let_in_form": LetInForm(auto_id=False),
            "missing": max(0, project.screening_size - len(lines)),
        },
    )


def _build_explain_form(pk: int, explanation: str) -> ExplainForm:
    return ExplainForm(initial={"explanation": explanation}, auto_id=f"item-{pk}-%s")


def _show_chooser(
    request: AuthedRequest, project: Project, context: dict[str, Any]
) -> HttpResponse:
    form = SettledForm(request.GET)
    filters = form.read()
    shown = paginate(request, list_settled_items(project, **filters), size=PAGE_SIZE)
    return render(
        request,
        "labeling/training_choose.html",
        {
            **context,
            "form": form,
            "is_filtered": any(filters.values()),
            "page": shown,
            "found": load_settled([item.pk for item in shown.object_list]),
        },
    )


def _change_set(request: AuthedRequest, project: Project) -> HttpResponse:
    """POST's `action`: add, choose, explain, up, down, remove, put-back, let-in, take-back."""
    action = request.POST.get("action", "")
    here = reverse("labeling:training", args=[project.slug])
    if action == "add":
        return _add(request, project, here)
    if action == "choose":
        _choose(request, project)
        return redirect(here)
    if action == "let-in":
        _let_in(request, project)
        return redirect(f"{here}#people")
    if action == "take-back":
        found = get_object_or_404(project.training_rounds, pk=_read_id(request.POST.get("id")))
        attempt(
            request,
            lambda: take_back_letting_in(found=found, by=request.user),
            done=_("The training is asked of %(name)s again.") % {"name": found.person.name},
        )
        return redirect(f"{here}#people")
    row = get_object_or_404(project.training_items, pk=_read_id(request.POST.get("id")))
    if action == "explain":
        form = ExplainForm(request.POST)
        text = form.cleaned_data["explanation"] if form.is_valid() else ""
        if form.is_valid():
            attempt(
                request,
                lambda: explain_item(row=row, by=request.user, explanation=text),
                done=_("The explanation is saved."),
            )
        else:
            messages.error(request, " ".join(map(str, form.errors["explanation"])))
    elif action in ("up", "down"):
        move_item(row=row, by=request.user, later=action == "down")
    elif action == "remove":
        remove_item(row=row, by=request.user)
        return redirect(f"{here}?removed={row.pk}")
    elif action == "put-back":
        put_back(row=row, by=request.user)
    else:
        raise Http404(f"There is no action {action!r} here.")
    return redirect(f"{here}#item-{row.pk}")


def _add(request: AuthedRequest, project: Project, here: str) -> HttpResponse:
    items = [_read_id(value) for value in request.POST.getlist("item")]
    if not items:
        messages.error(request, _("Choose at least one item."))
        return redirect(f"{here}?choose=1")
    made = attempt(request, lambda: add_items(project=project, by=request.user, items=items))
    if made is None:
        return redirect(f"{here}?choose=1")
    n = len(made)
    done = ngettext("%(n)s item is in the set now.", "%(n)s items are in the set now.", n)
    messages.success(request, done % {"n": n})
    return redirect(f"{here}#item-{made[0].pk}")


def _choose(request: AuthedRequest, project: Project) -> None:
    form = ChooseForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Give the number of items, and a seed that is a whole number."))
        return
    values = form.cleaned_data
    made = attempt(request, lambda: choose_items(project=project, by=request.user, **values))
    if made is None:
        return
    done = ngettext(
        "%(n)s item was chosen by chance with the seed %(seed)s, spread over tasks, outcomes, "
        "error types and problems.",
        "%(n)s items were chosen by chance with the seed %(seed)s, spread over tasks, outcomes, "
        "error types and problems.",
        len(made),
    )
    messages.success(request, done % {"n": len(made), "seed": values["seed"]})


def _let_in(request: AuthedRequest, project: Project) -> None:
    member = get_object_or_404(
        project.memberships.select_related("user"), pk=_read_id(request.POST.get("id"))
    )
    attempt(
        request,
        lambda: let_in(
            project=project,
            person=member.user,
            by=request.user,
            reason=request.POST.get("reason", ""),
        ),
        done=_("%(name)s may take items now.") % {"name": member.user.name},
    )


def _read_id(value: str | None) -> int:
    """A row's id as a form sends it; 0, which no row has, for anything else."""
    text = value or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


# --- The annotator's way ------------------------------------------------------------------------


def _show_start(request: AuthedRequest, project: Project) -> HttpResponse:
    return render(
        request,
        "labeling/training_start.html",
        {
            **project_context(request, project, "work"),
            "standing": find_standing(request.user, project),
            "rounds": list_own_rounds(request.user, project),
        },
    )


@page
@require_POST
def training_start(request: AuthedRequest, slug: str) -> HttpResponse:
    """Begin a round, or go on with the one under way."""
    project = get_project(request.user, slug, Capability.ANNOTATE)
    found = attempt(request, lambda: start_round(user=request.user, project=project))
    if found is None:
        return redirect("labeling:training", slug=slug)
    return _go_on(found)


def _go_on(found: TrainingRound) -> HttpResponse:
    place = get_round_view(found).next_place
    if place is None:
        return redirect("labeling:training-round", pk=found.pk)
    return redirect("labeling:training-item", pk=found.pk, place=place)


@page
@never_cache
@require_GET
def training_round(request: AuthedRequest, pk: int) -> HttpResponse:
    """How a round went, for whom it was and for leads; one's own goes on where it stands."""
    found = find_round(request.user, pk)
    view = get_round_view(found)
    is_own = found.person_id == request.user.pk
    if is_own and view.next_place is not None:
        return redirect("labeling:training-item", pk=pk, place=view.next_place)
    return render(
        request,
        "labeling/training_round.html",
        {
            **project_context(request, found.project, "work" if is_own else "settings"),
            "view": view,
            "is_own": is_own,
            "confusions": view.confusions[:MOST_CONFUSED],
            "types": list_error_types(found.project.taxonomy),
            "standing": find_standing(found.person, found.project),
        },
    )


@page
@never_cache
@require_http_methods(["GET", "POST"])
def training_item(request: AuthedRequest, pk: int, place: int) -> HttpResponse:
    """An item of one's round: to be answered, or explained once it is. A POST is the plain form's.

    Leads may look at what others answered.
    """
    found = find_round(request.user, pk)
    row = find_answer(found, place)
    if is_answered(row):
        return _show_explained(request, found, row, place)
    found = find_own_round(request.user, pk)
    if request.method == "POST":
        return _answer_form(request, found, row, place)
    due = get_round_view(found).next_place
    if due is not None and due != place:
        return redirect("labeling:training-item", pk=pk, place=due)
    return _show_item(found, row, place, request=request)


def _show_item(
    found: TrainingRound,
    row: TrainingAnswer,
    place: int,
    *,
    request: AuthedRequest,
    draft: dict[str, Any] | None = None,
    gaps: list[dict[str, Any]] | None = None,
) -> HttpResponse:
    workspace = get_training_workspace(found, row, draft=draft)
    address = reverse("labeling:training-item", args=[found.pk, place])
    urls = {
        "form": address,
        "submit": reverse("api:training-answer", args=[found.pk, place]),
        "reveal": reverse("api:training-reveal", args=[found.pk, place]),
        "work": reverse("labeling:training", args=[found.project.slug]),
    }
    context = build_context(workspace, gaps=gaps or [], urls=urls, way={"kind": "training"})
    context["progress"] = {"done": place - 1, "total": found.size}
    # Its words in this browser are of this round alone: the next one starts empty.
    context["draft"]["key"] = f"training-{found.pk}-{place}"
    verifying = workspace.item.task == ReviewItem.Task.VERIFY_INJECTION
    template = "labeling/verify.html" if verifying else "labeling/rate.html"
    return render(request, template, context, status=400 if gaps else 200)


def _answer_form(
    request: AuthedRequest, found: TrainingRound, row: TrainingAnswer, place: int
) -> HttpResponse:
    """The plain form: reveal opens the claim, everything else answers."""
    solution = row.training_item.item.solution
    content: dict[str, Any] = {}
    try:
        if request.POST.get("action") == "reveal":
            reveal_claim(row=row, blind_first_error=_read_blind(request.POST.get("blind", "")))
            return redirect("labeling:training-item", pk=found.pk, place=place)
        if row.training_item.item.task == ReviewItem.Task.VERIFY_INJECTION:
            content = read_verdict_form(request.POST, solution=solution)
        else:
            content = read_rating_form(request.POST, n_steps=solution.n_steps)
        answer_item(
            row=row, data=content, idempotency_key=_read_key(request.POST.get("idempotency_key"))
        )
    except AlreadyAnswered:
        return redirect("labeling:training-item", pk=found.pk, place=place)
    except (Incomplete, InvalidInput, Conflict) as error:
        gaps = find_gaps_in(error)
        return _show_item(found, row, place, request=request, draft=content, gaps=gaps)
    return redirect("labeling:training-item", pk=found.pk, place=place)


def _read_blind(raw: str) -> Any:
    if raw == "none":
        return parse_first_error({"none": True})
    if raw.isascii() and raw.isdigit() and len(raw) < 10:
        return parse_first_error({"at": int(raw)})
    return parse_first_error({"unknown": "cannot tell"})


def _read_key(value: str | None) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise InvalidInput(
            _("This page is out of date. Load it again."), field="idempotency_key"
        ) from None


def _show_explained(
    request: AuthedRequest, found: TrainingRound, row: TrainingAnswer, place: int
) -> HttpResponse:
    project, item = found.project, row.training_item.item
    view = get_round_view(found)
    steps = {step.position: step for step in list_steps(item.solution)}
    explained = explain_answer(found, row)
    is_own = found.person_id == request.user.pk
    return render(
        request,
        "labeling/training_explained.html",
        {
            **project_context(request, project, "work" if is_own else "settings"),
            "view": view,
            "place": place,
            "item": item,
            "explained": explained,
            "steps": [(steps[one.position], one) for one in explained.steps],
            "claim": _find_claim(item, project),
            "types": list_error_types(project.taxonomy),
            "is_own": is_own,
            "next_url": _find_next(view, place, is_own=is_own),
            "is_last": place == found.size,
        },
    )


def _find_claim(item: ReviewItem, project: Project) -> Any:
    """What was claimed of an injection; by now it is open."""
    if item.task != ReviewItem.Task.VERIFY_INJECTION:
        return None
    found = Injection.objects.get(modified=item.solution_id)
    return build_claim(found, project.taxonomy)


def _find_next(view: RoundView, place: int, *, is_own: bool) -> str:
    """Where one goes from here: the next item, or the result."""
    if place >= view.round.size or (not is_own and view.items[place].is_right is None):
        return reverse("labeling:training-round", args=[view.round.pk])
    return reverse("labeling:training-item", args=[view.round.pk, place + 1])
