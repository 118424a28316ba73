"""Forms for a new comparison, and for what of it goes to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from django import forms
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.models import Project
from labeling.web.forms import find_choices
from modeljobs.methods.consensus import ConsensusRule
from modeljobs.methods.rpe_labels import LabelRule
from modeljobs.models import ModelJob
from modeljobs.readings import find_rule
from modeljobs.selectors_consensus import (
    DROPPED,
    list_judge_jobs,
    list_rpe_jobs,
    name_model,
)
from modeljobs.templatetags.consensus import decision_word
from workbench.errors import InvalidInput


class JobChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A job by its number, its model and its day."""

    def label_from_instance(self, job: Any) -> str:
        return _("Job %(number)s, %(model)s, %(day)s") % {
            "number": job.pk,
            "model": name_model(job),
            "day": date_format(job.created_at, "j M Y"),
        }


class CompareForm(forms.Form):
    """Two jobs, and how they are compared."""

    rpe_job = JobChoice(ModelJob.objects.none(), label=gettext_lazy("Rollouts"), empty_label=None)
    judge_job = JobChoice(
        ModelJob.objects.none(),
        label=gettext_lazy("Judge"),
        empty_label=None,
        help_text=gettext_lazy("Of another model than the one that made the rollouts."),
    )
    vote = forms.ChoiceField(
        label=gettext_lazy("The judge's samples"),
        choices=[
            ("unanimity", gettext_lazy("all say the same")),
            ("majority", gettext_lazy("more than half say the same")),
        ],
        initial="unanimity",
        widget=forms.RadioSelect,
    )
    scope = forms.ChoiceField(
        label=gettext_lazy("Compared are"),
        choices=[
            ("all", gettext_lazy("all steps, as published")),
            ("prefix", gettext_lazy("the steps up to the first error of either")),
        ],
        initial="all",
        widget=forms.RadioSelect,
    )
    open_steps = forms.ChoiceField(
        label=gettext_lazy("Steps that the rollouts leave open"),
        choices=[
            ("leave", gettext_lazy("keep a solution from being kept")),
            ("label", gettext_lazy("have the verdict of their counts, as published")),
        ],
        initial="leave",
        widget=forms.RadioSelect,
    )
    epsilon = forms.FloatField(
        required=False,
        min_value=0.01,
        max_value=1,
        label=gettext_lazy("Epsilon of the ratio"),
        help_text=gettext_lazy("Empty for the rule in force for the job."),
        widget=forms.NumberInput(attrs={"step": "any"}),
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, project: Project, **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        cast(JobChoice, self.fields["rpe_job"]).queryset = list_rpe_jobs(project)
        cast(JobChoice, self.fields["judge_job"]).queryset = list_judge_jobs(project)

    def build_options(self) -> dict[str, Any]:
        """What `services.consensus.compare` takes. InvalidInput where the rule is none."""
        data = self.cleaned_data
        return {
            "rpe_job": data["rpe_job"],
            "judge_job": data["judge_job"],
            "rule": ConsensusRule(data["vote"], data["scope"]),
            "label_rule": self._build_rule(),
            "open_steps": data["open_steps"],
        }

    def _build_rule(self) -> LabelRule | None:
        epsilon = self.cleaned_data["epsilon"]
        if epsilon is None:
            return None
        rule = find_rule(self.cleaned_data["rpe_job"])
        if rule.kind != "ratio":
            raise InvalidInput(
                f"Epsilon belongs to the ratio; the rule in force is {rule.kind!r}.",
                field="epsilon",
            )
        return replace(rule, epsilon=epsilon)


class SendForm(forms.Form):
    """What of a comparison goes to people. `counts` says how many solutions each decision has."""

    decisions = forms.MultipleChoiceField(
        label=gettext_lazy("Solutions"), widget=forms.CheckboxSelectMultiple
    )
    reason = forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("For the record."),
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, counts: Mapping[str, int], **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        there = [name for name in DROPPED if counts.get(name)]
        field = find_choices(self, "decisions")
        field.choices = [(name, f"{decision_word(name)} ({counts[name]:,})") for name in there]
        field.initial = there
