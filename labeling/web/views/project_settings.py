"""What is asked, of how many, and what they may see; and the guidelines people work by."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.access import Capability, get_project, require
from labeling.alignment import diff_text
from labeling.models import Guideline, Project
from labeling.selectors.proposals import list_proposal_methods
from labeling.services.projects import publish_guidelines, update_protocol
from labeling.web.errors import Mendable, add_refusal, page
from labeling.web.nav import build_settings_tabs, project_context
from labeling.web.project_forms import GuidelinesForm, ProtocolForm
from labeling.web.requests import AuthedRequest
from workbench.errors import Conflict

# Two texts longer than this are shown without their differences: comparing takes too long.
LONGEST_COMPARED = 20_000


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


@page
@require_http_methods(["GET", "POST"])
def guidelines(request: AuthedRequest, slug: str) -> HttpResponse:
    project = get_project(request.user, slug)
    context = project_context(request, project, "settings")
    can_manage = context["can"][Capability.MANAGE]
    form = GuidelinesForm(
        request.POST or None,
        initial={"text": project.guidelines, "seen_version": project.guideline_version},
    )
    if request.method == "POST":
        require(request.user, project, Capability.MANAGE)
        if form.is_valid() and _publish(request, project, form):
            return redirect("labeling:guidelines", slug)
    versions = list(
        Guideline.objects.filter(project=project).select_related("author").order_by("-version")
    )
    shown = _find_version(request, versions)
    return render(
        request,
        "labeling/guidelines.html",
        {
            **context,
            "tabs": build_settings_tabs(project, "guidelines", can_manage=can_manage),
            "form": form,
            "versions": versions,
            "shown": shown,
            "is_newest": shown is not None and shown.version == project.guideline_version,
            "changes": _find_changes(shown, versions),
        },
        status=400 if form.errors else 200,
    )


def _publish(request: AuthedRequest, project: Project, form: GuidelinesForm) -> bool:
    text = form.cleaned_data["text"].replace("\r\n", "\n")
    if text == project.guidelines:
        messages.info(request, _("Nothing differs, so no version was published."))
        return True
    try:
        guideline = publish_guidelines(
            project=project,
            by=request.user,
            text=text,
            seen_version=form.cleaned_data["seen_version"],
        )
    except Mendable as error:
        add_refusal(form, error)
        return False
    messages.success(
        request,
        _("Version %(version)s is in force. Reviewers see it from now on.")
        % {"version": guideline.version},
    )
    return True


def _find_version(request: AuthedRequest, versions: list[Guideline]) -> Guideline | None:
    asked = request.GET.get("version", "")
    if not asked:
        return versions[0] if versions else None
    for guideline in versions:
        if str(guideline.version) == asked:
            return guideline
    raise Http404(f"These guidelines have no version {asked!r}.")


def _find_changes(shown: Guideline | None, versions: list[Guideline]) -> Any:
    """What the shown version changed; None where it is the first, or too long to compare."""
    if shown is None:
        return None
    before = next((one for one in versions if one.version == shown.version - 1), None)
    if before is None or not before.text:
        return None
    if len(before.text) + len(shown.text) > LONGEST_COMPARED:
        return None
    return diff_text(before.text, shown.text)
