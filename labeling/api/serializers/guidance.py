"""Guidelines in every language, rulings, and what one has read of them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from labeling.guidance_texts import MAX_ANSWER, MAX_GUIDELINES, MAX_QUESTION
from labeling.models import Guideline, GuidelineReading
from labeling.selectors.guidance import RulingView, view_ruling
from workbench.api.serializers import MAX_ID, MAX_INTEGER, Input

LANGUAGES = "By the code of a language of the interface, such as `zh-hans`."


class TranslationsField(serializers.DictField):
    """Texts by language."""

    def __init__(self, **kwargs: Any) -> None:
        child = serializers.CharField(
            max_length=MAX_GUIDELINES, allow_blank=True, trim_whitespace=False
        )
        super().__init__(child=child, help_text=LANGUAGES, **kwargs)


class GuidelineSerializer(serializers.ModelSerializer[Guideline]):
    """One version of the guidelines: `text`, and the same in other languages."""

    author = serializers.SerializerMethodField()
    translations = TranslationsField()

    class Meta:
        model = Guideline
        fields: tuple[str, ...] = ("version", "text", "translations", "author", "created_at")
        read_only_fields = fields

    def get_author(self, guideline: Guideline) -> str | None:
        return None if guideline.author is None else guideline.author.name


class NewGuidelineSerializer(Input):
    """The guidelines to be put in force, with the version that they replace."""

    text = serializers.CharField(max_length=MAX_GUIDELINES, allow_blank=True, trim_whitespace=False)
    translations = TranslationsField(required=False, default=dict)
    version = serializers.IntegerField(
        min_value=0, max_value=MAX_INTEGER, help_text="The version in force as you saw it."
    )


class ReadingInput(Input):
    """What you have read: the version, and the newest ruling and withdrawal that stood there."""

    version = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER)
    last_ruling = serializers.IntegerField(
        min_value=0, max_value=MAX_ID, help_text="The id of the newest ruling that stood; 0: none."
    )
    last_withdrawn = serializers.IntegerField(
        min_value=0,
        max_value=MAX_ID,
        required=False,
        default=0,
        help_text="The id of the ruling that was last withdrawn; 0: none.",
    )


class GuidelineReadingSerializer(serializers.ModelSerializer[GuidelineReading]):
    """That you have read a version of the guidelines."""

    last_ruling = serializers.IntegerField(source="last_ruling_id", allow_null=True)

    class Meta:
        model = GuidelineReading
        fields: tuple[str, ...] = ("version", "last_ruling", "language", "at")
        read_only_fields = fields


class RulingWords(Input):
    """A ruling in one language."""

    question = serializers.CharField(max_length=MAX_QUESTION)
    answer = serializers.CharField(max_length=MAX_ANSWER)


class RulingTextSerializer(serializers.Serializer[object]):
    """A ruling in one language."""

    question = serializers.CharField()
    answer = serializers.CharField()


class RulingViewSerializer(serializers.Serializer[RulingView]):
    """A ruling in the language that you ask for (`Accept-Language`), and in all there are."""

    id = serializers.IntegerField()
    error_type = serializers.CharField(help_text="The code of the type it is about; empty: all.")
    question = serializers.CharField()
    answer = serializers.CharField()
    language = serializers.CharField(help_text="The language that these two are in.")
    translations = serializers.DictField(child=RulingTextSerializer(), help_text=LANGUAGES)
    author = serializers.CharField(help_text="A pseudonym where the project hides names.")
    guideline_version = serializers.IntegerField(help_text="The version it was made under.")
    created_at = serializers.DateTimeField()
    withdrawn_at = serializers.DateTimeField(allow_null=True)
    withdrawn_by = serializers.CharField()


class RulingSerializer(RulingViewSerializer):
    """A row of rulings, shown to the context's `viewer`."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return super().to_representation(view_ruling(instance, self.context["viewer"], {}))


class RulingInput(RulingWords):
    """A ruling to be made. Its translations stand beside it."""

    error_type = serializers.CharField(
        max_length=60, required=False, allow_blank=True, default="", help_text="Empty: for all."
    )
    translations = serializers.DictField(
        child=RulingWords(), required=False, default=dict, help_text=LANGUAGES
    )


class RulingQuery(Input):
    """Which rulings to list: all, if nothing is said."""

    q = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=200,
        help_text="Words that the ruling holds, in any language.",
    )
    error_type = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=60,
        help_text="A code; `-` for rulings on all types.",
    )
    state = serializers.ChoiceField(
        [("all", "all"), ("standing", "standing"), ("withdrawn", "withdrawn")],
        required=False,
        default="all",
    )
