"""One's own API tokens: made, shown once, revoked."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from labeling.models import ApiToken
from labeling.services.members import make_token, revoke_token
from labeling.web.errors import Mendable, add_refusal, attempt, page
from labeling.web.people_forms import TokenForm
from labeling.web.requests import AuthedRequest, paginate


@page
@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: AuthedRequest) -> HttpResponse:
    """The tokens. POST's `action`: make, revoke."""
    if request.method == "POST" and request.POST.get("action") == "revoke":
        return _revoke(request)
    if request.method == "POST":
        return _make(request)
    return _show(request)


def _show(request: AuthedRequest, **more: Any) -> HttpResponse:
    context: dict[str, Any] = {
        "form": TokenForm(),
        "secret": "",
        "page": paginate(request, ApiToken.objects.filter(user=request.user).order_by("-pk")),
        "now": timezone.now(),
        "scopes": dict(ApiToken.Scope.choices),
        "api_url": request.build_absolute_uri("/api/v1/"),
    }
    context |= more
    status = 400 if context["form"].errors else 200
    return render(request, "labeling/tokens.html", context, status=status)


def _make(request: AuthedRequest) -> HttpResponse:
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _show(request, form=form)
    try:
        issued = make_token(user=request.user, **form.cleaned_data)
    except Mendable as error:
        add_refusal(form, error)
        return _show(request, form=form)
    # Shown in the answer itself: on its way through a redirect the secret would have to be stored.
    return _show(request, secret=issued.secret)


def _revoke(request: AuthedRequest) -> HttpResponse:
    value = request.POST.get("id", "")
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0
    token = get_object_or_404(ApiToken, user=request.user, pk=number)
    if token.revoked_at is not None:
        messages.info(request, _("This token was revoked already."))
    else:
        attempt(
            request,
            lambda: revoke_token(token=token, by=request.user),
            done=_("The token %(name)s is revoked. Whatever used it is refused from now on.")
            % {"name": token.name},
        )
    return redirect("labeling:tokens")
