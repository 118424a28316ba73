"""Oneself, the members of a project, invitations and tokens."""

from __future__ import annotations

from typing import cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import CAPABILITIES, Capability
from labeling.api.links import link_invitation
from labeling.api.serializers.people import (
    InvitationSerializer,
    MadeInvitationSerializer,
    MadeTokenSerializer,
    MemberSerializer,
    MeSerializer,
    NewInvitationSerializer,
    NewTokenSerializer,
    RoleChangeSerializer,
    TokenSerializer,
)
from labeling.models import ApiToken, Invitation, Membership, Project
from labeling.services import members
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import ANY_SCOPE, SESSION_ONLY, Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView
from workbench.errors import NotFound


class MeView(ApiView):
    """Whoever asks."""

    tag = "people"
    scopes = {"GET": ANY_SCOPE}

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """Who you are, what your token may do, and your projects with what you may do there."""
        self.read_query(Nothing)
        user, token = self.user, request.auth
        held = {
            membership.project_id: membership
            for membership in user.memberships.filter(is_active=True)
        }
        shown = MeSerializer(
            {
                "id": user.pk,
                "username": user.username,
                "name": user.name,
                "language": user.language,
                "is_staff": user.is_staff,
                "is_superuser": user.is_superuser,
                "token": token if isinstance(token, ApiToken) else None,
                "projects": [
                    self._describe(project, held.get(project.pk))
                    for project in access.list_projects(user)
                ],
            }
        )
        return Response(shown.data)

    def _describe(self, project: Project, membership: Membership | None) -> dict[str, object]:
        may = (
            frozenset(Capability)
            if self.user.is_superuser or membership is None
            else CAPABILITIES[membership.role]
        )
        return {
            "slug": project.slug,
            "name": project.name,
            "role": membership.role if membership else "",
            "pseudonym": membership.pseudonym if membership else "",
            "capabilities": sorted(may),
        }


class MembersView(ApiView):
    """The members of a project."""

    tag = "people"
    scopes = {"GET": (Scope.ADMIN,)}

    @extend_schema(responses=MemberSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Who is in the project, under which name and pseudonym. For leads."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug, Capability.MANAGE)
        rows = project.memberships.filter(is_active=True).select_related("user")
        return self.list_page(rows, MemberSerializer)


class MemberView(ApiView):
    """One member."""

    tag = "people"
    scopes = {"PATCH": (Scope.ADMIN,), "DELETE": (Scope.ADMIN,)}

    @extend_schema(request=RoleChangeSerializer, responses=MemberSerializer)
    def patch(self, request: Request, slug: str, member_id: int) -> Response:
        """Give a member another role. A project keeps at least one lead."""
        membership = self._get(slug, member_id)
        data = self.read(RoleChangeSerializer)
        changed = members.add_member(
            project=membership.project, user=membership.user, role=data["role"], by=self.user
        )
        return Response(MemberSerializer(changed).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, slug: str, member_id: int) -> Response:
        """End a membership. The person's work stays on record."""
        members.remove_member(membership=self._get(slug, member_id), by=self.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _get(self, slug: str, member_id: int) -> Membership:
        project = access.get_project(self.user, slug, Capability.MANAGE)
        found = (
            Membership.objects.select_related("project", "user")
            .filter(project=project, pk=member_id, is_active=True)
            .first()
        )
        if found is None:
            raise NotFound(f"This project has no member {member_id}.")
        return found


class InvitationsView(ApiView):
    """Invitations into a project."""

    tag = "people"
    scopes = {"GET": (Scope.ADMIN,), "POST": (Scope.ADMIN,)}
    pagination_class = NewestFirst

    @extend_schema(responses=InvitationSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The invitations made so far. For leads."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug, Capability.MANAGE)
        rows = project.invitations.select_related("created_by", "used_by")
        return self.list_page(rows, InvitationSerializer, context={"now": timezone.now()})

    @extend_schema(request=NewInvitationSerializer, responses={201: MadeInvitationSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Invite somebody by a one-time link. Its secret is in this answer and nowhere else."""
        project = access.get_project(self.user, slug, Capability.MANAGE)
        data = self.read(NewInvitationSerializer)
        issued = members.invite(project=project, by=self.user, **data)
        shown = MadeInvitationSerializer(
            cast(Invitation, issued.row),
            context={
                "now": timezone.now(),
                "secret": issued.secret,
                "url": request.build_absolute_uri(link_invitation(issued.secret)),
            },
        )
        return Response(shown.data, status=status.HTTP_201_CREATED)


class InvitationView(ApiView):
    """One invitation."""

    tag = "people"
    scopes = {"DELETE": (Scope.ADMIN,)}

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, slug: str, invitation_id: int) -> Response:
        """Take an invitation back before it is used."""
        project = access.get_project(self.user, slug, Capability.MANAGE)
        invitation = project.invitations.select_related("project").filter(pk=invitation_id).first()
        if invitation is None:
            raise NotFound(f"This project has no invitation {invitation_id}.")
        members.revoke_invitation(invitation=invitation, by=self.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TokensView(ApiView):
    """One's own tokens. A token makes no token: it could give itself scopes, or live for ever."""

    tag = "people"
    scopes = {"GET": ANY_SCOPE, "POST": SESSION_ONLY}
    pagination_class = NewestFirst

    @extend_schema(responses=TokenSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Your tokens, without their secrets."""
        self.read_query(Nothing)
        return self.list_page(self.user.api_tokens.all(), TokenSerializer)

    @extend_schema(request=NewTokenSerializer, responses={201: MadeTokenSerializer})
    def post(self, request: Request) -> Response:
        """Make a token. Its secret is in this answer and nowhere else."""
        data = self.read(NewTokenSerializer)
        issued = members.make_token(user=self.user, **data)
        shown = MadeTokenSerializer(cast(ApiToken, issued.row), context={"secret": issued.secret})
        return Response(shown.data, status=status.HTTP_201_CREATED)


class TokenView(ApiView):
    """One token of one's own."""

    tag = "people"
    scopes = {"DELETE": SESSION_ONLY}

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, token_id: int) -> Response:
        """Revoke a token; it opens nothing from now on."""
        token = self.user.api_tokens.filter(pk=token_id).first()
        if token is None:
            raise NotFound(f"You have no token {token_id}.")
        members.revoke_token(token=token, by=self.user)
        return Response(status=status.HTTP_204_NO_CONTENT)
