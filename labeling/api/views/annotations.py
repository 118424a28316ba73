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
from labeling.api.links import link_assignment, link_work
from labeling.api.names import load_names
from labeling.api.serializers.annotations import AnnotationFilters, ChangeSerializer
from labeling.api.serializers.data import AnnotationHistorySerializer, AnnotationSerializer
from labeling.api.serializers.work import SubmittedSerializer
from labeling.models import Annotation, AnnotationRevision
from labeling.selectors.submitted import SubmittedFilters, filter_annotations
from labeling.services.annotations import revise
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView
from workbench.errors import Conflict


class AnnotationsView(ApiView):
    """What people said."""

    tag = "annotations"
    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(parameters=[AnnotationFilters], responses=AnnotationSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Your own annotations; for leads and adjudicators everybody's."""
        project = access.get_project(self.user, slug)
        query = self.read_query(AnnotationFilters)
        names = ("solution", "item", "kind")
        exact = {name: query.pop(name) for name in names if name in query}
        only_own = query.pop("own", False)
        rows = (
            filter_annotations(
                Annotation.objects.filter(project=project, **exact), SubmittedFilters(**query)
            )
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
        if only_own or Capability.ADJUDICATE not in access.capabilities_of(self.user, project):
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

    @extend_schema(request=ChangeSerializer, responses={201: SubmittedSerializer})
    def post(self, request: Request, annotation_id: int) -> Response:
        """Add a revision, with a reason. The earlier ones stay; a decided item takes none.

        409 where it was changed since `number`, with what is in force now: `number`, `content`
        and `saved_at`.
        """
        annotation = access.get_own_annotation(self.user, annotation_id)
        data = self.read(ChangeSerializer)
        try:
            with naming_positions():
                revision = revise(
                    annotation=annotation,
                    by=self.user,
                    data=data["content"],
                    reason=data["reason"],
                    seen_number=data["number"],
                    idempotency_key=data["idempotency_key"],
                    active_ms=data["active_ms"],
                    step_ms=data["step_ms"],
                )
        except Conflict as error:
            raise _with_newer(annotation, error) from None
        answer = {
            "annotation_id": annotation.pk,
            "revision": revision.number,
            "next_url": _link_back(annotation),
        }
        return Response(SubmittedSerializer(answer).data, status=status.HTTP_201_CREATED)


def _with_newer(annotation: Annotation, error: Conflict) -> Conflict:
    """The refusal with the words that are in force, where it is they that are newer: nobody has to
    choose between two texts of which they see one.
    """
    number = error.extra.get("number")
    if not isinstance(number, int):
        return error
    newer = annotation.revisions.filter(number=number).first()
    if newer is not None:
        error.extra |= {"content": newer.content, "saved_at": newer.created_at.isoformat()}
    return error


def _link_back(annotation: Annotation) -> str:
    """The page of the item, which shows all that its reviewer has said of it."""
    first = annotation.revisions.order_by("number").values_list("assignment", flat=True).first()
    return link_work(annotation.project) if first is None else link_assignment(first)
