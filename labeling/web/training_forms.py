"""Forms of the training set: choosing it, explaining it, letting somebody in."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.models import ReviewItem
from labeling.services.training import MAX_EXPLANATION, MAX_REASON, MAX_SET

# A seed is any number that a form can hold; people type 1, 2, 3.
MAX_SEED = 2**31 - 1


class ChooseForm(forms.Form):
    """A balanced set, chosen by chance."""

    size = forms.IntegerField(min_value=1, max_value=MAX_SET, label=_("Items in the set"))
    seed = forms.IntegerField(
        min_value=0,
        max_value=MAX_SEED,
        initial=1,
        label=_("Seed"),
        help_text=_("The same seed chooses the same items."),
    )


class ExplainForm(forms.Form):
    """Why the expected answer is what it is."""

    explanation = forms.CharField(
        required=False,
        max_length=MAX_EXPLANATION,
        label=_("Explanation"),
        help_text=_("Shown after the answer. Formulas, lists and *emphasis* as in the guidelines."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class LetInForm(forms.Form):
    """Why somebody may work who has not passed."""

    reason = forms.CharField(max_length=MAX_REASON, label=_("Reason"))


class SettledForm(forms.Form):
    """Which settled items are listed to choose from."""

    task = forms.ChoiceField(
        required=False,
        label=_("Task"),
        choices=[("", _("Both tasks")), *ReviewItem.Task.choices],
    )
    q = forms.CharField(
        required=False,
        max_length=200,
        label=_("Words of the problem"),
        widget=forms.TextInput(attrs={"type": "search"}),
    )

    def read(self) -> dict[str, str]:
        """The filters; what makes no sense filters nothing."""
        self.is_valid()
        values = self.cleaned_data
        return {"task": values.get("task", ""), "text": values.get("q", "").strip()}
