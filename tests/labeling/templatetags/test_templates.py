"""Every shared template renders with what it says it needs, and with nothing undefined."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.template import engines
from django.template.backends.django import DjangoTemplates
from django.test import RequestFactory

from labeling.access import Capability
from labeling.selectors.progress import HomeView, QueueView
from tests.js.pages import (
    adjudicate_ratings_context,
    adjudicate_verdicts_context,
    rate_context,
    verify_context,
)

UNDEFINED = "UNDEFINED"


class SignIn(forms.Form):
    username = forms.CharField()
    password = forms.CharField(widget=forms.PasswordInput)


def queue(name: str, *capabilities: Capability, **numbers: int) -> QueueView:
    project: Any = SimpleNamespace(
        name=name, slug="p", is_demo=True, hide_claim=True, get_mode_display="Judge every step"
    )
    counts = {"done": 3, "waiting": 2, "open_disputes": 1} | numbers
    return QueueView(project=project, role="", capabilities=frozenset(capabilities), **counts)


def home(*queues: QueueView) -> dict[str, Any]:
    return {"home": HomeView(list(queues), continue_with=None, done_today=0, items_left=2)}


PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "rate": ("labeling/rate.html", rate_context()),
    "verify, sealed": ("labeling/verify.html", verify_context()),
    "verify, open": ("labeling/verify.html", verify_context(is_sealed=False)),
    "decide ratings": ("labeling/adjudicate.html", adjudicate_ratings_context()),
    "decide verdicts": ("labeling/adjudicate.html", adjudicate_verdicts_context()),
    "home, empty": ("labeling/home.html", home()),
    "home": (
        "labeling/home.html",
        home(
            queue("one", Capability.ANNOTATE),
            queue("two", Capability.ANNOTATE, Capability.ADJUDICATE, waiting=0),
            queue("three", Capability.ADJUDICATE),
        ),
    ),
    "sign in": ("registration/login.html", {"form": SignIn({"username": ""}), "next": "/"}),
    "signed out": ("registration/logged_out.html", {}),
    "password": ("registration/password_change_form.html", {"form": SignIn()}),
    "password changed": ("registration/password_change_done.html", {}),
    "password saved": ("registration/password_reset_complete.html", {}),
    "new password": (
        "registration/password_reset_confirm.html",
        {"form": SignIn(), "validlink": True},
    ),
    "used link": ("registration/password_reset_confirm.html", {"form": None, "validlink": False}),
    "locked out": ("registration/lockout.html", {}),
    "403": ("403.html", {}),
    "404": ("404.html", {}),
    "csrf": ("csrf_failure.html", {}),
}


@pytest.fixture(scope="module")
def strict() -> DjangoTemplates:
    """The templates' engine, for which a variable that is not there is a word in the page."""
    config: dict[str, Any] = dict(settings.TEMPLATES[0])
    config.pop("BACKEND")
    config["NAME"] = "strict"
    config["OPTIONS"] = config["OPTIONS"] | {"string_if_invalid": UNDEFINED}
    engine = DjangoTemplates(config)
    assert engine is not engines["django"]
    return engine


def ask(*, stranger: bool = False) -> HttpRequest:
    request = RequestFactory().get("/")
    person = get_user_model()(username="mei", display_name="Mei Lin", is_staff=True)
    request.user = AnonymousUser() if stranger else person
    return request


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_undefined(strict: DjangoTemplates, name: str) -> None:
    template, context = PAGES[name]
    html = strict.get_template(template).render(context, ask())
    assert UNDEFINED not in html
    assert "</html>" in html


@pytest.mark.parametrize("name", ["sign in", "404", "403", "locked out"])
def test_strangers_see_them_too(strict: DjangoTemplates, name: str) -> None:
    template, context = PAGES[name]
    html = strict.get_template(template).render(context, ask(stranger=True))
    assert UNDEFINED not in html
    assert 'id="account"' not in html


@pytest.mark.parametrize("template", ["400.html", "500.html"])
def test_errors_need_no_request(strict: DjangoTemplates, template: str) -> None:
    html = strict.get_template(template).render()
    assert UNDEFINED not in html
    assert "</html>" in html
