"""Forms about people: roles, invitations, tokens, one's own account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.models import ApiToken, Membership
from labeling.services.members import MAX_TOKEN_DAYS


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Membership.Role.choices)


class InviteForm(RoleForm):
    note = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("For whom"),
        help_text=gettext_lazy("Only leads see it."),
    )


class AddMemberForm(RoleForm):
    username = forms.CharField(
        max_length=150,
        label=gettext_lazy("Sign-in name"),
        help_text=gettext_lazy("Of somebody who has an account here already."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class JoinForm(forms.Form):
    """A new account, made by an invitation."""

    username = forms.CharField(
        max_length=150,
        label=gettext_lazy("Sign-in name"),
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        strip=False,
        label=gettext_lazy("Password"),
        help_text=gettext_lazy("At least ten characters, and not a common one."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        strip=False,
        label=gettext_lazy("Password again"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        password, again = values.get("password"), values.get("again")
        if password and again and password != again:
            self.add_error("again", ValidationError(_("The two passwords differ.")))
        return values


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=100, label=gettext_lazy("Name"), help_text=gettext_lazy("What will use it?")
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("It may"),
        choices=ApiToken.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Never more than you may yourself."),
    )
    days = forms.IntegerField(
        min_value=1, max_value=MAX_TOKEN_DAYS, initial=90, label=gettext_lazy("Days until it ends")
    )


class LanguageForm(forms.Form):
    language = forms.ChoiceField(
        label=gettext_lazy("Language"), choices=lambda: settings.LANGUAGES, widget=forms.RadioSelect
    )


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(
        label=gettext_lazy("Theme"),
        choices=[
            ("system", gettext_lazy("As the system")),
            ("light", gettext_lazy("Light")),
            ("dark", gettext_lazy("Dark")),
        ],
        widget=forms.RadioSelect,
    )


class NameForm(forms.Form):
    display_name = forms.CharField(
        required=False,
        max_length=150,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("As others see you where names are shown."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
