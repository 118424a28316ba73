"""Engines: where text comes from. Shared by all projects; keys only by name."""

from __future__ import annotations

import os
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from labeling.access import Capability, roles_with
from labeling.models import Membership, User
from labeling.web.errors import Mendable, add_refusal, page
from labeling.web.requests import AuthedRequest, wants_fragment
from modeljobs import selectors
from modeljobs.engines.catalog import KINDS
from modeljobs.engines.keys import list_key_names
from modeljobs.models import Engine
from modeljobs.services.engine_tests import find_last_tests, list_tests, request_test
from modeljobs.services.engines import (
    create_engine,
    may_manage_engines,
    settings_of,
    update_engine,
)
from modeljobs.web.forms import EngineForm
from workbench.errors import NotAllowed
from workbench.messages import translate_sentence


def require_viewer(user: User) -> None:
    """Whoever may see the jobs of some project may see engines."""
    held = Membership.objects.filter(
        user=user, is_active=True, role__in=list(roles_with(Capability.VIEW_JOBS))
    )
    if not (user.is_superuser or held.exists()):
        raise NotAllowed("Only those who may see the model jobs of a project may see engines.")


def require_manager(user: User) -> None:
    if not may_manage_engines(user):
        raise NotAllowed("Only someone who leads a project may add or change engines.")


@page
@require_GET
def engines(request: AuthedRequest) -> HttpResponse:
    require_viewer(request.user)
    rows = selectors.list_engines(active_only=False)
    return render(
        request,
        "modeljobs/engines.html",
        {
            "engines": rows,
            "kinds": list(KINDS.values()),
            "kind_titles": {name: translate_sentence(kind.title) for name, kind in KINDS.items()},
            "may_manage": may_manage_engines(request.user),
            "key_names": list_key_names(os.environ),
            "last_tests": find_last_tests(rows, now=timezone.now()),
        },
    )


@page
@require_http_methods(["GET", "POST"])
def engine_new(request: AuthedRequest) -> HttpResponse:
    require_manager(request.user)
    kind = KINDS.get(request.GET.get("kind", ""))
    if kind is None:
        raise Http404(f"The kinds of engine are {', '.join(KINDS)}.")
    form = EngineForm(request.POST or None, kind=kind, key_names=list_key_names(os.environ))
    if request.method == "POST" and form.is_valid():
        try:
            made = create_engine(
                name=form.cleaned_data["name"],
                kind=kind.name,
                settings=form.build_settings(),
                by=request.user,
                output_terms=form.cleaned_data["output_terms"],
                output_may_train=form.cleaned_data["output_may_train"],
            )
        except Mendable as error:
            add_refusal(form, error, prefix=form.OPTION)
        else:
            messages.success(
                request, _("The engine %(name)s is there for all projects.") % {"name": made.name}
            )
            return redirect("modeljobs:engines")
    return _render(request, form, kind=kind, engine=None)


@page
@require_http_methods(["GET", "POST"])
def engine(request: AuthedRequest, pk: int) -> HttpResponse:
    """An engine: its settings, and what it can do. The page, or with `?fragment=tests` the part
    that is asked for again while a test is under way. A POST with `test` asks for one.
    """
    require_manager(request.user)
    found = selectors.get_engine(pk)
    if wants_fragment(request, "tests"):
        return render(request, "modeljobs/_engine_test.html", _show_tests(found))
    if request.method == "POST" and "test" in request.POST:
        return _test(request, found)
    kind = KINDS[found.kind]
    trains = {True: "yes", False: "no", None: ""}[found.output_may_train]
    form = EngineForm(
        request.POST or None,
        kind=kind,
        key_names=list_key_names(os.environ),
        values=settings_of(found),
        with_switch=True,
        initial={
            "name": found.name,
            "output_terms": found.output_terms,
            "output_may_train": trains,
            "is_active": found.is_active,
        },
    )
    if request.method == "POST" and form.is_valid():
        try:
            update_engine(
                engine=found,
                by=request.user,
                name=form.cleaned_data["name"],
                settings=form.build_settings(),
                output_terms=form.cleaned_data["output_terms"],
                output_may_train=form.cleaned_data["output_may_train"],
                is_active=form.cleaned_data["is_active"],
            )
        except Mendable as error:
            add_refusal(form, error, prefix=form.OPTION)
        else:
            messages.success(
                request, _("The engine is saved. Jobs that have started keep it as it was.")
            )
            return redirect("modeljobs:engines")
    return _render(request, form, kind=kind, **_show_tests(found))


def _test(request: AuthedRequest, engine: Engine) -> HttpResponse:
    _test_row, is_new = request_test(engine=engine, by=request.user)
    if not is_new:
        messages.info(request, _("A test of this engine is under way already."))
    return redirect("modeljobs:engine", engine.pk)


def _show_tests(engine: Engine) -> dict[str, Any]:
    tests = list_tests(engine, now=timezone.now())
    return {
        "engine": engine,
        "tests": tests,
        "is_settled": not tests or tests[0].is_final,
        "door_words": {
            "completions": _("Raw prompts"),
            "chat": _("Chats"),
            "pooling": _("Scores of a reward model"),
        },
    }


def _render(request: AuthedRequest, form: EngineForm, **context: Any) -> HttpResponse:
    return render(
        request,
        "modeljobs/engine.html",
        {"form": form, **context},
        status=400 if form.errors else 200,
    )
