"""Forms for data coming in, being looked for and going out.

What a person fills in is read into what a service takes. Whether it is right is for the services to
say; forms check types, and give each field its words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy, pgettext_lazy

from labeling.formats import list_formats
from labeling.formats.lint import LINTS
from labeling.models import ReviewItem, Source
from labeling.selectors.explorer import FilterChoices, SolutionFilters
from labeling.services.releases import DEFAULT_FORMATS
from workbench.messages import translate_sentence

# Identifiers that data sets of this field use; any other can be typed.
COMMON_LICENCES = (
    *("MIT", "Apache-2.0", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0"),
    *("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "ODC-By-1.0"),
)


def _any(label: Any) -> tuple[str, Any]:
    return ("", label)


def find_choices(form: forms.BaseForm, name: str) -> forms.ChoiceField:
    """The form's field of choices of that name, to be filled with what there is."""
    return cast(forms.ChoiceField, form.fields[name])


def _listed(values: Iterable[str]) -> list[tuple[str, Any]]:
    return [(value, value) for value in values]


class SuggestingInput(forms.TextInput):
    """A text field that offers known values and takes any other: a native datalist."""

    def __init__(self, suggestions: Iterable[str] = ()) -> None:
        super().__init__()
        self.suggestions = tuple(suggestions)

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: Any = None,
    ) -> SafeString:
        list_id = f"{name}-suggestions"
        control = super().render(name, value, {**(attrs or {}), "list": list_id}, renderer)
        offered = format_html_join(
            "", '<option value="{}"></option>', ((text,) for text in self.suggestions)
        )
        return format_html('{}<datalist id="{}">{}</datalist>', control, list_id, offered)


# --- Browsing -----------------------------------------------------------------------------------


class BrowseForm(forms.Form):
    """The filters of the list of solutions; every field may stay empty."""

    text = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Words in the problem or a step"),
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    kind = forms.ChoiceField(
        required=False,
        label=gettext_lazy("What"),
        choices=[
            _any(gettext_lazy("Everything")),
            ("solution", gettext_lazy("Solutions")),
            ("injection", gettext_lazy("Injections")),
            ("original", gettext_lazy("Originals that came with injections")),
        ],
    )
    state = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Review"),
        choices=[_any(gettext_lazy("Any state")), *ReviewItem.State.choices],
    )
    error_type = forms.ChoiceField(required=False, label=gettext_lazy("Claimed error"))
    source = forms.ChoiceField(required=False, label=gettext_lazy("Source"))
    generator = forms.ChoiceField(required=False, label=gettext_lazy("Made by"))
    domain = forms.ChoiceField(required=False, label=gettext_lazy("Domain"))
    answer = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Final answer"),
        choices=[
            _any(gettext_lazy("Any answer")),
            ("right", gettext_lazy("Right")),
            ("wrong", gettext_lazy("Wrong")),
            ("unknown", gettext_lazy("Not known")),
        ],
    )
    lint = forms.ChoiceField(required=False, label=gettext_lazy("Lints"))

    def __init__(
        self,
        *args: Any,
        choices: FilterChoices,
        lints: list[str],
        type_names: dict[str, str],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        fill: dict[str, tuple[Any, list[tuple[str, Any]]]] = {
            "error_type": (
                gettext_lazy("Any type"),
                [(code, type_names.get(code, code)) for code in choices.error_types],
            ),
            "source": (gettext_lazy("Any source"), _listed(choices.sources)),
            "generator": (gettext_lazy("Any generator"), _listed(choices.generators)),
            "domain": (gettext_lazy("Any domain"), _listed(choices.domains)),
            "lint": (
                gettext_lazy("With or without"),
                [
                    ("blocking", gettext_lazy("Any blocking lint")),
                    *[
                        (code, f"{code}: {translate_sentence(LINTS[code].title)}")
                        for code in lints
                        if code in LINTS
                    ],
                ],
            ),
        }
        for name, (anything, values) in fill.items():
            find_choices(self, name).choices = [_any(anything), *values]

    def build_filters(self) -> SolutionFilters:
        """What is valid of what was asked; a filter that means nothing here is passed over."""
        self.is_valid()
        return SolutionFilters(**{name: self.cleaned_data.get(name, "") for name in self.fields})

    @property
    def is_filtered(self) -> bool:
        return any(self.cleaned_data.values())


# --- Imports ------------------------------------------------------------------------------------


class ImportForm(forms.Form):
    """A file, what it is, and where it comes from."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("JSON or JSON Lines, also as .gz, .zst or .zip."),
        allow_empty_file=True,
    )
    format = forms.ChoiceField(required=False, label=gettext_lazy("Format"))
    source_name = forms.CharField(
        max_length=120,
        required=False,
        label=gettext_lazy("Source"),
        help_text=gettext_lazy(
            "Where the data comes from. Rows of one source are imported once, however often the "
            "file is sent. Empty: the name of the file."
        ),
    )
    enqueue = forms.BooleanField(
        required=False,
        initial=True,
        label=gettext_lazy("Put the solutions into the review queue"),
    )
    url = forms.URLField(
        required=False,
        max_length=500,
        assume_scheme="https",
        label=gettext_lazy("Address of the source"),
    )
    revision = forms.CharField(
        required=False, max_length=120, label=gettext_lazy("Revision or version")
    )
    licence = forms.CharField(
        required=False,
        max_length=60,
        label=gettext_lazy("Licence"),
        help_text=gettext_lazy("Its SPDX identifier."),
        widget=SuggestingInput(COMMON_LICENCES),
    )
    redistribution = forms.ChoiceField(
        required=False,
        label=gettext_lazy("May it be passed on?"),
        choices=[
            (Source.Redistribution.UNKNOWN, pgettext_lazy("redistribution", "Not known")),
            (Source.Redistribution.ALLOWED, pgettext_lazy("redistribution", "Yes")),
            (Source.Redistribution.FORBIDDEN, pgettext_lazy("redistribution", "No")),
        ],
        help_text=gettext_lazy("Data that may not be passed on stops a release."),
    )
    split = forms.CharField(required=False, max_length=60, label=gettext_lazy("Split"))
    has_personal_data = forms.BooleanField(
        required=False, label=gettext_lazy("Holds personal data")
    )
    citation = forms.CharField(
        required=False,
        max_length=5_000,
        label=gettext_lazy("Citation"),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    FACTS = (
        *("url", "revision", "licence", "redistribution", "split", "has_personal_data"),
        "citation",
    )

    def __init__(self, *args: Any, sources: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        readable = [fmt.info for fmt in list_formats() if fmt.info.can_read]
        find_choices(self, "format").choices = [
            _any(gettext_lazy("Tell from the file")),
            *[(info.name, translate_sentence(info.title)) for info in readable],
        ]
        self.fields["source_name"].widget = SuggestingInput(sources)

    def build_facts(self) -> dict[str, Any]:
        """What was said about the source."""
        facts = {name: self.cleaned_data[name] for name in self.FACTS}
        facts["redistribution"] = facts["redistribution"] or Source.Redistribution.UNKNOWN
        return facts


# --- Releases -----------------------------------------------------------------------------------


class ReleaseForm(forms.Form):
    """What goes into a release, and in which formats."""

    name = forms.CharField(
        max_length=80,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("For ever: a release is never changed, only followed by another."),
    )
    formats = forms.MultipleChoiceField(
        label=gettext_lazy("Formats"), widget=forms.CheckboxSelectMultiple
    )
    tasks = forms.MultipleChoiceField(
        label=gettext_lazy("Kinds of review"),
        choices=ReviewItem.Task.choices,
        initial=list(ReviewItem.Task.values),
        widget=forms.CheckboxSelectMultiple,
    )
    sources = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("Only these sources"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None ticked: all of them."),
    )
    include_single = forms.BooleanField(
        required=False,
        label=gettext_lazy("Also items that only one person has judged so far"),
    )
    include_scripted = forms.BooleanField(
        required=False,
        initial=True,
        label=gettext_lazy("Also injections by the scripted engine"),
    )
    on_blocking = forms.ChoiceField(
        label=gettext_lazy("Accepted injections that still have blocking lints"),
        choices=[
            ("stop", gettext_lazy("Stop the release and name them")),
            ("leave_out", gettext_lazy("Leave them out and count them")),
        ],
        widget=forms.RadioSelect,
        initial="stop",
    )
    note = forms.CharField(
        required=False,
        max_length=5_000,
        label=gettext_lazy("Note"),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, sources: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        writable = [fmt.info for fmt in list_formats() if fmt.info.can_write]
        chosen = find_choices(self, "formats")
        chosen.choices = [(info.name, translate_sentence(info.title)) for info in writable]
        chosen.initial = [info.name for info in writable if info.name in DEFAULT_FORMATS]
        find_choices(self, "sources").choices = _listed(sources)
        self.option_names: list[tuple[str, str, str]] = []
        for info in writable:
            for option in info.write_options:
                name = f"option-{info.name}-{option.name}"
                self.option_names.append((name, info.name, option.name))
                self.fields[name] = forms.ChoiceField(
                    required=False,
                    label=f"{translate_sentence(info.title)}: {option.name}",
                    help_text=translate_sentence(option.description),
                    choices=_listed(list(option.choices)),
                    initial=option.default,
                )

    @property
    def content_fields(self) -> list[forms.BoundField]:
        names = ("tasks", "sources", "include_single", "include_scripted")
        return [self[name] for name in names]

    @property
    def option_fields(self) -> list[forms.BoundField]:
        return [self[name] for name, _format, _option in self.option_names]

    def build_options(self) -> dict[str, Any]:
        """The options as services.releases takes them; those of formats not chosen are left out."""
        values = self.cleaned_data
        format_options: dict[str, dict[str, str]] = {}
        for name, format_name, option in self.option_names:
            if format_name in values["formats"] and values[name]:
                format_options.setdefault(format_name, {})[option] = values[name]
        return {
            **{
                name: values[name]
                for name in (
                    *("formats", "tasks", "sources", "include_single", "include_scripted"),
                    "on_blocking",
                )
            },
            "format_options": format_options,
        }
