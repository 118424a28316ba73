"""The error types in force: read by everybody, edited by leads. An edit is a new version."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.access import Capability, get_project, require
from labeling.models import Project, Taxonomy
from labeling.selectors.explorer import count_injections
from labeling.selectors.guidance import list_card_groups, name_taxonomy
from labeling.services.projects import (
    ensure_builtin_taxonomies,
    publish_taxonomy,
    use_builtin_taxonomy,
)
from labeling.taxonomies.loader import parse_taxonomy
from labeling.web.errors import Mendable, attempt, page
from labeling.web.nav import build_settings_tabs, project_context
from labeling.web.project_forms import UseTaxonomyForm
from labeling.web.requests import AuthedRequest
from labeling.web.taxonomy_forms import TaxonomyEditor, add_row
from workbench.messages import translate_sentence

ADD_ROW = {"add_type": "types", "add_dimension": "dimensions"}


@page
@require_http_methods(["GET", "POST"])
def taxonomy(request: AuthedRequest, slug: str) -> HttpResponse:
    """The types; a lead's POST publishes an edit, adds an empty row, or puts another in force."""
    project = get_project(request.user, slug)
    context = project_context(request, project, "settings")
    can_manage = context["can"][Capability.MANAGE]
    editing = can_manage and (request.method == "POST" or "edit" in request.GET)
    record = parse_taxonomy(project.taxonomy.content)
    editor: TaxonomyEditor | None = None
    problem = ""
    if request.method == "POST":
        require(request.user, project, Capability.MANAGE)
        action = request.POST.get("action", "publish")
        if action == "use":
            return _use(request, project)
        if action in ADD_ROW:
            data = add_row(request.POST, ADD_ROW[action])
            editor = TaxonomyEditor(record, seen=project.taxonomy_id, data=data)
        else:
            editor = TaxonomyEditor(record, seen=project.taxonomy_id, data=request.POST)
            if editor.is_valid():
                try:
                    made = publish_taxonomy(
                        project=project,
                        by=request.user,
                        content=editor.build_content(),
                        seen_taxonomy=editor.seen,
                    )
                except Mendable as error:
                    problem = translate_sentence(error.message)
                else:
                    messages.success(
                        request,
                        _("Version %(version)s is in force. Judgements made so far keep theirs.")
                        % {"version": made.version},
                    )
                    return redirect("labeling:taxonomy", slug)
            else:
                problem = _("Something is missing or has the wrong form; it is marked below.")
    elif editing:
        editor = TaxonomyEditor(record, seen=project.taxonomy_id)
    return render(
        request,
        "labeling/taxonomy.html",
        {
            **context,
            "tabs": build_settings_tabs(project, "taxonomy", can_manage=can_manage),
            "taxonomy": project.taxonomy,
            "groups": list_card_groups(project, request.user),
            "used": count_injections(project) if context["can"][Capability.BROWSE] else {},
            "editor": editor,
            "problem": problem,
            "use_form": (
                UseTaxonomyForm(taxonomies=_choices(project))
                if can_manage and editor is None
                else None
            ),
            "versions": Taxonomy.objects.filter(project=project)
            .select_related("author")
            .order_by("-pk"),
        },
        status=400 if problem else 200,
    )


def _choices(project: Project) -> object:
    """The shipped taxonomies and this project's own versions, the one in force left out."""
    return (
        Taxonomy.objects.filter(Q(project=project) | Q(project__isnull=True))
        .exclude(pk=project.taxonomy_id)
        .order_by("project", "slug", "-version")
    )


def _use(request: AuthedRequest, project: Project) -> HttpResponse:
    ensure_builtin_taxonomies()
    form = UseTaxonomyForm(request.POST, taxonomies=_choices(project))
    if form.is_valid():
        chosen = form.cleaned_data["taxonomy"]
        attempt(
            request,
            lambda: use_builtin_taxonomy(project=project, by=request.user, taxonomy=chosen),
            done=_("%(taxonomy)s is in force.")
            % {"taxonomy": f"{name_taxonomy(chosen)} {chosen.version}"},
        )
    else:
        messages.error(request, _("Choose one of the taxonomies in the list."))
    return redirect("labeling:taxonomy", project.slug)
