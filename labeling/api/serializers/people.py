"""Who works here: oneself, members, invitations and tokens."""

from __future__ import annotations

from rest_framework import serializers

from labeling.models import ApiToken, Invitation, Membership
from workbench.api.serializers import Input


class MyProjectSerializer(serializers.Serializer[object]):
    """A project of one's own, with what one may do there."""

    slug = serializers.CharField()
    name = serializers.CharField()
    role = serializers.CharField()
    pseudonym = serializers.CharField(help_text="The name that others see where names are hidden.")
    capabilities = serializers.ListField(child=serializers.CharField())


class MyTokenSerializer(serializers.Serializer[object]):
    """The token of this request."""

    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(ApiToken.Scope.choices))
    expires_at = serializers.DateTimeField()


class MeSerializer(serializers.Serializer[object]):
    """Whoever asks."""

    id = serializers.IntegerField()
    username = serializers.CharField()
    name = serializers.CharField()
    language = serializers.CharField()
    is_staff = serializers.BooleanField()
    is_superuser = serializers.BooleanField()
    token = MyTokenSerializer(allow_null=True, help_text="Null for a session.")
    projects = MyProjectSerializer(many=True)


class MemberSerializer(serializers.ModelSerializer[Membership]):
    """A member of a project."""

    user = serializers.IntegerField(source="user_id")
    username = serializers.CharField(source="user.username")
    name = serializers.CharField(source="user.name")
    is_simulated = serializers.BooleanField(source="user.is_simulated")

    class Meta:
        model = Membership
        fields: tuple[str, ...] = (
            *("id", "user", "username", "name", "pseudonym", "role", "is_simulated"),
            "created_at",
        )
        read_only_fields = fields


class RoleChangeSerializer(Input):
    """Another role for a member."""

    role = serializers.ChoiceField(Membership.Role.choices)


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """An invitation; the secret in its link is shown once, when it is made."""

    state = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.name")
    used_by = serializers.SerializerMethodField()

    class Meta:
        model = Invitation
        fields: tuple[str, ...] = (
            *("id", "role", "note", "state", "created_by", "created_at", "expires_at"),
            *("used_at", "used_by", "revoked_at"),
        )
        read_only_fields = fields

    def get_state(self, invitation: Invitation) -> str:
        """open, used, revoked or expired."""
        if invitation.used_at is not None:
            return "used"
        if invitation.revoked_at is not None:
            return "revoked"
        return "expired" if invitation.expires_at <= self.context["now"] else "open"

    def get_used_by(self, invitation: Invitation) -> str | None:
        return None if invitation.used_by is None else invitation.used_by.name


class MadeInvitationSerializer(InvitationSerializer):
    """An invitation just made, with its secret."""

    secret = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField(help_text="Send this link to the person you invite.")

    class Meta(InvitationSerializer.Meta):
        fields: tuple[str, ...] = (*InvitationSerializer.Meta.fields, "secret", "url")
        read_only_fields = fields

    def get_secret(self, invitation: Invitation) -> str:
        return str(self.context["secret"])

    def get_url(self, invitation: Invitation) -> str:
        return str(self.context["url"])


class NewInvitationSerializer(Input):
    """An invitation to be made."""

    role = serializers.ChoiceField(Membership.Role.choices)
    note = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """A token; its secret is shown once, when it is made."""

    scopes = serializers.ListField(child=serializers.ChoiceField(ApiToken.Scope.choices))

    class Meta:
        model = ApiToken
        fields: tuple[str, ...] = (
            "id",
            "name",
            "prefix",
            "scopes",
            "created_at",
            "expires_at",
            "revoked_at",
        )
        read_only_fields = fields


class MadeTokenSerializer(TokenSerializer):
    """A token just made, with its secret."""

    secret = serializers.SerializerMethodField()

    class Meta(TokenSerializer.Meta):
        fields: tuple[str, ...] = (*TokenSerializer.Meta.fields, "secret")
        read_only_fields = fields

    def get_secret(self, token: ApiToken) -> str:
        return str(self.context["secret"])


class NewTokenSerializer(Input):
    """A token to be made."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(ApiToken.Scope.choices), allow_empty=False, max_length=20
    )
    days = serializers.IntegerField(min_value=1, max_value=366, help_text="How long it lives.")
