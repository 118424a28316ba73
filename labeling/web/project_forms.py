"""Forms about a project: making it, its protocol, its taxonomy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.utils.translation import get_language, gettext_lazy

from labeling.models import Project, Taxonomy
from labeling.selectors.guidance import name_taxonomy
from labeling.services.projects import DEFAULT_TAXONOMY
from labeling.taxonomies.loader import list_builtin, load_builtin


def _builtin_taxonomies() -> list[tuple[str, str]]:
    language = get_language() or "en"
    return [(name, load_builtin(name).title_in(language)) for name in list_builtin()]


class ProjectForm(forms.Form):
    """A new project; its protocol can be changed later."""

    name = forms.CharField(max_length=120, label=gettext_lazy("Name"))
    slug = forms.SlugField(
        max_length=60,
        label=gettext_lazy("Address"),
        help_text=gettext_lazy(
            "Letters, digits and hyphens, as it stands in /projects/…/ for good."
        ),
    )
    description = forms.CharField(
        required=False,
        label=gettext_lazy("Description"),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    taxonomy = forms.ChoiceField(
        label=gettext_lazy("Error types"), choices=_builtin_taxonomies, initial=DEFAULT_TAXONOMY
    )
    rating_view = forms.ChoiceField(
        label=gettext_lazy("Ratings"),
        choices=Project.RatingView.choices,
        widget=forms.RadioSelect,
        initial=Project.RatingView.TERNARY,
    )
    mode = forms.ChoiceField(
        label=gettext_lazy("How far"),
        choices=Project.Mode.choices,
        widget=forms.RadioSelect,
        initial=Project.Mode.ALL_STEPS,
    )
    overlap = forms.IntegerField(
        min_value=1, max_value=32, initial=2, label=gettext_lazy("People on each item")
    )
    strategy = forms.ChoiceField(
        label=gettext_lazy("Who decides"),
        choices=Project.Strategy.choices,
        initial=Project.Strategy.DOUBLE,
    )


class ProtocolForm(forms.Form):
    """Everything about a project that its leads may change; `seen_version` guards against a
    second window.
    """

    seen_version = forms.IntegerField(widget=forms.HiddenInput)
    name = forms.CharField(max_length=120, label=gettext_lazy("Name"))
    description = forms.CharField(
        required=False,
        label=gettext_lazy("Description"),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    rating_view = forms.ChoiceField(
        label=gettext_lazy("Ratings"),
        choices=Project.RatingView.choices,
        widget=forms.RadioSelect,
        help_text=gettext_lazy("A view of what is stored: it can be changed later."),
    )
    mode = forms.ChoiceField(
        label=gettext_lazy("How far"), choices=Project.Mode.choices, widget=forms.RadioSelect
    )
    asks_contribution = forms.BooleanField(
        required=False, label=gettext_lazy("Ask whether a right step moves the solution on")
    )
    asks_origin = forms.BooleanField(
        required=False, label=gettext_lazy("Ask whether a mistake follows from an earlier one")
    )
    asks_error_types = forms.BooleanField(
        required=False, label=gettext_lazy("Ask for the type of an error")
    )
    allow_partial = forms.BooleanField(
        required=False, label=gettext_lazy("Allow submitting with steps not judged")
    )

    overlap = forms.IntegerField(
        min_value=1,
        max_value=32,
        label=gettext_lazy("People on each item"),
        help_text=gettext_lazy(
            "More opens places on items that still wait; fewer applies to items that come later."
        ),
    )
    strategy = forms.ChoiceField(
        label=gettext_lazy("Who decides"), choices=Project.Strategy.choices
    )
    agree_target = forms.IntegerField(
        min_value=1,
        max_value=32,
        label=gettext_lazy("Reviewers that must agree (k)"),
        help_text=gettext_lazy("Where k reviewers are to agree."),
    )
    max_overlap = forms.IntegerField(
        min_value=1,
        max_value=32,
        label=gettext_lazy("Most people on one item"),
        help_text=gettext_lazy("Where k reviewers are to agree: after this many it is discarded."),
    )
    lease_minutes = forms.IntegerField(
        min_value=1,
        max_value=24 * 60,
        label=gettext_lazy("Minutes that an item stays with a person"),
        help_text=gettext_lazy("Counted from the last sign of work; drafts are kept after that."),
    )

    hide_claim = forms.BooleanField(
        required=False, label=gettext_lazy("Hide what is claimed until a first judgement")
    )
    show_reference_answer = forms.BooleanField(
        required=False, label=gettext_lazy("Show the known answer")
    )
    machine_evidence = forms.ChoiceField(
        label=gettext_lazy("Show what machines said"), choices=Project.Evidence.choices
    )
    hide_names = forms.BooleanField(
        required=False, label=gettext_lazy("Show reviewers to each other under other names")
    )
    equality_checks = forms.ChoiceField(
        label=gettext_lazy("Let reviewers check equalities by computer algebra"),
        choices=Project.Evidence.choices,
    )
    decisions_shown = forms.BooleanField(
        required=False, label=gettext_lazy("Show people what was decided of the items they judged")
    )

    verify_sources = forms.BooleanField(
        required=False,
        label=gettext_lazy("Let people find a solution right before errors are put into it"),
        help_text=gettext_lazy(
            "Model jobs that alter solutions then take only those in which people found every step "
            "right."
        ),
    )
    proposal_method = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Labels that people confirm or override"),
        help_text=gettext_lazy(
            "The newest labels of this method stand on each step as unconfirmed proposals."
        ),
    )
    blind_share = forms.IntegerField(
        min_value=0,
        max_value=100,
        label=gettext_lazy("Judged without proposals, in percent"),
        help_text=gettext_lazy(
            "Drawn by chance. Only the difference between the two shows how far machines sway "
            "people."
        ),
    )
    source_order = forms.ChoiceField(
        label=gettext_lazy("Order of items made from one original"),
        choices=Project.SourceOrder.choices,
    )

    screening_required = forms.BooleanField(
        required=False, label=gettext_lazy("Take no item before passing the training set")
    )
    screening_size = forms.IntegerField(
        min_value=1, max_value=200, label=gettext_lazy("Training items in a round")
    )
    screening_pass_percent = forms.IntegerField(
        min_value=1, max_value=100, label=gettext_lazy("Right answers needed, in percent")
    )

    ASKED = (
        *("rating_view", "mode", "asks_contribution", "asks_origin", "asks_error_types"),
        "allow_partial",
    )
    PEOPLE = ("overlap", "strategy", "agree_target", "max_overlap", "lease_minutes")
    BLINDED = (
        *("hide_claim", "show_reference_answer", "machine_evidence", "equality_checks"),
        *("hide_names", "decisions_shown"),
    )
    MACHINES = ("verify_sources", "proposal_method", "blind_share", "source_order")
    LEARNING = ("screening_required", "screening_size", "screening_pass_percent")

    def __init__(self, *args: Any, proposal_methods: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ChoiceField", self.fields["proposal_method"])
        field.choices = [
            ("", gettext_lazy("None")),
            *[(method, method) for method in proposal_methods],
        ]

    @classmethod
    def initial_of(cls, project: Project) -> dict[str, Any]:
        parts = (cls.ASKED, cls.PEOPLE, cls.BLINDED, cls.MACHINES, cls.LEARNING)
        names = (*[name for part in parts for name in part], "name", "description")
        return {
            **{name: getattr(project, name) for name in names},
            "seen_version": project.version,
        }

    def _bound(self, names: tuple[str, ...]) -> list[forms.BoundField]:
        return [self[name] for name in names]

    @property
    def general(self) -> list[forms.BoundField]:
        return self._bound(("name", "description"))

    @property
    def asked(self) -> list[forms.BoundField]:
        return self._bound(self.ASKED)

    @property
    def people(self) -> list[forms.BoundField]:
        return self._bound(self.PEOPLE)

    @property
    def blinded(self) -> list[forms.BoundField]:
        return self._bound(self.BLINDED)

    @property
    def machines(self) -> list[forms.BoundField]:
        return self._bound(self.MACHINES)

    @property
    def learning(self) -> list[forms.BoundField]:
        return self._bound(self.LEARNING)


class TaxonomyField(forms.ModelChoiceField):  # type: ignore[type-arg]  # no generic at run time
    """A choice of taxonomies, named in the reader's language."""

    def label_from_instance(self, obj: Taxonomy) -> str:
        return f"{name_taxonomy(obj)} {obj.version}"


class UseTaxonomyForm(forms.Form):
    """Another taxonomy, shipped or an earlier version of the project's own, to put in force."""

    taxonomy = TaxonomyField(
        queryset=Taxonomy.objects.none(), label=gettext_lazy("Taxonomy"), empty_label=None
    )

    def __init__(self, *args: Any, taxonomies: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ModelChoiceField[Taxonomy]", self.fields["taxonomy"]).queryset = taxonomies
