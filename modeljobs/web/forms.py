"""Forms drawn from what methods and engines declare: one field for each setting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from labeling.web.forms import find_choices
from modeljobs.engines.catalog import EngineKind
from modeljobs.engines.options import Option
from modeljobs.methods.base import Method
from modeljobs.models import Engine
from modeljobs.services import acceptance
from modeljobs.services.budgets import NAMES
from workbench.messages import translate_sentence

# Seeds that a form takes: they fit into every engine's own.
LARGEST_SEED = 2**31 - 1
# Budgets are fields under a prefix of their own: a method may have a setting of the same name.
BUDGET = "budget-"
GUARD = "guard-"
# Settings that stand together in a form, whichever method has them; the rest are the method's own.
SAMPLING = frozenset(
    {
        *("temperature", "top_p", "top_k", "min_p", "max_tokens", "logprobs"),
        *("repetition_penalty", "presence_penalty", "frequency_penalty", "stop"),
    }
)
PROMPT = frozenset({"examples", "opening", "template", "assistant_tag", "system"})


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
        "label": translate_sentence(option.title),
        "help_text": translate_sentence(option.help),
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
            return forms.ChoiceField(
                choices=[(value, translate_sentence(title)) for value, title in option.choices],
                **shared,
            )
        case "choices":
            chosen = {**shared, "initial": list(option.default or ())}
            return forms.MultipleChoiceField(
                choices=[(value, translate_sentence(title)) for value, title in option.choices],
                widget=forms.CheckboxSelectMultiple,
                **chosen,
            )
        case "json":
            return JsonField(**shared)
        case "text":
            return forms.CharField(**shared)


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


@dataclass(frozen=True, slots=True)
class OptionGroup:
    """Settings that are about one thing; the first group has the method's own title."""

    name: str
    title: str
    fields: list[forms.BoundField] = field(default_factory=list)


class _OptionsForm(forms.Form):
    """A form with a field for each option, under a prefix that keeps them from other fields."""

    OPTION = "option-"

    def add_options(
        self, options: Sequence[Option], values: Mapping[str, Any] | None = None
    ) -> None:
        self.options = tuple(options)
        for option in options:
            made = build_field(option)
            if values is not None and option.name in values:
                made.initial = values[option.name]
            self.fields[f"{self.OPTION}{option.name}"] = made

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

    @property
    def option_groups(self) -> list[OptionGroup]:
        """The settings by what they are about, in the order of their declaration."""
        groups = [
            OptionGroup("method", ""),
            OptionGroup("prompt", _("What the prompt looks like")),
            OptionGroup("sampling", _("How the engine writes")),
        ]
        for option in self.options:
            place = 2 if option.name in SAMPLING else 1 if option.name in PROMPT else 0
            groups[place].fields.append(self[f"{self.OPTION}{option.name}"])
        return [group for group in groups if group.fields]


class EngineChoiceField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """Engines by name; the one without a model says so."""

    def label_from_instance(self, obj: Engine) -> str:
        if obj.is_scripted:
            return _("%(name)s (scripted: seeded rules, no model)") % {"name": obj.name}
        if obj.kind == Engine.Kind.TINY:
            return _("%(name)s (tiny arithmetic model)") % {"name": obj.name}
        return f"{obj.name} ({obj.model})" if obj.model else str(obj.name)


def build_budget_fields() -> dict[str, forms.Field]:
    """What stops a job by itself when it is used up; empty is no bound."""
    return {
        "max_tokens": forms.IntegerField(
            required=False,
            min_value=1,
            max_value=10**12,
            label=gettext_lazy("At most so many tokens"),
            help_text=gettext_lazy("Read and written together."),
        ),
        "max_cost": forms.FloatField(
            required=False,
            min_value=0.0001,
            max_value=10**9,
            label=gettext_lazy("At most this cost"),
            help_text=gettext_lazy("In the currency of the engine's prices; it must have some."),
            widget=forms.NumberInput(attrs={"step": "any"}),
        ),
        "max_seconds": forms.IntegerField(
            required=False,
            min_value=1,
            max_value=10**8,
            label=gettext_lazy("At most so many seconds at work"),
            help_text=gettext_lazy("Pauses do not count."),
        ),
    }


def read_budget_fields(form: forms.Form) -> dict[str, Any]:
    """The budgets of a form that is valid: what was left empty is left out."""
    given = {name: form.cleaned_data[f"{BUDGET}{name}"] for name in NAMES}
    return {name: value for name, value in given.items() if value is not None}


class BudgetForm(forms.Form):
    """The budgets of a job that was made already; what is left empty has no bound."""

    BUDGET = BUDGET

    def __init__(self, *args: Any, budgets: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, bound in build_budget_fields().items():
            bound.initial = budgets.get(name)
            self.fields[f"{BUDGET}{name}"] = bound


def build_guard_fields() -> dict[str, forms.Field]:
    """What stops a job when people reject too much of what it makes; empty is no guard."""
    return {
        "min_acceptance": forms.FloatField(
            required=False,
            min_value=0.01,
            max_value=1,
            label=gettext_lazy("When people accept less than this share"),
            help_text=gettext_lazy(
                "For example 0.5. Of the work of the same model and prompts, class by class; it "
                "stops once even the upper end of the 95 % interval lies below."
            ),
            widget=forms.NumberInput(attrs={"step": "any"}),
        ),
        "min_reviewed": forms.IntegerField(
            required=False,
            min_value=1,
            max_value=acceptance.MOST_REVIEWED,
            label=gettext_lazy("Asked from so many reviewed on"),
            help_text=gettext_lazy("20 if nothing else is wanted."),
        ),
    }


def read_guard_fields(form: forms.Form) -> dict[str, Any]:
    """The guards of a form that is valid: what was left empty is left out."""
    given = {name: form.cleaned_data[f"{GUARD}{name}"] for name in acceptance.NAMES}
    return {name: value for name, value in given.items() if value is not None}


class GuardForm(forms.Form):
    """The guard of a job that was made already; what is left empty guards nothing."""

    def __init__(self, *args: Any, guards: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, made in build_guard_fields().items():
            made.initial = guards.get(name)
            self.fields[f"{GUARD}{name}"] = made


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
    verified_only = forms.BooleanField(
        required=False,
        label=gettext_lazy("Only solutions that people of this project found right"),
        help_text=gettext_lazy("In every step, agreed by the reviewers or decided."),
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

    BUDGET = BUDGET

    def __init__(
        self, *args: Any, method: Method, engines: Any, sources: list[str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if method.judges:
            # Its rules write injections and nothing else.
            engines = engines.exclude(kind=Engine.Kind.SCRIPTED)
        if not method.asks_engine:
            engines = engines.filter(kind=Engine.Kind.SCRIPTED)
        cast("forms.ModelChoiceField[Engine]", self.fields["engine"]).queryset = engines
        find_choices(self, "source").choices = [
            ("", gettext_lazy("Any source")),
            *[(name, name) for name in sources],
        ]
        if method.judges:
            # Any solution may be judged; the wrong ones are what it is for.
            self.fields["correct_only"].initial = False
            self.fields["engine"].initial = engines.filter(kind=Engine.Kind.TINY).first()
            self.fields["kind"] = forms.ChoiceField(
                required=False,
                label=gettext_lazy("Which of them"),
                choices=[
                    ("", gettext_lazy("All")),
                    ("solutions", gettext_lazy("Solutions as they came")),
                    ("injections", gettext_lazy("Injected ones")),
                ],
            )
        for name, bound in build_budget_fields().items():
            self.fields[f"{BUDGET}{name}"] = bound
        self.has_guards = method.asks_engine and not method.judges
        if self.has_guards:
            for name, guard in build_guard_fields().items():
                self.fields[f"{GUARD}{name}"] = guard
        self.add_options(method.parameters)

    def build_selection(self) -> dict[str, Any]:
        values = self.cleaned_data
        selection: dict[str, Any] = {
            "correct_only": values["correct_only"],
            "shuffle": values["shuffle"],
        }
        for name in ("source", "kind"):
            if values.get(name):
                selection[name] = values[name]
        if values["limit"]:
            selection["limit"] = values["limit"]
        if values["verified_only"]:
            selection["verified_only"] = True
        return selection

    def build_limits(self) -> dict[str, Any]:
        """{"budgets": …, "guards": …}, each where one was given, else nothing."""
        limits: dict[str, Any] = {}
        if budgets := read_budget_fields(self):
            limits["budgets"] = budgets
        if self.has_guards and (guards := read_guard_fields(self)):
            limits["guards"] = guards
        return limits

    @property
    def has_engines(self) -> bool:
        """Is there an engine that serves the method?"""
        engines = cast("forms.ModelChoiceField[Engine]", self.fields["engine"]).queryset
        return engines is not None and engines.exists()

    @property
    def selection_fields(self) -> list[forms.BoundField]:
        names = ("source", "kind", "correct_only", "verified_only", "limit", "shuffle", "seed")
        return [self[name] for name in names if name in self.fields]

    @property
    def budget_fields(self) -> list[forms.BoundField]:
        return [self[f"{BUDGET}{name}"] for name in NAMES]

    @property
    def guard_fields(self) -> list[forms.BoundField]:
        return [self[f"{GUARD}{name}"] for name in acceptance.NAMES] if self.has_guards else []


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


def _key_field(plain: forms.Field, key_names: Sequence[str]) -> forms.ChoiceField:
    """Keys are chosen by name: the browser never sees one, nor sends one."""
    current = str(plain.initial or "").removeprefix("WORKBENCH_ENGINE_KEY_")
    names = sorted({*key_names, current} - {""})
    return forms.ChoiceField(
        required=False,
        label=plain.label,
        initial=current,
        choices=[("", gettext_lazy("No key")), *[(name, name) for name in names]],
        help_text=gettext_lazy(
            "Keys live in the server's environment as WORKBENCH_ENGINE_KEY_NAME, each bound to "
            "hosts by WORKBENCH_ENGINE_HOSTS_NAME. The operator sets both; here stand the names."
        ),
    )
