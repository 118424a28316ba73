"""Who works in a project: roles, invitations, and the page that an invitation opens."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from labeling.access import Capability, get_project
from labeling.models import Invitation, Membership, Project, User
from labeling.services.members import (
    accept_invitation,
    add_member,
    find_invitation,
    invite,
    remove_member,
    revoke_invitation,
)
from labeling.web.errors import Mendable, add_refusal, attempt, page
from labeling.web.nav import build_settings_tabs, project_context
from labeling.web.people_forms import AddMemberForm, InviteForm, JoinForm, RoleForm
from labeling.web.requests import AuthedRequest, paginate
from workbench.errors import NotFound
from workbench.messages import translate_sentence

PAGE_SIZE = 50
# The one that checks passwords; it is named because there is another, which counts attempts.
BACKEND = "django.contrib.auth.backends.ModelBackend"


@page
@never_cache
@require_http_methods(["GET", "POST"])
def members(request: AuthedRequest, slug: str) -> HttpResponse:
    """The members. POST's `action`: invite, add, role, remove, revoke."""
    project = get_project(request.user, slug, Capability.MANAGE)
    if request.method != "POST":
        return _show(request, project)
    action = request.POST.get("action", "")
    if action == "invite":
        return _invite(request, project)
    if action == "add":
        return _add(request, project)
    if action == "revoke":
        _revoke(request, project)
    elif action in ("role", "remove"):
        _change(request, project, action)
    else:
        messages.error(request, _("This page is out of date. Load it again."))
    return redirect("labeling:members", slug)


def _show(request: AuthedRequest, project: Project, **more: Any) -> HttpResponse:
    rows = (
        Membership.objects.filter(project=project, is_active=True)
        .select_related("user")
        .annotate(
            submitted=Count(
                "user__annotations", filter=Q(user__annotations__project=project), distinct=True
            )
        )
        .order_by("role", "user__username")
    )
    context: dict[str, Any] = {
        **project_context(request, project, "settings"),
        "tabs": build_settings_tabs(project, "members", can_manage=True),
        "page": paginate(request, rows, size=PAGE_SIZE),
        "former": Membership.objects.filter(project=project, is_active=False).count(),
        "invitations": Invitation.objects.filter(
            project=project,
            used_at__isnull=True,
            revoked_at__isnull=True,
            expires_at__gt=timezone.now(),
        )
        .select_related("created_by")
        .order_by("-pk"),
        "roles": Membership.Role.choices,
        "invite_form": InviteForm(initial={"role": Membership.Role.ANNOTATOR}, auto_id="invite_%s"),
        "add_form": AddMemberForm(initial={"role": Membership.Role.ANNOTATOR}, auto_id="add_%s"),
        "link": "",
    }
    context |= more
    refused = any(form.errors for form in (context["invite_form"], context["add_form"]))
    return render(request, "labeling/members.html", context, status=400 if refused else 200)


def _invite(request: AuthedRequest, project: Project) -> HttpResponse:
    form = InviteForm(request.POST, auto_id="invite_%s")
    if not form.is_valid():
        return _show(request, project, invite_form=form)
    issued = invite(
        project=project,
        role=form.cleaned_data["role"],
        note=form.cleaned_data["note"],
        by=request.user,
    )
    # Shown in the answer itself: on its way through a redirect the secret would have to be stored.
    link = request.build_absolute_uri(reverse("labeling:invitation", args=[issued.secret]))
    return _show(request, project, link=link)


def _add(request: AuthedRequest, project: Project) -> HttpResponse:
    form = AddMemberForm(request.POST, auto_id="add_%s")
    if form.is_valid():
        username = form.cleaned_data["username"].strip()
        user = User.objects.filter(username__iexact=username, is_active=True).first()
        if user is None:
            form.add_error(
                "username",
                _("Nobody here is called %(name)s. Invite them instead.") % {"name": username},
            )
        else:
            made = attempt(
                request,
                lambda: add_member(
                    project=project, user=user, role=form.cleaned_data["role"], by=request.user
                ),
                done=_("%(name)s is a member now.") % {"name": user.name},
            )
            if made is not None:
                return redirect("labeling:members", project.slug)
    return _show(request, project, add_form=form)


def _change(request: AuthedRequest, project: Project, action: str) -> None:
    membership = _find(Membership.objects.select_related("user"), request, project)
    name = membership.user.name
    if action == "remove":
        attempt(
            request,
            lambda: remove_member(membership=membership, by=request.user),
            done=_("%(name)s is no longer a member. Their work stays.") % {"name": name},
        )
        return
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose a role from the list."))
        return
    attempt(
        request,
        lambda: add_member(
            project=project,
            user=membership.user,
            role=form.cleaned_data["role"],
            by=request.user,
        ),
        done=_("%(name)s has another role now.") % {"name": name},
    )


def _revoke(request: AuthedRequest, project: Project) -> None:
    invitation = _find(Invitation.objects.all(), request, project)
    attempt(
        request,
        lambda: revoke_invitation(invitation=invitation, by=request.user),
        done=_("The invitation is revoked; its link opens nothing any more."),
    )


def _find(rows: Any, request: AuthedRequest, project: Project) -> Any:
    """The row of this project that the form names by its id."""
    value = request.POST.get("id", "")
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise Http404("No id was sent.")
    return get_object_or_404(rows, project=project, pk=int(value))


# --- The invitation -----------------------------------------------------------------------------


@login_not_required
@page
@never_cache
@sensitive_post_parameters("password", "again")
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Join by a one-time link: as the person signed in, or with a new account."""
    try:
        found = find_invitation(secret)
    except NotFound as error:
        return render(
            request,
            "labeling/invitation.html",
            {"problem": translate_sentence(error.message)},
            status=404,
        )
    user = request.user if isinstance(request.user, User) else None
    form = JoinForm(request.POST or None)
    refusal = ""
    if request.method == "POST" and (user is not None or form.is_valid()):
        values = {} if user is not None else form.cleaned_data
        try:
            membership = accept_invitation(
                secret=secret,
                user=user,
                username=values.get("username", ""),
                password=values.get("password", ""),
            )
        except (*Mendable, NotFound) as error:
            refusal = translate_sentence(error.message)
            if user is None:
                add_refusal(form, error)
        else:
            return _welcome(request, membership, is_new=user is None)
    return render(
        request,
        "labeling/invitation.html",
        {
            "invitation": found,
            "form": form,
            "person": user,
            "refusal": refusal,
            "problem": "",
        },
        status=400 if refusal or form.errors else 200,
    )


def _welcome(request: HttpRequest, membership: Membership, *, is_new: bool) -> HttpResponse:
    if is_new:
        login(request, membership.user, backend=BACKEND)
    messages.success(request, _("Welcome to %(project)s.") % {"project": membership.project.name})
    page_name = "work" if membership.role == Membership.Role.ANNOTATOR else "overview"
    return redirect(f"labeling:{page_name}", membership.project.slug)
