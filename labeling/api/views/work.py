"""A reviewer's work on one item, from claim to submission."""

from __future__ import annotations

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.api.gaps import naming_positions
from labeling.api.links import link_assignment, link_work
from labeling.api.serializers.work import (
    DraftChangeSerializer,
    LeaseEndSerializer,
    LeaseSerializer,
    NextSerializer,
    RevealedSerializer,
    RevealSerializer,
    SavedSerializer,
    SkipSerializer,
    SubmitSerializer,
    SubmittedSerializer,
    WorkspaceSerializer,
    show_workspace,
)
from labeling.content import pack_first_error
from labeling.models import Assignment, Injection
from labeling.selectors.originals import describe_original
from labeling.selectors.review import build_claim, get_workspace
from labeling.services import assignments
from labeling.services.annotations import reveal_claim, submit
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView

WORK = {"POST": (Scope.ANNOTATE,)}


class WorkView(ApiView):
    """A view on assignments."""

    tag = "work"

    def show(self, assignment: Assignment) -> Response:
        """The workspace of an assignment, with the addresses that it needs."""
        urls = {
            name: reverse(f"api:assignment-{name}", args=[assignment.pk])
            for name in ("draft", "heartbeat", "reveal", "submit", "skip")
        }
        workspace = get_workspace(assignment)
        return Response(show_workspace(workspace, {**urls, "page": link_assignment(assignment.pk)}))


class ClaimView(WorkView):
    """The next item."""

    scopes = WORK

    @extend_schema(
        request=None,
        responses={
            200: WorkspaceSerializer,
            204: OpenApiResponse(description="Nothing waits for you here."),
        },
    )
    def post(self, request: Request, slug: str) -> Response:
        """Claim the next item; the one that you hold already comes first."""
        project = access.get_project(self.user, slug, Capability.ANNOTATE)
        self.read(Nothing)
        assignment = assignments.claim_next(user=self.user, project=project)
        if assignment is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        # Both are at hand: the workspace need not ask for them again.
        assignment.project, assignment.annotator = project, self.user
        return self.show(assignment)


class ClaimItemView(WorkView):
    """An item that one had before."""

    scopes = WORK

    @extend_schema(request=None, responses=WorkspaceSerializer)
    def post(self, request: Request, item_id: int) -> Response:
        """Take an item again after its lease ran out. 409 when somebody else has it now."""
        item = access.get_item_had_before(self.user, item_id)
        self.read(Nothing)
        return self.show(assignments.claim_item(user=self.user, item=item))


class AssignmentView(WorkView):
    """One's own assignment."""

    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(responses=WorkspaceSerializer)
    def get(self, request: Request, assignment_id: int) -> Response:
        """The workspace of your assignment. Reading it changes nothing, not even the lease."""
        self.read_query(Nothing)
        return self.show(access.get_own_assignment(self.user, assignment_id))


class DraftView(WorkView):
    """Unfinished work."""

    scopes = {"PUT": (Scope.ANNOTATE,)}

    @extend_schema(request=DraftChangeSerializer, responses=SavedSerializer)
    def put(self, request: Request, assignment_id: int) -> Response:
        """Keep a draft.

        409 `stale_draft`, with what is stored in `detail`, when another window saved since
        `version`; 409 `lease_lost` when the item is no longer yours.
        """
        assignment = access.get_own_assignment(self.user, assignment_id)
        data = self.read(DraftChangeSerializer)
        draft = assignments.save_draft(
            assignment=assignment,
            lease_token=data["lease_token"],
            content=data["content"],
            seen_version=data["version"],
            activity=data["activity"],
        )
        saved = {"version": draft.version, "saved_at": draft.updated_at}
        return Response(SavedSerializer(saved).data)


class HeartbeatView(WorkView):
    """The lease."""

    scopes = WORK

    @extend_schema(request=LeaseSerializer, responses=LeaseEndSerializer)
    def post(self, request: Request, assignment_id: int) -> Response:
        """Keep the item for longer."""
        assignment = access.get_own_assignment(self.user, assignment_id)
        data = self.read(LeaseSerializer)
        end = assignments.extend_lease(assignment=assignment, lease_token=data["lease_token"])
        return Response(LeaseEndSerializer({"lease_expires_at": end}).data)


class RevealView(WorkView):
    """The claim of an injection."""

    scopes = WORK

    @extend_schema(request=RevealSerializer, responses=RevealedSerializer)
    def post(self, request: Request, assignment_id: int) -> Response:
        """Open the claim, keeping your own judgement made before. The first judgement counts."""
        assignment = access.get_own_assignment(self.user, assignment_id)
        data = self.read(RevealSerializer)
        judged = reveal_claim(
            assignment=assignment,
            lease_token=data["lease_token"],
            blind_first_error=data["blind_first_error"],
        )
        injection = Injection.objects.get(modified=assignment.item.solution_id)
        shown = {
            "claim": build_claim(injection, assignment.project.taxonomy),
            "blind_first_error": pack_first_error(judged),
            "original": describe_original(
                assignment.item.solution_id, beside_item=assignment.item_id
            ),
        }
        return Response(RevealedSerializer(shown).data)


class SubmitView(WorkView):
    """Finished work."""

    scopes = WORK

    @extend_schema(request=SubmitSerializer, responses={201: SubmittedSerializer})
    def post(self, request: Request, assignment_id: int) -> Response:
        """Submit. The same `idempotency_key` twice stores one revision and answers with it.

        400 `incomplete` names every gap; 409 `stale_draft` and `lease_lost` as for drafts.
        """
        assignment = access.get_own_assignment(self.user, assignment_id)
        data = self.read(SubmitSerializer)
        with naming_positions():
            revision = submit(
                assignment=assignment,
                lease_token=data["lease_token"],
                data=data["content"],
                idempotency_key=data["idempotency_key"],
                seen_draft=data["version"],
                active_ms=data["active_ms"],
                step_ms=data["step_ms"],
            )
        answer = {
            "annotation_id": revision.annotation_id,
            "revision": revision.number,
            "next_url": link_work(assignment.project),
        }
        return Response(SubmittedSerializer(answer).data, status=status.HTTP_201_CREATED)


class SkipView(WorkView):
    """An item given back."""

    scopes = WORK

    @extend_schema(request=SkipSerializer, responses=NextSerializer)
    def post(self, request: Request, assignment_id: int) -> Response:
        """Give the item to somebody else, with a reason."""
        assignment = access.get_own_assignment(self.user, assignment_id)
        data = self.read(SkipSerializer)
        assignments.skip(assignment=assignment, **data)
        return Response(NextSerializer({"next_url": link_work(assignment.project)}).data)


class UndoSkipView(WorkView):
    """A skip taken back."""

    scopes = WORK

    @extend_schema(request=None, responses=WorkspaceSerializer)
    def post(self, request: Request, assignment_id: int) -> Response:
        """Take back a skip: the item is yours again, in a new assignment, if it is still free."""
        assignment = access.get_own_assignment(self.user, assignment_id)
        self.read(Nothing)
        return self.show(assignments.undo_skip(assignment=assignment))
