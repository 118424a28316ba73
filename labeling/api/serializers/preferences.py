"""How a person likes to work: keys of their own, single keys, how two solutions stand."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from labeling.preferences import ACTIONS, GROUPS, MAX_KEYS, PAGES, VIEWS
from workbench.api.serializers import Input

LONGEST_KEY = 40


class KeyListField(serializers.ListField):
    """The keys of an action, as they are kept: "j", "shift+j", "[", "enter", "arrowleft"."""

    def __init__(self, **kwargs: Any) -> None:
        child = serializers.CharField(max_length=LONGEST_KEY, trim_whitespace=False)
        super().__init__(child=child, **kwargs)


class KeyActionSerializer(serializers.Serializer[object]):
    """Something that a key does, and the keys that do it."""

    id = serializers.CharField()
    name = serializers.CharField(help_text="In the language of the request.")
    group = serializers.ChoiceField(GROUPS)
    pages = serializers.ListField(child=serializers.ChoiceField(PAGES))
    first = KeyListField(help_text="What may be changed, as it is at first.")
    keys = KeyListField(help_text="What may be changed, as it is for you.")
    fixed = KeyListField(help_text="What does it as well, whatever you choose.")


class KeysSerializer(serializers.Serializer[object]):
    """Your own keys, and everything that a key does."""

    keys = serializers.DictField(
        child=KeyListField(), help_text="The actions whose keys are not as at first."
    )
    actions = KeyActionSerializer(many=True)


class NewKeysSerializer(Input):
    """Keys of your own; an action that is left out is as at first."""

    keys = serializers.DictField(
        child=KeyListField(max_length=MAX_KEYS + 1, allow_empty=True),
        help_text=f"By action: at most {MAX_KEYS} keys, none at all for an action without one.",
    )

    def validate_keys(self, keys: dict[str, list[str]]) -> dict[str, list[str]]:
        if len(keys) > len(ACTIONS):
            raise serializers.ValidationError(f"There are only {len(ACTIONS)} actions.")
        return keys


class PreferencesSerializer(serializers.Serializer[object]):
    """How you like to work."""

    single_keys = serializers.BooleanField(help_text="Do letters, digits and signs act?")
    view = serializers.ChoiceField(VIEWS, help_text="How two solutions stand beside each other.")


class PreferencesChangeSerializer(Input):
    """What is to change; what is left out stays."""

    single_keys = serializers.BooleanField(required=False)
    view = serializers.ChoiceField(VIEWS, required=False)
