"""Refusals as pages: what a service says is wrong becomes a form error, a message or a status."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from workbench.errors import Conflict, InvalidInput, NotAllowed, NotFound, WorkbenchError
from workbench.messages import translate_sentence

P = ParamSpec("P")
R = TypeVar("R", bound=HttpRequest)
T = TypeVar("T")

# What a person can mend on the page they are on.
Mendable = (InvalidInput, Conflict)


def page(
    view: Callable[Concatenate[R, P], HttpResponseBase],
) -> Callable[Concatenate[R, P], HttpResponseBase]:
    """Answer with the page of the status that a refusal has; views raise what services raise."""

    @wraps(view)
    def answer(request: R, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(error.message) from error
        except NotAllowed as error:
            raise PermissionDenied(error.message) from error
        except Mendable as error:
            # A view that has a form shows the sentence there; this one has none.
            raise BadRequest(error.message) from error

    return answer


def attempt(request: HttpRequest, action: Callable[[], T], *, done: str = "") -> T | None:
    """Do it and say so, or say why not, on the page that is shown next; None where refused."""
    try:
        result = action()
    except Mendable as error:
        messages.error(request, translate_sentence(error.message))
        return None
    if done:
        messages.success(request, done)
    return result


def add_refusal(form: forms.BaseForm, error: WorkbenchError, *, prefix: str = "") -> None:
    """Put the service's sentences beside the fields they speak of, or above the form.

    A field may stand in the form under its own name or with `prefix` before it.
    """
    problems = error.extra.get("problems")
    if not isinstance(problems, dict):
        problems = {error.extra.get("field"): error.message}
    for name, sentence in problems.items():
        places = (str(name), f"{prefix}{name}")
        place = next((place for place in places if place in form.fields), None)
        # Beside its field a sentence need not name it again.
        said = str(sentence).removeprefix(f"{name}: ") if place else str(sentence)
        form.add_error(place, translate_sentence(said))
