"""The form of a labelling rule: a field for each of its settings, as the method declares them."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy

from modeljobs.methods.rpe_labels import LabelRule
from modeljobs.methods.rpe_options import LABEL_OPTIONS
from modeljobs.readings import pack_rule
from modeljobs.services.readings import MAX_NOTE
from modeljobs.web.forms import build_field

# What most people change; the edges stand behind "More".
MAIN: Final = ("rule", "epsilon", "threshold")


class RuleForm(forms.Form):
    """The rule, and a note for those who freeze labels by it."""

    note = forms.CharField(
        required=False,
        max_length=MAX_NOTE,
        label=gettext_lazy("Note"),
        help_text=gettext_lazy("Kept beside the frozen file."),
    )

    def __init__(self, *args: Any, rule: LabelRule, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        values = pack_rule(rule)
        for option in LABEL_OPTIONS:
            made = build_field(option)
            made.initial = values[option.name]
            made.required = option.type != "bool"
            self.fields[option.name] = made

    def build_settings(self) -> dict[str, Any]:
        """What the service takes."""
        return {option.name: self.cleaned_data[option.name] for option in LABEL_OPTIONS}

    @property
    def main_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in MAIN]

    @property
    def edge_fields(self) -> list[forms.BoundField]:
        return [self[option.name] for option in LABEL_OPTIONS if option.name not in MAIN]

    @property
    def has_edge_errors(self) -> bool:
        return any(field.errors for field in self.edge_fields)
