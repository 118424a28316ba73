"""The taxonomy editor: types and dimensions as rows of forms, and back into one document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy

from labeling.taxonomies.loader import (
    CODE_LIMIT,
    MOST_TYPES,
    NAME_LIMIT,
    TEXT_LIMIT,
    ErrorType,
    Taxonomy,
    Texts,
    pack_taxonomy,
)

# The languages that a form asks for, by the ending of the field's name and the tag of the text;
# texts in others are kept as they are.
LANGUAGES = (("en", "en"), ("zh", "zh-Hans"))
TEXT_FIELDS = ("name", "definition", "example", "counter_example")
CODE = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*\Z",
    gettext_lazy("Letters, digits and the signs _ . - (a letter or digit first)."),
)


def _short(label: Any, *, required: bool) -> forms.CharField:
    return forms.CharField(max_length=NAME_LIMIT, required=required, label=label)


def _long(label: Any, *, required: bool) -> forms.CharField:
    return forms.CharField(
        max_length=TEXT_LIMIT,
        required=required,
        label=label,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class DimensionForm(forms.Form):
    id = forms.CharField(max_length=CODE_LIMIT, validators=[CODE], label=gettext_lazy("Id"))
    name_en = _short(gettext_lazy("Name, English"), required=True)
    name_zh = _short(gettext_lazy("Name, Chinese"), required=False)


class ErrorTypeForm(forms.Form):
    code = forms.CharField(
        max_length=CODE_LIMIT,
        validators=[CODE],
        label=gettext_lazy("Code"),
        help_text=gettext_lazy(
            "As it stands in released files. Judgements made so far keep theirs."
        ),
    )
    dimension = forms.CharField(
        required=False, max_length=CODE_LIMIT, label=gettext_lazy("Dimension")
    )
    name_en = _short(gettext_lazy("Name, English"), required=True)
    name_zh = _short(gettext_lazy("Name, Chinese"), required=False)
    definition_en = _long(gettext_lazy("Definition, English"), required=True)
    definition_zh = _long(gettext_lazy("Definition, Chinese"), required=False)
    example_en = _long(gettext_lazy("Example, English"), required=False)
    example_zh = _long(gettext_lazy("Example, Chinese"), required=False)
    counter_example_en = _long(gettext_lazy("What is not one, English"), required=False)
    counter_example_zh = _long(gettext_lazy("What is not one, Chinese"), required=False)
    validity = forms.ChoiceField(
        required=False,
        label=gettext_lazy("A step of this type is"),
        choices=[
            ("wrong", gettext_lazy("wrong")),
            ("partly", gettext_lazy("partly wrong")),
            ("correct", gettext_lazy("correct")),
            ("", gettext_lazy("not settled by the type")),
        ],
    )
    contribution = forms.ChoiceField(
        required=False,
        label=gettext_lazy("and it"),
        choices=[
            ("", gettext_lazy("may move the solution on or not")),
            ("advances", gettext_lazy("moves the solution on")),
            ("neutral", gettext_lazy("adds nothing")),
            ("redundant", gettext_lazy("is redundant")),
            ("circular", gettext_lazy("is circular")),
        ],
    )
    is_error = forms.BooleanField(
        required=False,
        initial=True,
        label=gettext_lazy("A solution of this type has an error in it"),
    )

    @property
    def text_rows(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """The texts side by side: English, Chinese."""
        return [(self[f"{name}_en"], self[f"{name}_zh"]) for name in TEXT_FIELDS]


DimensionFormSet = forms.formset_factory(DimensionForm, extra=0, can_delete=True, max_num=50)
ErrorTypeFormSet = forms.formset_factory(
    ErrorTypeForm,
    extra=0,
    can_delete=True,
    can_order=True,
    max_num=MOST_TYPES,
    min_num=1,
    validate_min=True,
)


class TitleForm(forms.Form):
    seen_taxonomy = forms.IntegerField(widget=forms.HiddenInput)
    title_en = _short(gettext_lazy("Title, English"), required=True)
    title_zh = _short(gettext_lazy("Title, Chinese"), required=False)


class TaxonomyEditor:
    """The forms of one taxonomy: title, dimensions, types; bound to what was sent or to what is."""

    def __init__(self, record: Taxonomy, *, seen: int, data: Any = None) -> None:
        self.record = record
        self.title = TitleForm(
            data, initial={"seen_taxonomy": seen, **_split("title", record.title)}
        )
        self.dimensions = DimensionFormSet(
            data,
            prefix="dimensions",
            initial=[
                {"id": dimension.id, **_split("name", dimension.name)}
                for dimension in record.dimensions
            ],
        )
        self.types = ErrorTypeFormSet(
            data, prefix="types", initial=[_initial_type(kind) for kind in record.types]
        )

    def is_valid(self) -> bool:
        # All of them, so that every fault shows at once.
        return all([self.title.is_valid(), self.dimensions.is_valid(), self.types.is_valid()])

    @property
    def seen(self) -> int:
        return int(self.title.cleaned_data["seen_taxonomy"])

    def build_content(self) -> dict[str, Any]:
        """The document as `parse_taxonomy` takes it, texts in other languages kept."""
        kept = pack_taxonomy(self.record)
        dimensions = {entry["id"]: entry for entry in kept["dimensions"]}
        types = {entry["code"]: entry for entry in kept["types"]}
        return {
            "id": self.record.id,
            "version": self.record.version,
            "title": _join("title", self.title.cleaned_data, kept["title"]),
            "dimensions": [
                {
                    "id": row["id"],
                    "name": _join("name", row, dimensions.get(row["id"], {}).get("name", {})),
                }
                for row in _kept_rows(self.dimensions)
            ],
            "types": [
                self._build_type(row, types.get(row["code"], {})) for row in _ordered(self.types)
            ],
        }

    def _build_type(self, row: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
        return {
            "code": row["code"],
            "dimension": row["dimension"],
            **{name: _join(name, row, before.get(name, {})) for name in TEXT_FIELDS},
            **{name: row[name] for name in ("validity", "contribution") if row[name]},
            "is_error": row["is_error"],
        }


def add_row(data: Any, prefix: str) -> Any:
    """What was sent, with one more empty row of forms."""
    changed = data.copy()
    name = f"{prefix}-TOTAL_FORMS"
    total = changed.get(name, "0")
    changed[name] = str((int(total) if total.isascii() and total.isdigit() else 0) + 1)
    if prefix == "types":
        # A box that is not ticked is not sent; a new row starts with it ticked.
        changed[f"{prefix}-{int(changed[name]) - 1}-is_error"] = "on"
        changed[f"{prefix}-{int(changed[name]) - 1}-validity"] = "wrong"
    return changed


def _initial_type(kind: ErrorType) -> dict[str, Any]:
    values: dict[str, Any] = {
        "code": kind.code,
        "dimension": kind.dimension,
        "validity": str(kind.validity or ""),
        "contribution": str(kind.contribution or ""),
        "is_error": kind.is_error,
    }
    for name in TEXT_FIELDS:
        values |= _split(name, getattr(kind, name))
    return values


def _find(texts: Mapping[str, str], tag: str) -> str:
    """The key that a language stands under already: "zh-Hans" may be there as "zh"."""
    base = tag.split("-")[0]
    return next((known for known in texts if known.lower().split("-")[0] == base), tag)


def _split(name: str, texts: Texts) -> dict[str, str]:
    known = texts.by_language
    return {f"{name}_{ending}": known.get(_find(known, tag), "") for ending, tag in LANGUAGES}


def _join(name: str, values: Mapping[str, Any], before: Mapping[str, str]) -> dict[str, str]:
    texts = dict(before)
    for ending, tag in LANGUAGES:
        texts[_find(texts, tag)] = values.get(f"{name}_{ending}", "")
    return {tag: text for tag, text in texts.items() if text.strip()}


def _kept_rows(formset: Any) -> list[dict[str, Any]]:
    return [
        form.cleaned_data
        for form in formset.forms
        if form.cleaned_data and not form.cleaned_data.get("DELETE")
    ]


def _ordered(formset: Any) -> list[dict[str, Any]]:
    return [form.cleaned_data for form in formset.ordered_forms if form.cleaned_data]
