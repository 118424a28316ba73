"""Forms of what a person has submitted: the search, and the reason of a change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy, pgettext_lazy

from labeling.content import VerdictValue
from labeling.models import ReviewItem
from labeling.selectors.submitted import ERROR, GAVE_UP, NO_ERROR, SubmittedFilters
from labeling.web.forms import find_choices

ANY_STATE = gettext_lazy("Any state")


def _date(label: Any) -> forms.DateField:
    # A date control sends and takes this form, whatever language the page is in.
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(required=False, label=label, widget=widget, input_formats=["%Y-%m-%d"])


class SubmittedForm(forms.Form):
    """What to look for among one's own; every field may stay empty."""

    text = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Words in the problem or a step"),
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    note = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Words in your notes"),
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    said = forms.ChoiceField(
        required=False,
        label=gettext_lazy("You said"),
        choices=[
            ("", gettext_lazy("Anything")),
            (ERROR, gettext_lazy("An error (rating)")),
            (NO_ERROR, gettext_lazy("No error (rating)")),
            (str(VerdictValue.ACCEPT), gettext_lazy("Accept")),
            (str(VerdictValue.ACCEPT_WITH_EDITS), gettext_lazy("Accept with edits")),
            (str(VerdictValue.REJECT), gettext_lazy("Reject")),
            (str(VerdictValue.UNSURE), gettext_lazy("Unsure")),
            (str(VerdictValue.BAD_PROBLEM), gettext_lazy("Bad problem")),
            (GAVE_UP, gettext_lazy("Gave up")),
        ],
    )
    error_type = forms.ChoiceField(required=False, label=gettext_lazy("Error type"))
    state = forms.ChoiceField(
        required=False,
        label=gettext_lazy("The item now"),
        choices=[("", ANY_STATE), *ReviewItem.State.choices],
    )
    since = _date(pgettext_lazy("first day", "From"))
    until = _date(pgettext_lazy("last day", "To"))
    changed = forms.BooleanField(required=False, label=gettext_lazy("Only those you changed"))

    def __init__(self, *args: Any, error_types: Iterable[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        anything = ("", gettext_lazy("Any type"))
        find_choices(self, "error_type").choices = [anything, *error_types]

    def build_filters(self) -> SubmittedFilters:
        """What is valid of what was asked; what means nothing is passed over, and said beside."""
        self.is_valid()
        given = {name: value for name, value in self.cleaned_data.items() if value}
        return SubmittedFilters(**given)


class ReasonForm(forms.Form):
    """Why somebody changes what they have said."""

    reason = forms.CharField(
        max_length=10_000,
        label=gettext_lazy("Why do you change your judgement?"),
        help_text=gettext_lazy("It stands beside the change, for leads and adjudicators."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
