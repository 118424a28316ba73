"""What comes of injections, over REST; the guard of a job; sources put before people."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from modeljobs import selectors
from modeljobs.selection import count_sources
from modeljobs.selectors_yield import build_yield
from modeljobs.services import acceptance
from modeljobs.services.sources import send_sources_to_people
from workbench.api.permissions import Scope
from workbench.api.serializers import Input, Nothing
from workbench.api.views import ApiView


class ShareSerializer(serializers.Serializer[object]):
    """A share with Wilson's interval at 95 %; null where there is nothing to take it of."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class YieldSerializer(serializers.Serializer[object]):
    """One injector: a model, a class, and a version of the prompts."""

    model = serializers.CharField()
    error_type = serializers.CharField()
    prompt_version = serializers.CharField()
    is_scripted = serializers.BooleanField(help_text="No model is behind it.")
    jobs = serializers.ListField(child=serializers.IntegerField())
    items = serializers.IntegerField()
    asked = serializers.IntegerField(help_text="Items with at least one answer.")
    parsed = serializers.IntegerField(help_text="Items with an answer that could be read.")
    new = serializers.IntegerField(help_text="Injections that were not there already.")
    lint_free = serializers.IntegerField(help_text="Of these, without a blocking lint.")
    differs = serializers.IntegerField(help_text="Of these, no near duplicates.")
    reviewed = serializers.IntegerField(help_text="New ones on which people came to an end.")
    accepted = serializers.IntegerField()
    edited = serializers.IntegerField(help_text="Accepted with edits.")
    rejected = serializers.IntegerField()
    unclear = serializers.IntegerField(help_text="Reviewed, and neither accepted nor rejected.")
    reject_codes = serializers.SerializerMethodField()
    acceptance = ShareSerializer(help_text="Accepted, with edits or without, of those reviewed.")
    difference = ShareSerializer(help_text="Reviewed and not rejected for not being different.")

    def get_reject_codes(self, row: Any) -> dict[str, int]:
        return dict(row.reject_codes)


class SourceCountsSerializer(serializers.Serializer[object]):
    """The solutions that could have an error put into them."""

    fitting = serializers.IntegerField(help_text="Known to be right.")
    verified = serializers.IntegerField(help_text="Found right by people, in every step.")
    waiting = serializers.IntegerField(help_text="Not settled by people.")
    queued = serializers.IntegerField(help_text="Of these, in the queue.")


class YieldListSerializer(serializers.Serializer[object]):
    """The yield of a project."""

    results = YieldSerializer(many=True)
    sources = SourceCountsSerializer()
    verify_sources = serializers.BooleanField(
        help_text="Are errors put only into solutions that people found right?"
    )


class GuardsSerializer(Input):
    """What stops a job when people reject too much; null or left out for no guard."""

    min_acceptance = serializers.FloatField(required=False, allow_null=True)
    min_reviewed = serializers.IntegerField(required=False, allow_null=True)


class SourcesQuery(Input):
    """How many sources to send."""

    limit = serializers.IntegerField(min_value=1, required=False, allow_null=True)


class SourcesSentSerializer(serializers.Serializer[object]):
    """What became of the solutions, each counted once."""

    queued = serializers.IntegerField(help_text="New in the queue.")
    moved = serializers.IntegerField(help_text="In the queue already, and now first.")
    there = serializers.IntegerField(help_text="Needed nothing.")


class YieldsView(ApiView):
    """How injections fare."""

    tag = "jobs"
    scopes = {"GET": (Scope.READ, Scope.JOBS)}

    @extend_schema(responses=YieldListSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """From asking to acceptance, for each model, class and version of the prompts."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug, Capability.VIEW_JOBS)
        shown = {
            "results": build_yield(project),
            "sources": count_sources(project),
            "verify_sources": project.verify_sources,
        }
        return Response(YieldListSerializer(shown).data)


class SourcesVerifyView(ApiView):
    """Sources to be seen by people first."""

    tag = "jobs"
    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(request=SourcesQuery, responses=SourcesSentSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Put solutions that nobody has settled yet at the head of the queue. For leads."""
        project = access.get_project(self.user, slug, Capability.MANAGE)
        data = self.read(SourcesQuery)
        routed = send_sources_to_people(project=project, by=self.user, limit=data.get("limit"))
        return Response(SourcesSentSerializer(routed).data)


class JobGuardsView(ApiView):
    """The guard of a job."""

    tag = "jobs"
    scopes = {"PUT": (Scope.JOBS,)}

    @extend_schema(request=GuardsSerializer, responses=GuardsSerializer)
    def put(self, request: Request, job_id: int) -> Response:
        """Give a job that has not begun, or is paused, another guard, or none."""
        job = selectors.get_job(self.user, job_id, Capability.RUN_JOBS)
        changed = acceptance.change_guards(
            job=job, guards=self.read(GuardsSerializer), by=self.user
        )
        return Response(acceptance.read_guards(changed).pack())
