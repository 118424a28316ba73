"""Projects, their guidelines and taxonomies."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from labeling.models import Project, Taxonomy
from labeling.services.projects import PROTOCOL_FIELDS
from workbench.api.serializers import MAX_INTEGER, IdField, Input, ObjectField


class ProjectSerializer(serializers.ModelSerializer[Project]):
    """A project and its protocol."""

    taxonomy = serializers.IntegerField(source="taxonomy_id", help_text="The version in force.")

    class Meta:
        model = Project
        fields: tuple[str, ...] = (
            *("slug", "name", "description", "is_demo"),
            *PROTOCOL_FIELDS,
            *("guideline_version", "taxonomy", "version", "created_at"),
        )
        read_only_fields = fields


class NewProjectSerializer(serializers.ModelSerializer[Project], Input):
    """A project to be made. Protocol settings that are not given take their defaults."""

    slug = serializers.SlugField(max_length=60)

    class Meta:
        model = Project
        fields: tuple[str, ...] = ("slug", "name", "description", *PROTOCOL_FIELDS)
        extra_kwargs = {
            name: {"min_value": 1, "max_value": 32}
            for name in ("overlap", "agree_target", "max_overlap")
        }

    def get_validators(self) -> list[Any]:
        # Across fields the service decides, on the whole row.
        return []


class ProjectChangeSerializer(NewProjectSerializer):
    """Changes of the protocol, with the version of the project that they were made on."""

    version = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER)
    name = serializers.CharField(max_length=120, required=False)

    class Meta(NewProjectSerializer.Meta):
        fields: tuple[str, ...] = ("version", "name", "description", *PROTOCOL_FIELDS)

    slug = None  # type: ignore[assignment]  # the address of a project does not change


class TaxonomySerializer(serializers.ModelSerializer[Taxonomy]):
    """One version of a taxonomy, as it may be edited and sent back."""

    is_builtin = serializers.SerializerMethodField(help_text="Ships with the software.")
    is_in_force = serializers.SerializerMethodField()
    content = serializers.JSONField()

    class Meta:
        model = Taxonomy
        fields: tuple[str, ...] = (
            "id",
            "slug",
            "version",
            "title",
            "is_builtin",
            "is_in_force",
            "content",
        )
        read_only_fields = fields

    def get_is_builtin(self, taxonomy: Taxonomy) -> bool:
        return taxonomy.project_id is None

    def get_is_in_force(self, taxonomy: Taxonomy) -> bool:
        return bool(taxonomy.pk == self.context["project"].taxonomy_id)


class NewTaxonomySerializer(Input):
    """A taxonomy to be put in force as the project's next version."""

    content = ObjectField(help_text="As a taxonomy's `content` is given, edited.")
    taxonomy = IdField(help_text="The id of the version in force as you saw it.")
