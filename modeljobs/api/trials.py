"""A person's own version of a model's code and analysis, over REST."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from modeljobs.api.evidence import SEE_EVIDENCE, CodeTrialSerializer, EvidenceQuery
from modeljobs.models import CodeTrial
from modeljobs.services.reveals import get_evidence_access
from modeljobs.services.trials import (
    MAX_ANALYSIS_CHARS,
    MAX_CODE_CHARS,
    keep_analysis,
    request_trial,
)
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import Scope
from workbench.api.serializers import MAX_INTEGER, Input, Nothing
from workbench.api.views import ApiView
from workbench.errors import NotAllowed, NotFound


class NewTrialSerializer(Input):
    """Code to be run in place of a block, after the blocks before it, and the analysis of its
    sample as this person would put it. Without code, the analysis alone is kept.
    """

    position = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER)
    sample = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER, default=0)
    block = serializers.IntegerField(
        min_value=0,
        max_value=MAX_INTEGER,
        default=0,
        help_text="Which block of the sample, from 0; the one after the last is code of one's own.",
    )
    code = serializers.CharField(
        max_length=MAX_CODE_CHARS, trim_whitespace=False, required=False, allow_null=True
    )
    analysis = serializers.CharField(
        max_length=MAX_ANALYSIS_CHARS, trim_whitespace=False, required=False, allow_null=True
    )


class JobItemTrialsView(ApiView):
    """People's runs of the code of one item."""

    tag = "jobs"
    scopes = {"GET": SEE_EVIDENCE, "POST": (Scope.JOBS, Scope.ANNOTATE)}
    pagination_class = NewestFirst

    @extend_schema(parameters=[EvidenceQuery], responses=CodeTrialSerializer(many=True))
    def get(self, request: Request, job_item_id: int) -> Response:
        """The runs, newest first; a reviewer sees their own."""
        query = self.read_query(EvidenceQuery)
        allowed = get_evidence_access(self.user, job_item_id)
        rows = CodeTrial.objects.filter(item=allowed.item, **query).select_related("author")
        if allowed.positions is not None:
            rows = rows.filter(position__in=allowed.positions, author=self.user)
        return self.list_page(rows, CodeTrialSerializer)

    @extend_schema(request=NewTrialSerializer, responses={201: CodeTrialSerializer})
    def post(self, request: Request, job_item_id: int) -> Response:
        """Run code in the sandbox of a worker; ask for the run again until its state is final.

        Without `code` only the changed `analysis` is kept: the run is done at once, with the
        status `not_run`. At most one run at a time for each person, and ten a minute:
        `too_many_trials` says when to come back.
        """
        allowed = get_evidence_access(self.user, job_item_id)
        if not allowed.may_run:
            raise NotAllowed("Your role in this project does not allow you to run code.")
        data = self.read(NewTrialSerializer)
        if not allowed.includes(data["position"]):
            raise NotAllowed("The machine evidence on this step is not open to you.")
        code, analysis = data.pop("code", None), data.pop("analysis", None)
        if code is None and analysis is not None:
            trial = keep_analysis(item=allowed.item, by=self.user, analysis=analysis, **data)
        else:
            trial = request_trial(
                item=allowed.item, by=self.user, code=code or "", analysis=analysis, **data
            )
        return Response(CodeTrialSerializer(trial).data, status=status.HTTP_201_CREATED)

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Any:
        done = super().finalize_response(request, response, *args, **kwargs)
        if done.status_code == 429:
            wait = done.data["error"]["detail"].get("retry_after")
            if wait is not None:
                done["Retry-After"] = str(wait)
        return done


class CodeTrialView(ApiView):
    """One run of code."""

    tag = "jobs"
    scopes = {"GET": SEE_EVIDENCE}

    @extend_schema(responses=CodeTrialSerializer)
    def get(self, request: Request, trial_id: int) -> Response:
        """A run, with what came of it once its state is `done` or `failed`."""
        self.read_query(Nothing)
        missing = f"There is no run {trial_id} that you may see."
        trial = CodeTrial.objects.select_related("author").filter(pk=trial_id).first()
        if trial is None:
            raise NotFound(missing)
        allowed = get_evidence_access(self.user, trial.item_id)
        if not allowed.includes(trial.position):
            raise NotAllowed("The machine evidence on this step is not open to you.")
        if not allowed.sees_others and trial.author_id != self.user.pk:
            raise NotFound(missing)
        return Response(CodeTrialSerializer(trial).data)
