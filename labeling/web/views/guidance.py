"""What people work by: guidelines in every language, rulings, and having read them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.access import Capability, get_project, require
from labeling.guidance_texts import Told, choose_language
from labeling.models import Guideline, Project
from labeling.ruling_examples import EXAMPLES
from labeling.selectors import guidance as selectors
from labeling.selectors.guidance import (
    FOR_ALL,
    Edition,
    RulingFilters,
    RulingView,
    TextChange,
    compare_texts,
    list_texts,
    own_language,
    reading_language,
)
from labeling.selectors.review import list_error_types
from labeling.services.guidance import (
    make_ruling,
    note_reading,
    restore_ruling,
    withdraw_ruling,
)
from labeling.services.projects import publish_guidelines
from labeling.web.errors import Mendable, add_refusal, attempt, page
from labeling.web.guidance_forms import (
    GuidelinesForm,
    RulingFilterForm,
    RulingForm,
    field_of,
    list_languages,
    name_language,
)
from labeling.web.nav import build_settings_tabs, project_context
from labeling.web.requests import AuthedRequest, address_without, paginate, wants_fragment
from workbench.errors import WorkbenchError
from workbench.messages import translate_sentence

# --- Guidelines, version by version ---------------------------------------------------------------


@page
@require_http_methods(["GET", "POST"])
def guidelines(request: AuthedRequest, slug: str) -> HttpResponse:
    """One version of the guidelines in one language; a lead's POST publishes the next one."""
    project = get_project(request.user, slug)
    context = project_context(request, project, "settings")
    can_manage = context["can"][Capability.MANAGE]
    form = GuidelinesForm(
        request.POST or None,
        initial=GuidelinesForm.initial_of(project, seen_version=project.guideline_version),
    )
    if request.method == "POST":
        require(request.user, project, Capability.MANAGE)
        if form.is_valid() and _publish(request, project, form):
            return redirect("labeling:guidelines", slug)
    versions = list(
        Guideline.objects.filter(project=project).select_related("author").order_by("-version")
    )
    shown = _find_version(request, versions)
    texts = list_texts(shown) if shown else {}
    text = _choose_text(request, texts)
    return render(
        request,
        "labeling/guidelines.html",
        {
            **context,
            "tabs": build_settings_tabs(project, "guidelines", can_manage=can_manage),
            "form": form,
            "versions": versions,
            "shown": shown,
            "text": text,
            "text_language": name_language(text.language),
            "languages": _build_language_tabs(request, texts, text),
            "missing": [name_language(code) for code in list_languages() if code not in texts],
            "is_newest": shown is not None and shown.version == project.guideline_version,
            "changes": _find_changes(shown, versions, text),
            "readers": selectors.count_readers(project) if can_manage else None,
        },
        status=400 if form.errors else 200,
    )


def _publish(request: AuthedRequest, project: Project, form: GuidelinesForm) -> bool:
    texts = form.read_texts()
    if texts == list_texts(project):
        messages.info(request, _("Nothing differs, so no version was published."))
        return True
    try:
        guideline = publish_guidelines(
            project=project,
            by=request.user,
            text=texts.pop(own_language(), ""),
            translations=texts,
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


def _choose_text(request: AuthedRequest, texts: dict[str, str]) -> Told:
    """The text in the language that the address names, or else in the reader's."""
    asked = request.GET.get("language", "")
    if asked in texts:
        return Told(texts[asked], asked)
    found = choose_language(texts, reading_language(), own_language())
    if found is None:
        return Told("")
    is_fallback = found.split("-")[0] != reading_language().split("-")[0]
    return Told(texts[found], found, is_fallback)


def _build_language_tabs(
    request: AuthedRequest, texts: dict[str, str], text: Told
) -> list[dict[str, Any]]:
    """Links to the languages that the version is in; none where there is but one."""
    if len(texts) < 2:
        return []
    return [
        {
            "url": address_without(request, language=code),
            "label": name_language(code),
            "current": code == text.language,
        }
        for code in texts
    ]


def _find_changes(
    shown: Guideline | None, versions: list[Guideline], text: Told
) -> TextChange | None:
    """What the shown version changed in this language; None where it is the first."""
    if shown is None:
        return None
    before = next((one for one in versions if one.version == shown.version - 1), None)
    if before is None or not list_texts(before):
        return None
    return compare_texts(list_texts(before), text)


# --- All that is in force, to be read -------------------------------------------------------------


@page
@never_cache
@require_GET
def guidelines_panel(request: AuthedRequest, slug: str) -> HttpResponse:
    """Guidelines, rulings and error types in one place; `?fragment=panel` beside one's work."""
    project = get_project(request.user, slug)
    return _show_guidance(request, project)


@page
@never_cache
@require_POST
def guidelines_read(request: AuthedRequest, slug: str) -> HttpResponse:
    """Note that the person has read what they were shown."""
    project = get_project(request.user, slug)
    try:
        note_reading(project=project, person=request.user, seen=_read_edition(request))
    except Mendable as error:
        return _show_guidance(request, project, refusal=error)
    if wants_fragment(request, "panel"):
        return _show_guidance(request, project)
    messages.success(request, _("The guidelines are marked as read."))
    return redirect("labeling:guidelines-panel", slug)


def _show_guidance(
    request: AuthedRequest, project: Project, *, refusal: WorkbenchError | None = None
) -> HttpResponse:
    query = request.GET.get("q", "").strip()[:200]
    context = {
        "project": project,
        "guidance": selectors.get_guidance(project, request.user, query=query),
        "refusal": translate_sentence(refusal.message) if refusal else "",
        "text_language": name_language(reading_language()),
        "is_page": not wants_fragment(request, "panel"),
    }
    status = refusal.status if refusal else 200
    if wants_fragment(request, "panel"):
        return render(request, "labeling/_guidelines_body.html", context, status=status)
    desk = project_context(request, project, "settings")
    can_manage = desk["can"][Capability.MANAGE]
    tabs = build_settings_tabs(project, "guidelines", can_manage=can_manage)
    whole = {**desk, "tabs": tabs, **context}
    return render(request, "labeling/guidelines_read.html", whole, status=status)


def _read_edition(request: AuthedRequest) -> Edition:
    """The edition that the form was made for; what is no number is no edition there ever was."""

    def number(name: str) -> int:
        text = request.POST.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1

    return Edition(number("version"), number("last_ruling"), number("last_withdrawn"))


# --- Rulings --------------------------------------------------------------------------------------


@page
@never_cache
@require_http_methods(["GET", "POST"])
def rulings(request: AuthedRequest, slug: str) -> HttpResponse:
    """All rulings, searched and by type. A lead's POST: `action` make, withdraw or restore.

    `?question=` and `?error_type=` with `?make` fill in the form, and so does `?example=`.
    """
    project = get_project(request.user, slug)
    if request.method != "POST":
        return _show_rulings(request, project)
    require(request.user, project, Capability.MANAGE)
    action = request.POST.get("action", "")
    if action in ("withdraw", "restore"):
        return _change_ruling(request, project, action)
    form = RulingForm(request.POST, error_types=list_error_types(project.taxonomy))
    if form.is_valid():
        try:
            made = make_ruling(project=project, by=request.user, **form.read_ruling())
        except Mendable as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("The ruling is in force. Reviewers see it as new."))
            return redirect(f"{reverse('labeling:rulings', args=[slug])}#ruling-{made.pk}")
    return _show_rulings(request, project, form=form)


def _change_ruling(request: AuthedRequest, project: Project, action: str) -> HttpResponse:
    text = request.POST.get("ruling", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    ruling = selectors.find_ruling(request.user, number, Capability.MANAGE)
    if ruling.project_id != project.pk:
        raise Http404("This ruling is in another project.")
    back = reverse("labeling:rulings", args=[project.slug])
    if action == "restore":
        attempt(
            request,
            lambda: restore_ruling(ruling=ruling, by=request.user),
            done=_("The ruling is in force again."),
        )
        return redirect(f"{back}#ruling-{ruling.pk}")
    withdrawn = attempt(request, lambda: withdraw_ruling(ruling=ruling, by=request.user))
    return redirect(f"{back}?withdrawn={ruling.pk}" if withdrawn else back)


def _show_rulings(
    request: AuthedRequest, project: Project, *, form: RulingForm | None = None
) -> HttpResponse:
    context = project_context(request, project, "settings")
    can_manage = context["can"][Capability.MANAGE]
    kinds = list_error_types(project.taxonomy)
    choices = [("", _("All rulings")), (FOR_ALL, _("For all types"))]
    choices += [(kind.code, kind.name) for kind in kinds]
    asked = RulingFilterForm(request.GET, choices=choices, auto_id="by_%s")
    filters = RulingFilters(
        text=request.GET.get("q", "").strip()[:200], error_type=_read_type(request, choices)
    )
    rows = paginate(request, selectors.with_names(selectors.find_rulings(project, filters)))
    names = {kind.code: kind.name for kind in kinds}
    lines = [selectors.view_ruling(row, request.user, names) for row in rows.object_list]
    is_filtered = bool(filters.text or filters.error_type)
    prefilled = None if form else _read_prefilled(request)
    if can_manage and form is None:
        form = RulingForm(initial=prefilled or {}, error_types=kinds)
    return render(
        request,
        "labeling/rulings.html",
        {
            **context,
            "tabs": build_settings_tabs(project, "rulings", can_manage=can_manage),
            "page": rows,
            "lines": lines,
            "filter_form": asked,
            "is_filtered": is_filtered,
            "form": form if can_manage else None,
            "is_form_open": bool(prefilled or (form and form.errors) or not lines),
            "examples": _list_examples() if not lines and not is_filtered else [],
            "just_withdrawn": _find_just_withdrawn(request, lines),
        },
        status=400 if form and form.errors else 200,
    )


def _list_examples() -> list[tuple[str, str]]:
    """(name, question) of the ready rulings, in the reader's language."""
    return [
        (name, words[choose_language(words, reading_language(), "en") or "en"]["question"])
        for name, words in EXAMPLES.items()
    ]


def _find_just_withdrawn(request: AuthedRequest, lines: list[RulingView]) -> RulingView | None:
    """The ruling that the page before withdrew: what was just done can be undone at the top."""
    asked = request.GET.get("withdrawn", "")
    return next((line for line in lines if line.withdrawn_at and str(line.id) == asked), None)


def _read_type(request: AuthedRequest, choices: list[tuple[str, Any]]) -> str:
    """The type to list by; one that is not offered is not filtered by."""
    asked = request.GET.get("error_type", "")
    return asked if asked in dict(choices) else ""


def _read_prefilled(request: AuthedRequest) -> dict[str, str]:
    """What the page that led here knows of the ruling to be made."""
    example = EXAMPLES.get(request.GET.get("example", ""))
    if example is not None:
        return {
            field_of(part, code): words[part]
            for code, words in example.items()
            for part in ("question", "answer")
            if code in list_languages()
        }
    question = request.GET.get("question", "").strip()
    if not question and "make" not in request.GET:
        return {}
    return {
        field_of("question", _writing_language()): question[:300],
        "error_type": request.GET.get("error_type", ""),
    }


def _writing_language() -> str:
    """The language in which somebody who reads this page writes."""
    wanted = reading_language()
    return wanted if wanted in list_languages() else own_language()
