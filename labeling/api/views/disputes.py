"""Disputes: listed, looked at, decided."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.api.gaps import naming_positions
from labeling.api.links import link_next_dispute
from labeling.api.serializers.disputes import (
    DisputeDetailSerializer,
    DisputeQuery,
    DisputeSerializer,
)
from labeling.api.serializers.work import DecidedSerializer, DecisionSerializer
from labeling.models import Dispute
from labeling.selectors.disputes import get_dispute_view, list_disputes
from labeling.services import adjudications
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView


class DisputesView(ApiView):
    """The disputes of a project."""

    tag = "disputes"
    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(parameters=[DisputeQuery], responses=DisputeSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Items on which the reviewers differ."""
        project = access.get_project(self.user, slug, Capability.ADJUDICATE)
        query = self.read_query(DisputeQuery)
        return self.list_page(list_disputes(project, state=query["state"]), DisputeSerializer)


class DisputeDetailView(ApiView):
    """A view on one dispute."""

    tag = "disputes"

    def show(self, dispute: Dispute) -> Response:
        return Response(DisputeDetailSerializer(get_dispute_view(dispute, self.user)).data)


class DisputeView(DisputeDetailView):
    """One dispute."""

    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(responses=DisputeDetailSerializer)
    def get(self, request: Request, dispute_id: int) -> Response:
        """Everyone's word on the item, side by side."""
        self.read_query(Nothing)
        return self.show(access.get_dispute(self.user, dispute_id))


class OpenDisputeView(DisputeDetailView):
    """One dispute, opened to be decided."""

    scopes = {"POST": (Scope.ANNOTATE,)}

    @extend_schema(request=None, responses=DisputeDetailSerializer)
    def post(self, request: Request, dispute_id: int) -> Response:
        """The same as reading it, and the log says that you were shown the others' work."""
        dispute = access.get_dispute(self.user, dispute_id)
        self.read(Nothing)
        adjudications.open_dispute_page(dispute=dispute, person=self.user)
        return self.show(dispute)


class DecideView(ApiView):
    """A decision."""

    tag = "disputes"
    scopes = {"POST": (Scope.ANNOTATE,)}

    @extend_schema(request=DecisionSerializer, responses={201: DecidedSerializer})
    def post(self, request: Request, dispute_id: int) -> Response:
        """Settle a dispute, with a reason. The same `idempotency_key` twice is one decision.

        409 when a reviewer changed their word since `version`; 403 on an item of your own.
        """
        dispute = access.get_dispute(self.user, dispute_id)
        data = self.read(DecisionSerializer)
        with naming_positions():
            adjudication = adjudications.decide(
                dispute=dispute,
                by=self.user,
                data=data["content"],
                reason=data["reason"],
                seen_version=data["version"],
                idempotency_key=data["idempotency_key"],
            )
        answer = {
            "adjudication_id": adjudication.pk,
            "number": adjudication.number,
            "next_url": link_next_dispute(dispute.project, self.user, after=dispute.pk),
        }
        return Response(DecidedSerializer(answer).data, status=status.HTTP_201_CREATED)
