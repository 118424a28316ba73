"""One's own account: name, language, theme, password."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from labeling.models import Membership
from labeling.services.accounts import set_display_name, set_language
from labeling.web.errors import attempt, page
from labeling.web.people_forms import LanguageForm, NameForm, ThemeForm
from labeling.web.requests import AuthedRequest

THEME_COOKIE = "theme"
YEAR_SECONDS = 365 * 24 * 3600


@page
@never_cache
@sensitive_post_parameters("old_password", "new_password1", "new_password2")
@require_http_methods(["GET", "POST"])
def account(request: AuthedRequest) -> HttpResponse:
    """The account. POST's `action`: name, language, theme, password."""
    answers = {
        "name": _change_name,
        "language": _change_language,
        "theme": _change_theme,
        "password": _change_password,
    }
    answer = answers.get(request.POST.get("action", "")) if request.method == "POST" else None
    return answer(request) if answer else _show(request)


def _show(request: AuthedRequest, **more: Any) -> HttpResponse:
    user = request.user
    context: dict[str, Any] = {
        "name_form": NameForm(initial={"display_name": user.display_name}),
        "language_form": LanguageForm(initial={"language": user.language or get_language()}),
        "theme_form": ThemeForm(initial={"theme": request.COOKIES.get(THEME_COOKIE, "system")}),
        "password_form": _build_password_form(request),
        "memberships": Membership.objects.filter(user=user, is_active=True)
        .select_related("project")
        .order_by("project__name"),
    }
    context |= more
    forms = [value for name, value in context.items() if name.endswith("_form")]
    refused = any(form.errors for form in forms)
    return render(request, "labeling/account.html", context, status=400 if refused else 200)


def _change_name(request: AuthedRequest) -> HttpResponse:
    form = NameForm(request.POST)
    if not form.is_valid():
        return _show(request, name_form=form)
    name = form.cleaned_data["display_name"]
    attempt(
        request,
        lambda: set_display_name(user=request.user, display_name=name),
        done=_("Your name is saved."),
    )
    return redirect("labeling:account")


def _change_language(request: AuthedRequest) -> HttpResponse:
    form = LanguageForm(request.POST)
    if not form.is_valid():
        return _show(request, language_form=form)
    language = form.cleaned_data["language"]
    with override(language):
        attempt(
            request,
            lambda: set_language(user=request.user, language=language),
            # In the language that was just chosen: it is read on the next page.
            done=_("The language is changed."),
        )
    response = redirect(_find_way_back(request))
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=YEAR_SECONDS,
        samesite="Lax",
        secure=request.is_secure(),
    )
    return response


def _find_way_back(request: AuthedRequest) -> str:
    """The page on which the language was chosen: the menu is on every one of them."""
    came_from = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(
        came_from, {request.get_host()}, require_https=request.is_secure()
    ):
        return urlsplit(came_from)._replace(scheme="", netloc="", fragment="").geturl()
    return reverse("labeling:account")


def _change_theme(request: AuthedRequest) -> HttpResponse:
    form = ThemeForm(request.POST)
    if not form.is_valid():
        return _show(request, theme_form=form)
    messages.success(request, _("The theme is changed."))
    response = redirect("labeling:account")
    response.set_cookie(
        THEME_COOKIE,
        form.cleaned_data["theme"],
        max_age=YEAR_SECONDS,
        samesite="Lax",
        secure=request.is_secure(),
        # The button in the bar turns the theme by itself, and reads and writes this cookie.
        httponly=False,
    )
    return response


def _build_password_form(request: AuthedRequest, data: Any = None) -> PasswordChangeForm:
    form = PasswordChangeForm(request.user, data)
    # The page has other parts as well; none of them takes the focus when it opens.
    form.fields["old_password"].widget.attrs.pop("autofocus", None)
    return form


def _change_password(request: AuthedRequest) -> HttpResponse:
    form = _build_password_form(request, request.POST)
    if not form.is_valid():
        return _show(request, password_form=form)
    form.save()
    # This browser stays signed in; all others are signed out.
    update_session_auth_hash(request, form.user)
    messages.success(
        request, _("The password is changed. Other browsers that were signed in are signed out.")
    )
    return redirect("labeling:account")
