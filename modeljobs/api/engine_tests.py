"""Tests of engines over REST: asked for by leads, seen by those who see engines."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from modeljobs import selectors
from modeljobs.api.views import SEE_JOBS, require_job_viewer
from modeljobs.services import engine_tests
from modeljobs.services.engine_tests import TestView
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView


class DoorSerializer(serializers.Serializer[object]):
    """One way of asking the engine."""

    name = serializers.CharField(help_text="completions, chat or pooling")
    answers = serializers.BooleanField()
    code = serializers.CharField(allow_blank=True)
    error = serializers.CharField(allow_blank=True)


class EngineTestResultSerializer(serializers.Serializer[object]):
    """What the engine could do; what was not found out is null or left out."""

    answered = serializers.BooleanField()
    code = serializers.CharField(required=False, allow_blank=True)
    error = serializers.CharField(required=False, allow_blank=True)
    doors = DoorSerializer(many=True, required=False)
    model = serializers.CharField(required=False, allow_blank=True)
    models = serializers.ListField(child=serializers.CharField(), required=False)
    text = serializers.CharField(required=False, allow_blank=True)
    latency_ms = serializers.IntegerField(required=False, allow_null=True)
    prompt_tokens = serializers.IntegerField(required=False, allow_null=True)
    completion_tokens = serializers.IntegerField(required=False, allow_null=True)
    context_length = serializers.IntegerField(required=False, allow_null=True)
    logprobs = serializers.BooleanField(required=False, allow_null=True)
    several = serializers.BooleanField(
        required=False, allow_null=True, help_text="Several answers to one request (n)."
    )
    token_ids = serializers.BooleanField(required=False, allow_null=True)


class EngineTestSerializer(serializers.Serializer[TestView]):
    """A test of an engine."""

    id = serializers.IntegerField(source="test.pk")
    engine = serializers.IntegerField(source="test.engine_id")
    state = serializers.CharField(help_text="queued, running, done or failed")
    result = serializers.SerializerMethodField(help_text="Null until the test has ended.")
    requested_by = serializers.CharField(source="test.requested_by.name")
    created_at = serializers.DateTimeField(source="test.created_at")
    started_at = serializers.DateTimeField(source="test.started_at", allow_null=True)
    finished_at = serializers.DateTimeField(source="test.finished_at", allow_null=True)

    @extend_schema_field(EngineTestResultSerializer(allow_null=True))
    def get_result(self, view: TestView) -> dict[str, object] | None:
        return dict(view.result) or None


class EngineTestListSerializer(serializers.Serializer[object]):
    """The latest tests of an engine."""

    results = EngineTestSerializer(many=True)


class EngineTestView(ApiView):
    """An engine to be tested."""

    tag = "jobs"
    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(request=None, responses={202: EngineTestSerializer})
    def post(self, request: Request, engine_id: int) -> Response:
        """Ask the engine what it can do, in a worker; for leads.

        While a test is under way, that one is answered.
        """
        require_job_viewer(self.user)
        engine = selectors.get_engine(engine_id)
        self.read(Nothing)
        test, _is_new = engine_tests.request_test(engine=engine, by=self.user)
        shown = EngineTestSerializer(engine_tests.view_test(test, now=timezone.now()))
        return Response(shown.data, status=status.HTTP_202_ACCEPTED)


class EngineTestsView(ApiView):
    """The tests of an engine."""

    tag = "jobs"
    scopes = {"GET": SEE_JOBS}

    @extend_schema(responses=EngineTestListSerializer)
    def get(self, request: Request, engine_id: int) -> Response:
        """The engine's latest tests, newest first."""
        require_job_viewer(self.user)
        self.read_query(Nothing)
        engine = selectors.get_engine(engine_id)
        tests = engine_tests.list_tests(engine, now=timezone.now())
        return Response(EngineTestListSerializer({"results": tests}).data)
