"""What a person writes on an item, and the filters of a project's threads."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.comment_rules import MAX_TEXT
from labeling.models import Comment
from labeling.selectors.comments import ThreadFilters

MAX_ID = 2**63 - 1
ACTIONS = ("add", "reply", "resolve", "reopen", "withdraw")


class PersonIds(forms.MultipleChoiceField):
    """Ids of people as the form's boxes send them; the service says who may be named."""

    def clean(self, value: Any) -> list[int]:
        texts = [str(one) for one in value or ()]
        if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts):
            raise forms.ValidationError(_("Choose people from the list."))
        return [int(text) for text in texts]


class WriteForm(forms.Form):
    """All that the panel's forms send; what each action needs, its service says."""

    action = forms.ChoiceField(choices=[(name, name) for name in ACTIONS])
    comment = forms.IntegerField(required=False, min_value=1, max_value=MAX_ID)
    # The length is the service's to refuse: a browser counts line ends as one character.
    text = forms.CharField(required=False, max_length=4 * MAX_TEXT, strip=False)
    position = forms.IntegerField(required=False, min_value=0, max_value=1_000_000)
    reason = forms.ChoiceField(required=False, choices=[("", ""), *Comment.Reason.choices])
    everyone = forms.BooleanField(required=False)
    names = PersonIds(required=False)
    key = forms.UUIDField(required=False)

    def explain(self) -> str:
        """What is wrong, in one sentence."""
        if "text" in self.errors:
            return str(self.errors["text"][0])
        if "names" in self.errors:
            return str(self.errors["names"][0])
        return _("This page is out of date. Load it again.")


class FilterForm(forms.Form):
    """Which threads a project's list shows; nonsense in the address is as if it were not there."""

    state = forms.ChoiceField(
        required=False,
        choices=[("open", ""), ("resolved", ""), ("all", "")],
        widget=forms.HiddenInput,
    )
    kind = forms.ChoiceField(
        required=False, choices=[("", ""), *Comment.Kind.choices], widget=forms.HiddenInput
    )
    q = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Words in it"),
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    reason = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Why it is flagged"),
        choices=[("", gettext_lazy("any reason")), *Comment.Reason.choices],
    )

    def build_filters(self) -> ThreadFilters:
        """The filters; what leads look for first, open flags, where the address says nothing."""
        self.is_valid()
        given = self.cleaned_data
        state = given.get("state") or "open"
        kind = given.get("kind") or ""
        if not given.get("state"):
            kind = kind or Comment.Kind.FLAG
        return ThreadFilters(
            state=state,
            kind=str(kind),
            reason=given.get("reason") or "",
            text=(given.get("q") or "").strip(),
        )

    def build_query(self) -> str:
        """The address of the list that these filters show."""
        filters = self.build_filters()
        return urlencode(
            {
                "state": filters.state,
                "kind": filters.kind,
                "q": filters.text,
                "reason": filters.reason,
            }
        )
