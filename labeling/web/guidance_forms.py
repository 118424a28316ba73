"""Forms for guidelines and rulings, with a field for each language of the interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.conf import settings
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.guidance_texts import MAX_ANSWER, MAX_GUIDELINES, MAX_QUESTION
from labeling.models import Guideline, Project
from labeling.selectors.guidance import list_texts, own_language
from labeling.selectors.review import ErrorTypeView
from labeling.services.languages import list_other_languages

MARKS = gettext_lazy(
    "Paragraphs, headings with #, lists, **bold** and *emphasis*; formulas between dollar signs."
)


def name_language(code: str) -> str:
    """A language in its own name, as a person who reads it looks for it."""
    return dict(settings.LANGUAGES).get(code, code)


def list_languages() -> list[str]:
    """The interface's languages, the installation's own first."""
    return [own_language(), *list_other_languages()]


def field_of(name: str, code: str) -> str:
    """The name of a text's field in a language: "text", and "text_zh_hans" for a translation."""
    return name if code == own_language() else f"{name}_{code.replace('-', '_')}"


class GuidelinesForm(forms.Form):
    """The guidelines in every language: what is published is one version of them all."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code in list_languages():
            self.fields[field_of("text", code)] = forms.CharField(
                required=False,
                max_length=MAX_GUIDELINES,
                strip=False,
                label=_("Text in %(language)s") % {"language": name_language(code)},
                help_text=MARKS if code == own_language() else "",
                widget=forms.Textarea(attrs={"rows": 14, "lang": code, "dir": "auto"}),
            )

    @classmethod
    def initial_of(cls, row: Project | Guideline, *, seen_version: int) -> dict[str, Any]:
        """The texts as they stand, for `initial`."""
        texts = list_texts(row)
        fields = {field_of("text", code): texts.get(code, "") for code in list_languages()}
        return {**fields, "seen_version": seen_version}

    def read_texts(self) -> dict[str, str]:
        """What was written, by language; empty texts are none."""
        texts = {
            code: str(self.cleaned_data[field_of("text", code)]).replace("\r\n", "\n")
            for code in list_languages()
        }
        return {code: text for code, text in texts.items() if text.strip()}


@dataclass(frozen=True, slots=True)
class LanguageFields:
    """The fields of one language, under its name."""

    code: str
    name: str
    fields: Sequence[BoundField]


class RulingForm(forms.Form):
    """A ruling, in one language at least: in each, either both parts or none."""

    error_type = forms.ChoiceField(required=False, label=gettext_lazy("About"))

    def __init__(self, *args: Any, error_types: Sequence[ErrorTypeView], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        about = cast("forms.ChoiceField", self.fields["error_type"])
        about.choices = [
            ("", gettext_lazy("All types")),
            *[(kind.code, kind.name) for kind in error_types],
        ]
        for code in list_languages():
            self.fields[field_of("question", code)] = forms.CharField(
                required=False,
                max_length=MAX_QUESTION,
                label=gettext_lazy("Question"),
                widget=forms.TextInput(attrs={"lang": code, "dir": "auto"}),
            )
            self.fields[field_of("answer", code)] = forms.CharField(
                required=False,
                max_length=MAX_ANSWER,
                label=gettext_lazy("Answer"),
                widget=forms.Textarea(attrs={"rows": 3, "lang": code, "dir": "auto"}),
            )

    @property
    def languages(self) -> Iterator[LanguageFields]:
        """The fields by language, the installation's own first."""
        for code in list_languages():
            fields = [self[field_of(part, code)] for part in ("question", "answer")]
            yield LanguageFields(code, name_language(code), fields)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        is_said = False
        for code in list_languages():
            parts = [field_of(part, code) for part in ("question", "answer")]
            given = [bool(data.get(part)) for part in parts]
            is_said = is_said or all(given)
            # A part that is too long has an error of its own.
            for part, is_given in zip(parts, given, strict=True):
                if any(given) and not is_given and part not in self.errors:
                    self.add_error(part, _("A ruling has a question and an answer."))
        if not is_said and not self.errors:
            self.add_error(None, _("Write the question and the answer in one language at least."))
        return data

    def read_ruling(self) -> dict[str, Any]:
        """The words as `make_ruling` takes them.

        What is written in another language alone stands first too, and its translation says so.
        """
        texts: dict[str, Mapping[str, str]] = {}
        for code in list_languages():
            words = {
                part: self.cleaned_data[field_of(part, code)] for part in ("question", "answer")
            }
            if all(words.values()):
                texts[code] = words
        first = texts.pop(own_language(), None) or next(iter(texts.values()))
        return {
            "error_type": self.cleaned_data["error_type"],
            **first,
            "translations": texts,
        }


class RulingFilterForm(forms.Form):
    """Which rulings to list. What is not understood is not filtered by."""

    q = forms.CharField(required=False, max_length=200, label=gettext_lazy("Words in them"))
    error_type = forms.CharField(required=False, max_length=60, label=gettext_lazy("About"))

    def __init__(self, *args: Any, choices: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["error_type"].widget = forms.Select(choices=choices)
