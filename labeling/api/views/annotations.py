"""People's records, to be read and revised."""

from __future__ import annotations

from django.db.models import F, Prefetch
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.api.gaps import naming_positions
from labeling.api.links import link_work
from labeling.api.names import load_names
from labeling.api.serializers.data import (
    AnnotationHistorySerializer,
    AnnotationQuery,
    AnnotationSerializer,
)
from labeling.api.serializers.work import ReviseSerializer, SubmittedSerializer
from labeling.models import Annotation, AnnotationRevision
from labeling.services.annotations import revise
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView


class AnnotationsView(ApiView):
    """What people said."""

    tag = "annotations"
    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(parameters=[AnnotationQuery], responses=AnnotationSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Your own annotations; for leads and adjudicators everybody's."""
        project = access.get_project(self.user, slug)
        query = self.read_query(AnnotationQuery)
        rows = (
            Annotation.objects.filter(project=project, **query)
            .select_related("annotator")
            .prefetch_related(
                Prefetch(
                    "revisions",
                    queryset=AnnotationRevision.objects.filter(
                        number=F("annotation__current_number")
                    ),
                    to_attr="current_revisions",
                )
            )
        )
        if Capability.ADJUDICATE not in access.capabilities_of(self.user, project):
            rows = rows.filter(annotator=self.user)
        return self.list_page(
            rows, AnnotationSerializer, context={"names": load_names(project, self.user)}
        )


class AnnotationView(ApiView):
    """One annotation of one's own."""

    tag = "annotations"
    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(responses=AnnotationHistorySerializer)
    def get(self, request: Request, annotation_id: int) -> Response:
        """Your annotation with all its revisions."""
        self.read_query(Nothing)
        annotation = access.get_own_annotation(self.user, annotation_id)
        names = load_names(annotation.project, self.user)
        return Response(AnnotationHistorySerializer(annotation, context={"names": names}).data)


class ReviseView(ApiView):
    """A change of one's word."""

    tag = "annotations"
    scopes = {"POST": (Scope.ANNOTATE,)}

    @extend_schema(request=ReviseSerializer, responses={201: SubmittedSerializer})
    def post(self, request: Request, annotation_id: int) -> Response:
        """Add a revision, with a reason. The earlier ones stay; a decided item takes none."""
        annotation = access.get_own_annotation(self.user, annotation_id)
        data = self.read(ReviseSerializer)
        with naming_positions():
            revision = revise(
                annotation=annotation,
                by=self.user,
                data=data["content"],
                reason=data["reason"],
                seen_number=data["number"],
                idempotency_key=data["idempotency_key"],
            )
        answer = {
            "annotation_id": annotation.pk,
            "revision": revision.number,
            "next_url": link_work(annotation.project),
        }
        return Response(SubmittedSerializer(answer).data, status=status.HTTP_201_CREATED)
