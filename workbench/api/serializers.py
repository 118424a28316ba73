"""What request bodies and answers are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

# The largest number that every database stores as a row's id, and as a small counter.
MAX_ID = 2**63 - 1
MAX_INTEGER = 2**31 - 1


class Input(serializers.Serializer[Any]):
    """Something that a client sends. A field that nobody knows is refused, with those there are:
    a misspelt one would do nothing.
    """

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(str(name) for name in set(data) - set(self.fields))
            if unknown:
                known = ", ".join(self.fields) or "none"
                raise serializers.ValidationError(
                    {unknown[0][:100]: [f"There is no such field; the fields are {known}."]}
                )
        return super().to_internal_value(data)


class Nothing(Input):
    """An empty query or body."""


class IdField(serializers.IntegerField):
    """The id of a row."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_ID, **kwargs)


@extend_schema_field({"type": "object", "additionalProperties": {}})
class ObjectField(serializers.JSONField):
    """A JSON object, whatever is in it."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(f"is an object, not {type(data).__name__}.")
        return super().to_internal_value(dict(data))
