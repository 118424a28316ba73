"""Guidelines and rulings: read, published, made, withdrawn, and marked as read."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.api.serializers.guidance import (
    GuidelineReadingSerializer,
    GuidelineSerializer,
    NewGuidelineSerializer,
    ReadingInput,
    RulingInput,
    RulingQuery,
    RulingSerializer,
    RulingViewSerializer,
)
from labeling.models import Ruling
from labeling.selectors import guidance as selectors
from labeling.selectors.guidance import Edition, RulingFilters
from labeling.services import guidance
from labeling.services.projects import publish_guidelines
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import ANY_SCOPE, Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView


class GuidelinesView(ApiView):
    """The guidelines, version by version."""

    tag = "guidelines"
    scopes = {"GET": ANY_SCOPE, "POST": (Scope.ADMIN,)}
    pagination_class = NewestFirst

    @extend_schema(responses=GuidelineSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """All versions of the guidelines; the first is the one in force."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug)
        versions = project.guideline_versions.select_related("author")
        return self.list_page(versions, GuidelineSerializer)

    @extend_schema(request=NewGuidelineSerializer, responses={201: GuidelineSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Put a new version in force, in all its languages; the earlier ones stay.

        A language that is not sent has no text in the new version.
        """
        project = access.get_project(self.user, slug, Capability.MANAGE)
        data = self.read(NewGuidelineSerializer)
        guideline = publish_guidelines(
            project=project,
            by=self.user,
            text=data["text"],
            translations=data["translations"],
            seen_version=data["version"],
        )
        return Response(GuidelineSerializer(guideline).data, status=status.HTTP_201_CREATED)


class ReadingView(ApiView):
    """That one has read what is in force."""

    tag = "guidelines"
    scopes = {"POST": (Scope.ANNOTATE,)}

    @extend_schema(request=ReadingInput, responses=GuidelineReadingSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Note that you have read the guidelines and the rulings; twice is once.

        409 where something changed since: nobody is noted for what they have not seen.
        """
        project = access.get_project(self.user, slug)
        data = self.read(ReadingInput)
        reading = guidance.note_reading(project=project, person=self.user, seen=Edition(**data))
        return Response(GuidelineReadingSerializer(reading).data)


class RulingsBaseView(ApiView):
    """A view on rulings."""

    tag = "guidelines"

    def show(self, ruling: Ruling, *, is_new: bool = False) -> Response:
        row = selectors.with_names(Ruling.objects.filter(pk=ruling.pk)).get()
        shown = RulingViewSerializer(selectors.view_ruling(row, self.user, {}))
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(shown.data, status=code)


class RulingsView(RulingsBaseView):
    """The rulings of a project."""

    scopes = {"GET": (Scope.READ, Scope.ANNOTATE), "POST": (Scope.ADMIN,)}
    pagination_class = NewestFirst

    @extend_schema(parameters=[RulingQuery], responses=RulingViewSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The rulings, the newest first; withdrawn ones are among them."""
        project = access.get_project(self.user, slug)
        query = self.read_query(RulingQuery)
        filters = RulingFilters(
            text=query["q"], error_type=query["error_type"], state=query["state"]
        )
        rows = selectors.with_names(selectors.find_rulings(project, filters))
        return self.list_page(rows, RulingSerializer, context={"viewer": self.user})

    @extend_schema(request=RulingInput, responses={201: RulingViewSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Make a ruling. It is never changed: withdraw it, and another takes its place.

        The same ruling sent twice is one. 409 where the question has another answer in force.
        """
        project = access.get_project(self.user, slug, Capability.MANAGE)
        data = self.read(RulingInput)
        ruling = guidance.make_ruling(project=project, by=self.user, **data)
        return self.show(ruling, is_new=True)


class WithdrawRulingView(RulingsBaseView):
    """A ruling that holds no more."""

    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(request=None, responses=RulingViewSerializer)
    def post(self, request: Request, ruling_id: int) -> Response:
        """Withdraw a ruling; it stays on record. 409 where it is withdrawn already."""
        ruling = selectors.find_ruling(self.user, ruling_id, Capability.MANAGE)
        self.read(Nothing)
        return self.show(guidance.withdraw_ruling(ruling=ruling, by=self.user))


class RestoreRulingView(RulingsBaseView):
    """A ruling that is in force again."""

    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(request=None, responses=RulingViewSerializer)
    def post(self, request: Request, ruling_id: int) -> Response:
        """Undo a withdrawal. 409 where somebody has read of it: then make the ruling again."""
        ruling = selectors.find_ruling(self.user, ruling_id, Capability.MANAGE)
        self.read(Nothing)
        return self.show(guidance.restore_ruling(ruling=ruling, by=self.user))
