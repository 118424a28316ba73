"""People in projects: invitations, roles, API tokens."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import CharField, DateTimeField
from django.utils import timezone

from labeling.models import ApiToken, Invitation, Membership, Project, User
from labeling.prepared import Prepared
from labeling.services.audit import record_event
from workbench.errors import Conflict, InvalidInput, NotAllowed, NotFound

# Names that others see where a project hides who is who. Birds: short, neutral, easy to tell apart.
BIRDS = (
    *("Heron", "Wren", "Finch", "Plover", "Siskin", "Curlew", "Dunlin", "Egret", "Fulmar"),
    *("Gannet", "Hoopoe", "Ibis", "Jackdaw", "Kestrel", "Lapwing", "Merlin", "Nuthatch"),
    *("Osprey", "Pipit", "Quail", "Redstart", "Skylark", "Tern", "Vireo", "Warbler", "Avocet"),
    *("Bunting", "Crane", "Dipper", "Godwit", "Martin", "Oriole", "Petrel", "Rook", "Swift"),
)
MAX_TOKEN_DAYS = 366
TOKEN_PREFIX = "prm_"  # noqa: S105 - marks our tokens for secret scanners; not a secret


class Issued(NamedTuple):
    """A row and the secret that opens it, which is shown once and never stored."""

    row: Invitation | ApiToken
    secret: str


def hash_secret(secret: str) -> str:
    """SHA-256: our secrets are 256 random bits, so there is nothing to guess or to slow down."""
    return hashlib.sha256(secret.encode()).hexdigest()


def pick_pseudonym(project: Project) -> str:
    """A name nobody in the project has yet."""
    taken = set(Membership.objects.filter(project=project).values_list("pseudonym", flat=True))
    free = [bird for bird in BIRDS if bird not in taken]
    if free:
        # Not in order of joining: the name must not tell who came first.
        return secrets.choice(free)
    number = 2
    while f"{BIRDS[number % len(BIRDS)]} {number}" in taken:
        number += 1
    return f"{BIRDS[number % len(BIRDS)]} {number}"


def add_member(*, project: Project, user: User, role: str, by: User | None) -> Membership:
    """Make the user a member with that role, or give an earlier member another role."""
    if role not in Membership.Role.values:
        raise InvalidInput(
            f"{role!r} is not a role; use {', '.join(Membership.Role.values)}.", field="role"
        )
    with transaction.atomic():
        membership = Membership.objects.filter(project=project, user=user).first()
        if membership is None:
            membership = Membership.objects.create(
                project=project, user=user, role=role, pseudonym=pick_pseudonym(project)
            )
            verb = "member.added"
        else:
            _keep_a_lead(membership, role=role, is_active=True)
            membership.role = role
            membership.is_active = True
            membership.save(update_fields=["role", "is_active"])
            verb = "member.role_changed"
        record_event(
            project=project, actor=by, verb=verb, target=membership, user=user.pk, role=role
        )
    return membership


def remove_member(*, membership: Membership, by: User) -> Membership:
    """End a membership. The person's work and name stay on record."""
    with transaction.atomic():
        _keep_a_lead(membership, role=membership.role, is_active=False)
        membership.is_active = False
        membership.save(update_fields=["is_active"])
        record_event(
            project=membership.project,
            actor=by,
            verb="member.removed",
            target=membership,
            user=membership.user_id,
        )
    return membership


def _keep_a_lead(membership: Membership, *, role: str, is_active: bool) -> None:
    if membership.role != Membership.Role.LEAD or (role == Membership.Role.LEAD and is_active):
        return
    others = (
        Membership.objects.select_for_update()
        .filter(project=membership.project, role=Membership.Role.LEAD, is_active=True)
        .exclude(pk=membership.pk)
    )
    if not others.exists():
        raise Conflict("A project keeps at least one lead. Make somebody else a lead first.")


def invite(*, project: Project, role: str, by: User, note: str = "") -> Issued:
    """A one-time invitation; its secret goes into a link, good for WORKBENCH_INVITATION_SECONDS."""
    if role not in Membership.Role.values:
        raise InvalidInput(f"{role!r} is not a role.", field="role")
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        project=project,
        role=role,
        note=note[:200],
        secret_hash=hash_secret(secret),
        created_by=by,
        expires_at=timezone.now() + timedelta(seconds=settings.WORKBENCH_INVITATION_SECONDS),
    )
    record_event(project=project, actor=by, verb="invitation.made", target=invitation, role=role)
    return Issued(invitation, secret)


def find_invitation(secret: str, *, now: datetime | None = None) -> Invitation:
    """The invitation that this link opens, or NotFound with what became of it."""
    now = now or timezone.now()
    invitation = (
        Invitation.objects.select_related("project").filter(secret_hash=hash_secret(secret)).first()
    )
    if invitation is None:
        raise NotFound("This invitation link is not known. Ask for a new one.")
    if invitation.used_at is not None:
        raise NotFound("This invitation has been used. Sign in, or ask for a new one.")
    if invitation.revoked_at is not None or invitation.expires_at <= now:
        raise NotFound("This invitation has ended. Ask for a new one.")
    return invitation


@transaction.atomic
def accept_invitation(
    *, secret: str, user: User | None = None, username: str = "", password: str = ""
) -> Membership:
    """Join by a one-time link, as the user signed in or as a new one of this name."""
    invitation = find_invitation(secret)
    now = timezone.now()
    used = Invitation.objects.filter(
        pk=invitation.pk, used_at__isnull=True, revoked_at__isnull=True
    ).update(used_at=now)
    if used != 1:
        raise NotFound("This invitation has been used. Sign in, or ask for a new one.")
    if user is None:
        user = create_user(username=username, password=password)
    elif Membership.objects.filter(project=invitation.project, user=user, is_active=True).exists():
        raise Conflict(f"You are a member of {invitation.project.name!r} already.")
    membership = add_member(
        project=invitation.project, user=user, role=invitation.role, by=invitation.created_by
    )
    Invitation.objects.filter(pk=invitation.pk).update(used_by=user)
    return membership


def create_user(*, username: str, password: str, **fields: object) -> User:
    """A new user whose name nobody has, however spelt, and whose password is good enough."""
    username = username.strip()
    user = User(username=username, **fields)
    try:
        validate_password(password, user)
        user.set_password(password)
        user.clean_fields()
    except ValidationError as error:
        if hasattr(error, "error_dict"):
            field, messages = next(iter(error.message_dict.items()))
            raise InvalidInput(messages[0], field=field) from None
        raise InvalidInput(" ".join(error.messages), field="password") from None
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise Conflict(f"The name {username!r} is taken.", field="username") from None
    return user


def revoke_invitation(*, invitation: Invitation, by: User) -> None:
    updated = Invitation.objects.filter(
        pk=invitation.pk, used_at__isnull=True, revoked_at__isnull=True
    ).update(revoked_at=timezone.now())
    if updated != 1:
        raise Conflict("This invitation has ended already.")
    record_event(project=invitation.project, actor=by, verb="invitation.revoked", target=invitation)


def make_token(*, user: User, name: str, scopes: list[str], days: int) -> Issued:
    """An API token that ends by itself. Its secret is shown once; only the hash is kept."""
    name = name.strip()
    if not name:
        raise InvalidInput("Name the token: what will use it?", field="name")
    unknown = set(scopes) - set(ApiToken.Scope.values)
    if unknown or not scopes:
        known = ", ".join(ApiToken.Scope.values)
        raise InvalidInput(f"Choose at least one scope of: {known}.", field="scopes")
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise InvalidInput(f"A token lives 1 to {MAX_TOKEN_DAYS} days, not {days}.", field="days")
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name[:100],
        prefix=secret[:12],
        secret_hash=hash_secret(secret),
        scopes=sorted(set(scopes)),
        expires_at=timezone.now() + timedelta(days=days),
    )
    record_event(project=None, actor=user, verb="token.made", target=token, scopes=token.scopes)
    return Issued(token, secret)


def find_token(secret: str, *, now: datetime | None = None) -> ApiToken | None:
    """The live token with this secret, or None."""
    return _live_token.first(hash=hash_secret(secret), now=now or timezone.now())


# Every request of a script asks for it.
_live_token = Prepared(
    lambda hash, now: ApiToken.objects.select_related("user").filter(
        secret_hash=hash,
        revoked_at__isnull=True,
        expires_at__gt=now,
        user__is_active=True,
    ),
    hash=CharField(),
    now=DateTimeField(),
)


def revoke_token(*, token: ApiToken, by: User) -> None:
    if token.user_id != by.pk and not by.is_superuser:
        raise NotAllowed("You can revoke your own tokens only.")
    ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
    record_event(project=None, actor=by, verb="token.revoked", target=token)
