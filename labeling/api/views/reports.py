"""Reports that an original is wrong: listed, looked at, decided."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.api.names import load_names
from labeling.api.serializers.reports import (
    SourceDecisionSerializer,
    SourceReportDetailSerializer,
    SourceReportQuery,
    SourceReportSerializer,
)
from labeling.models import SourceReport
from labeling.selectors.reports import build_dossiers, get_report, list_reports
from labeling.services import reports as services
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView


class ReportsView(ApiView):
    """The reports of a project."""

    tag = "source reports"
    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(parameters=[SourceReportQuery], responses=SourceReportSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Originals that reviewers found wrong. What was taken back is left out."""
        project = access.get_project(self.user, slug, Capability.ADJUDICATE)
        query = self.read_query(SourceReportQuery)
        rows = list_reports(project, state=query["state"])
        names = load_names(project, self.user)
        return self.list_page(rows, SourceReportSerializer, context={"names": names})


class ReportDetailView(ApiView):
    """A view on one report."""

    tag = "source reports"

    def show(self, report: SourceReport) -> Response:
        [dossier] = build_dossiers([report], report.project)
        names = load_names(report.project, self.user)
        return Response(SourceReportDetailSerializer(dossier, context={"names": names}).data)


class ReportView(ReportDetailView):
    """One report."""

    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(responses=SourceReportDetailSerializer)
    def get(self, request: Request, report_id: int) -> Response:
        """The original's steps, who finds it wrong and why, and what was made from it."""
        self.read_query(Nothing)
        return self.show(get_report(self.user, report_id))


class DecideView(ReportDetailView):
    """A decision on an original."""

    scopes = {"POST": (Scope.ANNOTATE,)}

    @extend_schema(request=SourceDecisionSerializer, responses=SourceReportDetailSerializer)
    def post(self, request: Request, report_id: int) -> Response:
        """Say that the original is wrong (confirmed) or right (dismissed).

        Confirmed, what was made from it and is not settled leaves the queue, and no release takes
        any of it. 409 where it is decided already.
        """
        report = get_report(self.user, report_id)
        data = self.read(SourceDecisionSerializer)
        decide = services.dismiss
        if data["state"] == SourceReport.State.CONFIRMED:
            decide = services.confirm
        return self.show(decide(report=report, by=self.user, reason=data["reason"]))


class ReopenView(ReportDetailView):
    """A decision that is taken back."""

    scopes = {"POST": (Scope.ANNOTATE,)}

    @extend_schema(request=None, responses=SourceReportDetailSerializer)
    def post(self, request: Request, report_id: int) -> Response:
        """Take a decision back: what left the queue comes back into it."""
        report = get_report(self.user, report_id)
        self.read(Nothing)
        return self.show(services.reopen(report=report, by=self.user))
