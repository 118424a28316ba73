"""References in doubt: the list, and what people decide."""

from __future__ import annotations

from functools import partial

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from labeling.access import Capability, get_project
from labeling.web.errors import attempt, page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate
from modeljobs.models import ReferenceDoubt
from modeljobs.services import doubts as service

State = ReferenceDoubt.State
PAGE_SIZE = 20


@page
@require_GET
def doubts(request: AuthedRequest, slug: str) -> HttpResponse:
    """The references that most rollouts contradict, open ones first."""
    project = get_project(request.user, slug, Capability.BROWSE)
    state = request.GET.get("state", "")
    if state not in State.values:
        state = ""
    counts = dict(
        ReferenceDoubt.objects.filter(problem__project=project)
        .values_list("state")
        .annotate(n=Count("pk"))
        .order_by()
    )
    tabs = [("", _("All"), sum(counts.values()))]
    tabs += [(value, str(label), counts.get(value, 0)) for value, label in State.choices]
    return render(
        request,
        "modeljobs/doubts.html",
        {
            **project_context(request, project, "jobs"),
            "page": paginate(request, service.list_doubts(project, state=state), size=PAGE_SIZE),
            "state": state,
            "states": [
                {
                    "url": f"?state={value}" if value else "?",
                    "label": label,
                    "current": value == state,
                    "count": n,
                }
                for value, label, n in tabs
            ],
        },
    )


class DecisionForm(forms.Form):
    """What a person says of a reference."""

    state = forms.ChoiceField(choices=[(str(state), state) for state in service.DECISIONS])
    corrected_answer = forms.CharField(required=False, max_length=service.MAX_ANSWER)
    note = forms.CharField(required=False, max_length=service.MAX_NOTE)


@page
@require_POST
def doubt_decide(request: AuthedRequest, pk: int) -> HttpResponse:
    """Say that the reference stands, or that it is wrong."""
    doubt = service.get_doubt(request.user, pk, Capability.ADJUDICATE)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        sentence = " ".join(str(error) for errors in form.errors.values() for error in errors)
        messages.error(request, sentence)
    else:
        data = form.cleaned_data
        attempt(
            request,
            partial(service.decide, doubt=doubt, by=request.user, **data),
            done=_("Noted: the reference stands.")
            if data["state"] == State.STANDS
            else _("Noted: the reference is wrong. Later jobs go by what you said."),
        )
    return _go_back(doubt)


@page
@require_POST
def doubt_reopen(request: AuthedRequest, pk: int) -> HttpResponse:
    """Take a decision back."""
    doubt = service.get_doubt(request.user, pk, Capability.ADJUDICATE)
    attempt(
        request,
        partial(service.reopen, doubt=doubt, by=request.user),
        done=_("The reference is in doubt again."),
    )
    return _go_back(doubt)


def _go_back(doubt: ReferenceDoubt) -> HttpResponse:
    address = reverse("modeljobs:doubts", args=[doubt.problem.project.slug])
    return redirect(f"{address}#doubt-{doubt.pk}")
