"""Forms drawn from what methods and engines declare: one field for each setting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from labeling.web.forms import find_choices
from modeljobs.engines.catalog import EngineKind
from modeljobs.engines.options import Option
from modeljobs.methods.base import Method
from modeljobs.models import Engine

# Seeds that a form takes: they fit into every engine's own.
LARGEST_SEED = 2**31 - 1


class JsonField(forms.CharField):
    """An object as JSON text; empty is None."""

    widget = forms.Textarea(attrs={"rows": 2, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        return json.dumps(value, ensure_ascii=False, indent=1)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            raise forms.ValidationError(
                _("This is not JSON: %(reason)s") % {"reason": error}
            ) from None


def build_field(option: Option) -> forms.Field:
    """The field for one setting; the setting's own check still follows in the service."""
    shared: dict[str, Any] = {
        "label": option.title,
        "help_text": option.help,
        "required": option.required,
        "initial": option.default,
    }
    match option.type:
        case "int":
            return forms.IntegerField(
                min_value=_whole(option.minimum), max_value=_whole(option.maximum), **shared
            )
        case "float":
            return forms.FloatField(
                min_value=option.minimum,
                max_value=option.maximum,
                widget=forms.NumberInput(attrs={"step": "any"}),
                **shared,
            )
        case "bool":
            return forms.BooleanField(**{**shared, "required": False})
        case "choice":
            return forms.ChoiceField(choices=option.choices, **shared)
        case "choices":
            chosen = {**shared, "initial": list(option.default or ())}
            return forms.MultipleChoiceField(
                choices=option.choices, widget=forms.CheckboxSelectMultiple, **chosen
            )
        case "json":
            return JsonField(**shared)
        case "text":
            return forms.CharField(**shared)


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


class _OptionsForm(forms.Form):
    """A form with a field for each option, under a prefix that keeps them from other fields."""

    OPTION = "option-"

    def add_options(
        self, options: Sequence[Option], values: Mapping[str, Any] | None = None
    ) -> None:
        self.options = tuple(options)
        for option in options:
            field = build_field(option)
            if values is not None and option.name in values:
                field.initial = values[option.name]
            self.fields[f"{self.OPTION}{option.name}"] = field

    def build_settings(self) -> dict[str, Any]:
        """What was filled in; what was left empty counts as not given."""
        settings = {}
        for option in self.options:
            value = self.cleaned_data[f"{self.OPTION}{option.name}"]
            if value not in (None, ""):
                settings[option.name] = value
        return settings

    @property
    def option_fields(self) -> list[forms.BoundField]:
        return [self[f"{self.OPTION}{option.name}"] for option in self.options]


class EngineChoiceField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """Engines by name; the one without a model says so."""

    def label_from_instance(self, obj: Engine) -> str:
        if obj.is_scripted:
            return _("%(name)s (scripted: seeded rules, no model)") % {"name": obj.name}
        return f"{obj.name} ({obj.model})" if obj.model else str(obj.name)


class JobForm(_OptionsForm):
    """Which method, by which engine, on which solutions."""

    engine = EngineChoiceField(
        queryset=Engine.objects.none(), label=gettext_lazy("Engine"), empty_label=None
    )
    source = forms.ChoiceField(required=False, label=gettext_lazy("Solutions of"))
    correct_only = forms.BooleanField(
        required=False,
        initial=True,
        label=gettext_lazy("Only solutions that are known to be right"),
        help_text=gettext_lazy(
            "By their final answer, or because somebody judged every step and found none wrong."
        ),
    )
    limit = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=1_000_000,
        initial=20,
        label=gettext_lazy("At most so many solutions"),
    )
    shuffle = forms.BooleanField(
        required=False, label=gettext_lazy("Choose them at random, by the seed")
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=LARGEST_SEED,
        initial=0,
        label=gettext_lazy("Seed"),
        help_text=gettext_lazy("The same seed, settings and replies give the same requests."),
    )

    def __init__(
        self, *args: Any, method: Method, engines: Any, sources: list[str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ModelChoiceField[Engine]", self.fields["engine"]).queryset = engines
        find_choices(self, "source").choices = [
            ("", gettext_lazy("Any source")),
            *[(name, name) for name in sources],
        ]
        self.add_options(method.parameters)

    def build_selection(self) -> dict[str, Any]:
        values = self.cleaned_data
        selection: dict[str, Any] = {
            "correct_only": values["correct_only"],
            "shuffle": values["shuffle"],
        }
        if values["source"]:
            selection["source"] = values["source"]
        if values["limit"]:
            selection["limit"] = values["limit"]
        return selection

    @property
    def selection_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("source", "correct_only", "limit", "shuffle", "seed")]


class EngineForm(_OptionsForm):
    """An engine's name, its kind's settings, and what may be done with what it writes."""

    name = forms.CharField(max_length=80, label=gettext_lazy("Name"))
    output_may_train = forms.TypedChoiceField(
        required=False,
        label=gettext_lazy("May its output train a model?"),
        choices=[
            ("", pgettext_lazy("output terms", "Not known")),
            ("yes", pgettext_lazy("output terms", "Yes")),
            ("no", pgettext_lazy("output terms", "No")),
        ],
        coerce=lambda value: value == "yes",
        empty_value=None,
    )
    output_terms = forms.CharField(
        required=False,
        max_length=5_000,
        label=gettext_lazy("The provider's terms for its output"),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(
        self,
        *args: Any,
        kind: EngineKind,
        key_names: Sequence[str],
        values: Mapping[str, Any] | None = None,
        with_switch: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.add_options(kind.options, values)
        key = f"{self.OPTION}key_name"
        if key in self.fields:
            self.fields[key] = _key_field(self.fields[key], key_names)
        if with_switch:
            self.fields["is_active"] = forms.BooleanField(
                required=False, label=gettext_lazy("New jobs may use it")
            )


def _key_field(field: forms.Field, key_names: Sequence[str]) -> forms.ChoiceField:
    """Keys are chosen by name: the browser never sees one, nor sends one."""
    current = str(field.initial or "").removeprefix("WORKBENCH_ENGINE_KEY_")
    names = sorted({*key_names, current} - {""})
    return forms.ChoiceField(
        required=False,
        label=field.label,
        initial=current,
        choices=[("", gettext_lazy("No key")), *[(name, name) for name in names]],
        help_text=gettext_lazy(
            "Keys live in the server's environment as WORKBENCH_ENGINE_KEY_NAME, each bound to "
            "hosts by WORKBENCH_ENGINE_HOSTS_NAME. The operator sets both; here stand the names."
        ),
    )
