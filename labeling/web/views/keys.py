"""The keys of the pages of work, as one person wants them: a page of their account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from labeling.preferences import (
    ACTIONS,
    BY_ID,
    GROUPS,
    PAGES,
    VIEWS,
    Group,
    KeyAction,
    KeyTaken,
    Page,
    Preferences,
    find_action,
    find_owners,
    read_preferences,
    swap_keys,
)
from labeling.services import preferences as services
from labeling.templatetags.keys import key_sign
from labeling.templatetags.script_words import script_words
from labeling.web.errors import page
from labeling.web.requests import AuthedRequest
from workbench.errors import InvalidInput, WorkbenchError
from workbench.messages import translate_sentence


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an action did not get what was asked for, and what could be done.

    `key` may change hands with the actions named in `others`: by a swap where that is possible,
    else they would have none.
    """

    action: str
    sentence: str
    typed: str
    key: str = ""
    others: str = ""
    may_swap: bool = False


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An action, the keys that do it for this person, and what was refused of it."""

    id: str
    label: str
    pages: str
    keys: tuple[str, ...]
    fixed: tuple[str, ...]
    default: tuple[str, ...]
    typed: str
    is_own: bool
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class KeyTable:
    """The actions of one kind."""

    group: Group
    title: str
    rows: list[KeyRow]


@page
@never_cache
@require_http_methods(["GET", "POST"])
def keys(request: AuthedRequest) -> HttpResponse:
    """One's own keys. POST's `do`: change, swap, take, reset; reset-all, single, view."""
    if request.method != "POST":
        return _show_keys(request)
    answers = {
        "change": _change_keys,
        "swap": _swap_keys,
        "take": _take_keys,
        "reset": _reset_keys,
        "reset-all": _reset_all_keys,
        "single": _change_single_keys,
        "view": _change_view,
    }
    answer = answers.get(request.POST.get("do", ""))
    return answer(request) if answer else _show_keys(request)


def _show_keys(request: AuthedRequest, refusal: Refusal | None = None) -> HttpResponse:
    read = read_preferences(request.user)
    words = script_words()
    rows = {
        action.id: _build_row(action, read, str(words[action.word]), refusal) for action in ACTIONS
    }
    tables = [
        KeyTable(
            group,
            str(words[f"group_{group}"]),
            [rows[action.id] for action in ACTIONS if action.group == group],
        )
        for group in GROUPS
    ]
    return render(
        request,
        "labeling/account_keys.html",
        {
            "tables": tables,
            "preferences": read,
            "views": [(view, name, view == read.view) for view, name in _name_views()],
            "n_own": len(read.keys),
        },
        status=400 if refusal else 200,
    )


def _name_views() -> list[tuple[str, str]]:
    names = {"fork": _("Fork"), "columns": _("Columns"), "modified": _("Modified only")}
    return [(view, names[view]) for view in VIEWS]


def _build_row(action: KeyAction, read: Preferences, label: str, refusal: Refusal | None) -> KeyRow:
    own = read.keys.get(action.id, action.default)
    refused = refusal if refusal is not None and refusal.action == action.id else None
    return KeyRow(
        id=action.id,
        label=label,
        pages=_name_pages(action),
        keys=own,
        fixed=action.fixed,
        default=action.default,
        typed=refused.typed if refused else " ".join(key_sign(key) for key in own),
        is_own=action.id in read.keys,
        refusal=refused,
    )


def _name_pages(action: KeyAction) -> str:
    """Where the action is, in words; "" where it is on every page of work."""
    names: dict[Page, str] = {
        "rate": _("Rate steps"),
        "verify": _("Verify"),
        "decide_ratings": _("Decide"),
        "decide_verdicts": _("Decide"),
    }
    if set(action.pages) == set(PAGES):
        return ""
    return " · ".join(dict.fromkeys(names[one] for one in action.pages))


def _change_keys(request: AuthedRequest) -> HttpResponse:
    action, typed = request.POST.get("action", ""), request.POST.get("keys", "")
    return _attempt_keys(
        request,
        action,
        typed,
        lambda: services.change_keys(user=request.user, action=action, keys=typed.split()),
    )


def _swap_keys(request: AuthedRequest) -> HttpResponse:
    action, key = request.POST.get("action", ""), request.POST.get("key", "")
    return _attempt_keys(
        request,
        action,
        key,
        lambda: services.swap_keys(user=request.user, action=action, key=key),
    )


def _take_keys(request: AuthedRequest) -> HttpResponse:
    action, key = request.POST.get("action", ""), request.POST.get("key", "")
    return _attempt_keys(
        request,
        action,
        key,
        lambda: services.take_keys(user=request.user, action=action, key=key),
    )


def _reset_keys(request: AuthedRequest) -> HttpResponse:
    action = request.POST.get("action", "")
    first = " ".join(key_sign(key) for key in find_action(action).default)
    return _attempt_keys(
        request,
        action,
        first,
        lambda: services.reset_keys(user=request.user, action=action),
    )


def _attempt_keys(
    request: AuthedRequest, action: str, typed: str, change: Callable[[], Preferences]
) -> HttpResponse:
    """Change an action's keys, or say beside the action why not and what could be done."""
    try:
        changed = change()
    except InvalidInput as error:
        return _show_keys(request, _explain(request, action, typed, error))
    found = find_action(action)
    own = changed.keys.get(action, found.default)
    label = script_words()[found.word]
    values = {"name": label, "keys": " ".join(key_sign(key) for key in own)}
    said = _("“%(name)s” is %(keys)s now.") if own else _("“%(name)s” has no key now.")
    messages.success(request, said % values)
    return redirect(f"{reverse('labeling:account-keys')}#key-{action}")


def _explain(request: AuthedRequest, action: str, typed: str, error: WorkbenchError) -> Refusal:
    if not isinstance(error, KeyTaken):
        return Refusal(action, translate_sentence(error.message), typed)
    words = script_words()
    key, wanted = str(error.extra["key"]), find_action(action)
    by = BY_ID[str(error.extra["taken_by"])]
    sentence = _("%(key)s is “%(name)s”.") % {"key": key_sign(key), "name": words[by.word]}
    own = read_preferences(request.user).keys
    owners = find_owners(wanted, key, own)
    # A fixed key changes hands in no way; nor is a clash solved that a swap would bring elsewhere.
    if key in by.fixed or by not in owners or error.extra["action"] != action:
        return Refusal(action, sentence, typed)
    names = ", ".join(f"“{words[owner.word]}”" for owner in owners)
    may_swap = _is_possible(lambda: swap_keys(own, wanted, key))
    return Refusal(action, sentence, key_sign(key), key, names, may_swap)


def _is_possible(change: Callable[[], object]) -> bool:
    try:
        change()
    except InvalidInput:
        return False
    return True


def _reset_all_keys(request: AuthedRequest) -> HttpResponse:
    services.reset_keys(user=request.user)
    messages.success(request, _("All keys are as they were at first."))
    return redirect("labeling:account-keys")


def _change_single_keys(request: AuthedRequest) -> HttpResponse:
    wanted = "single_keys" in request.POST
    services.set_preferences(user=request.user, single_keys=wanted)
    said = _("Single keys act.") if wanted else _("Single keys rest. Enter and arrows still act.")
    messages.success(request, said)
    return redirect("labeling:account-keys")


def _change_view(request: AuthedRequest) -> HttpResponse:
    wanted = request.POST.get("view", "")
    view = next((known for known in VIEWS if known == wanted), None)
    if view is None:
        return _show_keys(request)
    services.set_preferences(user=request.user, view=view)
    messages.success(request, _("Two solutions stand as you chose."))
    return redirect("labeling:account-keys")
