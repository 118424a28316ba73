"""Numbers of a project, and the logs behind them."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.api.serializers.statistics import (
    AgreementQuery,
    AgreementSerializer,
    AuditEventSerializer,
    AuditQuery,
    ExposureQuery,
    ExposureSerializer,
    LintsSerializer,
    OverviewSerializer,
    ProgressSerializer,
    ProposalsSerializer,
)
from labeling.models import ReviewItem
from labeling.selectors.agreement import build_report
from labeling.selectors.explorer import count_by_lint
from labeling.selectors.influence import build_influence
from labeling.selectors.progress import get_overview
from labeling.services.assignments import count_submitted, count_waiting
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView

READ = {"GET": (Scope.READ,)}
ADMIN = {"GET": (Scope.ADMIN,)}
SETTLED = (ReviewItem.State.AGREED, ReviewItem.State.DECIDED, ReviewItem.State.DISCARDED)


class OverviewView(ApiView):
    """A project at a glance."""

    tag = "statistics"
    scopes = READ

    @extend_schema(responses=OverviewSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """How much there is, and where it stands."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug)
        return Response(OverviewSerializer(get_overview(project)).data)


class ProgressView(ApiView):
    """How far the work is."""

    tag = "statistics"
    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(responses=ProgressSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """How far the project is, and how far you are."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug)
        by_state = get_overview(project).by_state
        own = None
        if Capability.ANNOTATE in access.capabilities_of(self.user, project):
            own = {
                "done": count_submitted(user=self.user, project=project),
                "waiting": count_waiting(user=self.user, project=project),
            }
        shown = {
            "items": sum(by_state.values()),
            "settled": sum(by_state.get(state, 0) for state in SETTLED),
            "by_state": by_state,
            "own": own,
        }
        return Response(ProgressSerializer(shown).data)


class AgreementView(ApiView):
    """How far people agree."""

    tag = "statistics"
    scopes = READ

    @extend_schema(parameters=[AgreementQuery], responses=AgreementSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """Agreement with intervals. An undefined figure has value null and says why."""
        project = access.get_project(self.user, slug, Capability.VIEW_AGREEMENT)
        query = self.read_query(AgreementQuery)
        report = build_report(project, include_simulated=query["include_simulated"])
        return Response(AgreementSerializer(report, context={"raters": report.raters}).data)


class ProposalsView(ApiView):
    """What people made of machines' labels."""

    tag = "statistics"
    scopes = READ

    @extend_schema(parameters=[AgreementQuery], responses=ProposalsSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """How far proposals sway people: those shown beside those kept back by chance."""
        project = access.get_project(self.user, slug, Capability.VIEW_AGREEMENT)
        query = self.read_query(AgreementQuery)
        report = build_influence(project, include_simulated=query["include_simulated"])
        return Response(ProposalsSerializer(report).data)


class LintsView(ApiView):
    """What is wrong with injections."""

    tag = "statistics"
    scopes = READ

    @extend_schema(responses=LintsSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """How many injections carry each lint."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug, Capability.BROWSE)
        injections = project.injections
        shown = {
            "injections": injections.count(),
            "blocked": injections.filter(blocking_lints__gt=0).count(),
            "results": [
                {"code": code, "injections": count}
                for code, count in count_by_lint(project).items()
            ],
        }
        return Response(LintsSerializer(shown).data)


class AuditEventsView(ApiView):
    """What was done."""

    tag = "logs"
    scopes = ADMIN
    pagination_class = NewestFirst

    @extend_schema(parameters=[AuditQuery], responses=AuditEventSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Who did what, newest first. For leads."""
        project = access.get_project(self.user, slug, Capability.MANAGE)
        query = self.read_query(AuditQuery)
        rows = project.audit_events.filter(**query).select_related("actor")
        return self.list_page(rows, AuditEventSerializer)


class ExposuresView(ApiView):
    """What people were shown."""

    tag = "logs"
    scopes = ADMIN
    pagination_class = NewestFirst

    @extend_schema(parameters=[ExposureQuery], responses=ExposureSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Who was shown what of which item, newest first. For leads."""
        project = access.get_project(self.user, slug, Capability.MANAGE)
        query = self.read_query(ExposureQuery)
        rows = project.exposures.filter(**query).select_related("person")
        return self.list_page(rows, ExposureSerializer)
