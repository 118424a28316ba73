"""What people said: which of it to list, and a change of it."""

from __future__ import annotations

from rest_framework import serializers

from labeling.api.serializers.data import AnnotationQuery
from labeling.api.serializers.work import ReviseSerializer, StepTimesField
from labeling.models import ReviewItem
from labeling.selectors.submitted import SAID
from workbench.api.serializers import MAX_INTEGER

WORDS_LIMIT = 200


class AnnotationFilters(AnnotationQuery):
    """Which annotations to list; all that is given has to fit the revision in force."""

    own = serializers.BooleanField(
        required=False, default=False, help_text="Only your own, where you may see others' too."
    )
    text = serializers.CharField(
        required=False, max_length=WORDS_LIMIT, help_text="Words in the problem or in a step."
    )
    note = serializers.CharField(
        required=False, max_length=WORDS_LIMIT, help_text="Words in the reviewer's notes."
    )
    said = serializers.ChoiceField(
        SAID,
        required=False,
        help_text="A verdict; of ratings error, no_error, gave_up, bad_problem or unsure.",
    )
    error_type = serializers.CharField(
        required=False, max_length=60, help_text="A type that they gave, by its code."
    )
    state = serializers.ChoiceField(
        ReviewItem.State.choices, required=False, help_text="Where the item stands."
    )
    since = serializers.DateField(required=False, help_text="Said on this day or later.")
    until = serializers.DateField(required=False, help_text="Said on this day or earlier.")
    changed = serializers.BooleanField(
        required=False, default=False, help_text="Only those whose author changed their word."
    )


class ChangeSerializer(ReviseSerializer):
    """A change of one's word, with the number of the revision that it changes."""

    active_ms = serializers.IntegerField(
        min_value=0, max_value=MAX_INTEGER, required=False, default=0
    )
    step_ms = StepTimesField(
        required=False,
        default=None,
        allow_null=True,
        help_text="Active time while each step was the current one, in milliseconds.",
    )
