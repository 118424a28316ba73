"""What is asked, of how many, and what they may see."""

from __future__ import annotations

from typing import cast

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.access import Capability, get_project
from labeling.models import Project
from labeling.selectors.proposals import list_proposal_methods
from labeling.services.projects import update_protocol
from labeling.web.errors import Mendable, add_refusal, page
from labeling.web.nav import build_settings_tabs, project_context
from labeling.web.project_forms import ProtocolForm
from labeling.web.requests import AuthedRequest
from workbench.errors import Conflict


@page
@require_http_methods(["GET", "POST"])
def project_settings(request: AuthedRequest, slug: str) -> HttpResponse:
    project = get_project(request.user, slug, Capability.MANAGE)
    methods = list_proposal_methods(project)
    form = ProtocolForm(
        request.POST or None,
        initial=ProtocolForm.initial_of(project),
        proposal_methods=methods,
    )
    changed_meanwhile = False
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        seen = values.pop("seen_version")
        try:
            update_protocol(project=project, by=request.user, seen_version=seen, **values)
        except Mendable as error:
            project = get_project(request.user, slug, Capability.MANAGE)
            changed_meanwhile = isinstance(error, Conflict)
            if changed_meanwhile:
                # What was typed stays; sending it again is then a choice made with both in view.
                form = ProtocolForm(
                    {**request.POST.dict(), "seen_version": project.version},
                    proposal_methods=methods,
                )
                form.is_valid()
            add_refusal(form, error)
        else:
            messages.success(request, _("The settings are saved."))
            return redirect("labeling:settings", slug)
    return render(
        request,
        "labeling/project_settings.html",
        {
            **project_context(request, project, "settings"),
            "tabs": build_settings_tabs(project, "settings", can_manage=True),
            "form": form,
            "in_force": _describe_differences(form, project) if changed_meanwhile else [],
        },
        status=409 if changed_meanwhile else 400 if form.errors else 200,
    )


def _describe_differences(form: ProtocolForm, project: Project) -> list[tuple[str, str, str]]:
    """(field, what is in force now, what was typed here) in words, where the two differ."""
    now = ProtocolForm.initial_of(project)
    return [
        (
            str(form.fields[name].label),
            _describe(form.fields[name], now[name]),
            _describe(form.fields[name], value),
        )
        for name, value in form.cleaned_data.items()
        if name != "seen_version" and now.get(name) != value
    ]


def _describe(field: forms.Field, value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(field, forms.ChoiceField):
        return str(dict(cast("list[tuple[object, object]]", field.choices)).get(value, value))
    return str(value)
