"""Training over REST: the lead's set, one's own rounds, and one's own work."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.api.gaps import naming_positions
from labeling.api.links import link_page
from labeling.api.serializers.training import (
    AddItemsSerializer,
    AnsweredSerializer,
    AnswerSerializer,
    BlindSerializer,
    ChooseSerializer,
    ChosenSerializer,
    ExplainSerializer,
    LetInSerializer,
    MoveSerializer,
    OwnWorkSerializer,
    RoundDetailSerializer,
    TrainingItemSerializer,
    TrainingPlaceSerializer,
    TrainingRoundSerializer,
)
from labeling.api.serializers.work import RevealedSerializer, show_workspace
from labeling.content import pack_first_error
from labeling.models import (
    Injection,
    Project,
    TrainingAnswer,
    TrainingItem,
    TrainingRound,
)
from labeling.selectors import training as selectors
from labeling.selectors.agreement import FEW
from labeling.selectors.own_work import get_own_work
from labeling.selectors.review import build_claim
from labeling.services import training
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView
from workbench.errors import NotFound

LEARN = {"GET": (Scope.READ, Scope.ANNOTATE), "POST": (Scope.ANNOTATE,)}
# The parts of a workspace that an item has which nobody holds.
WORK_PARTS = ("project", "problem", "solution", "steps", "error_types", "injection")


class SetView(ApiView):
    """A view on the training set, for leads."""

    tag = "training"

    def get_lead_project(self, slug: str) -> Project:
        return access.get_project(self.user, slug, Capability.MANAGE)

    def get_row(self, training_item_id: int) -> TrainingItem:
        missing = f"There is no training item {training_item_id} that you may see."
        row = (
            TrainingItem.objects.select_related("project", "item")
            .filter(pk=training_item_id)
            .first()
        )
        if row is None:
            raise NotFound(missing)
        access.require(self.user, row.project, Capability.MANAGE, missing=missing)
        return row

    def show(self, row: TrainingItem) -> Response:
        shares = selectors.count_first_answers(row.project)
        return Response(TrainingItemSerializer(row, context={"shares": shares}).data)


class TrainingItemsView(SetView):
    """The training set."""

    scopes = {"GET": (Scope.READ,), "POST": (Scope.ADMIN,)}

    @extend_schema(responses=TrainingItemSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The items of the set with their expected answers; those taken out too. For leads."""
        self.read_query(Nothing)
        project = self.get_lead_project(slug)
        return self.list_page(
            project.training_items.select_related("item"),
            TrainingItemSerializer,
            context={"shares": selectors.count_first_answers(project)},
        )

    @extend_schema(request=AddItemsSerializer, responses={201: ChosenSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Put settled items at the end of the set. What is settled of them now is expected."""
        project = self.get_lead_project(slug)
        data = self.read(AddItemsSerializer)
        made = training.add_items(project=project, by=self.user, items=data["items"])
        return _show_chosen(made)


class TrainingChooseView(SetView):
    """A set chosen by chance."""

    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(request=ChooseSerializer, responses={201: ChosenSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Fill the set up from what is settled, spread over tasks, outcomes, types and problems.

        The same seed over the same items chooses the same.
        """
        project = self.get_lead_project(slug)
        data = self.read(ChooseSerializer)
        made = training.choose_items(
            project=project,
            by=self.user,
            size=data["size"] or project.screening_size,
            seed=data["seed"],
        )
        return _show_chosen(made)


def _show_chosen(made: list[TrainingItem]) -> Response:
    shown = ChosenSerializer({"items": [row.pk for row in made]})
    return Response(shown.data, status=status.HTTP_201_CREATED)


class TrainingItemView(SetView):
    """One item of the set."""

    scopes = {"PATCH": (Scope.ADMIN,), "DELETE": (Scope.ADMIN,)}

    @extend_schema(request=ExplainSerializer, responses=TrainingItemSerializer)
    def patch(self, request: Request, training_item_id: int) -> Response:
        """Write its explanation, which is shown after every answer."""
        row = self.get_row(training_item_id)
        data = self.read(ExplainSerializer)
        return self.show(training.explain_item(row=row, by=self.user, **data))

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, training_item_id: int) -> Response:
        """Take it out of the set. Rounds under way keep it, and its answers stay."""
        training.remove_item(row=self.get_row(training_item_id), by=self.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TrainingPutBackView(SetView):
    """An item that was taken out."""

    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(request=None, responses=TrainingItemSerializer)
    def post(self, request: Request, training_item_id: int) -> Response:
        """Put it back where it stood."""
        row = self.get_row(training_item_id)
        self.read(Nothing)
        return self.show(training.put_back(row=row, by=self.user))


class TrainingMoveView(SetView):
    """The order of the set."""

    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(request=MoveSerializer, responses=TrainingItemSerializer)
    def post(self, request: Request, training_item_id: int) -> Response:
        """Change places with the item before or after it."""
        row = self.get_row(training_item_id)
        data = self.read(MoveSerializer)
        return self.show(training.move_item(row=row, by=self.user, **data))


class TrainingLetInView(SetView):
    """Somebody who has not passed."""

    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(request=LetInSerializer, responses=TrainingRoundSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Let a member take items without having passed, with a reason."""
        project = self.get_lead_project(slug)
        data = self.read(LetInSerializer)
        members = project.memberships.select_related("user")
        member = get_object_or_404(members, pk=data["member"])
        found = training.let_in(
            project=project, person=member.user, by=self.user, reason=data["reason"]
        )
        return Response(TrainingRoundSerializer(_count(found)).data)


class TrainingTakeBackView(SetView):
    """Somebody who was let in."""

    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(request=None, responses=TrainingRoundSerializer)
    def post(self, request: Request, round_id: int) -> Response:
        """Ask the training of them again."""
        found = selectors.find_round(self.user, round_id)
        access.require(self.user, found.project, Capability.MANAGE)
        self.read(Nothing)
        done = training.take_back_letting_in(found=found, by=self.user)
        return Response(TrainingRoundSerializer(_count(done)).data)


# --- Rounds ---------------------------------------------------------------------------------------


def _count(found: TrainingRound) -> Any:
    """The round with `n_right` and `n_answered`."""
    return selectors.list_rounds(found.project, [found.person]).get(pk=found.pk)


class TrainingRoundsView(ApiView):
    """People's rounds."""

    tag = "training"
    scopes = LEARN

    @extend_schema(responses=TrainingRoundSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Your own rounds; for leads everybody's."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug)
        rows: QuerySet[TrainingRound] = selectors.list_rounds(project)
        if Capability.MANAGE not in access.capabilities_of(self.user, project):
            rows = rows.filter(person=self.user)
        return self.list_page(rows, TrainingRoundSerializer)

    @extend_schema(request=None, responses={201: TrainingRoundSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Begin a round, or go on with the one under way."""
        project = access.get_project(self.user, slug, Capability.ANNOTATE)
        self.read(Nothing)
        found = training.start_round(user=self.user, project=project)
        shown = TrainingRoundSerializer(_count(found))
        return Response(shown.data, status=status.HTTP_201_CREATED)


class TrainingRoundView(ApiView):
    """One round."""

    tag = "training"
    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(responses=RoundDetailSerializer)
    def get(self, request: Request, round_id: int) -> Response:
        """How a round of yours goes, item by item; for leads anybody's."""
        self.read_query(Nothing)
        found = selectors.find_round(self.user, round_id)
        view = selectors.get_round_view(found)
        shown = {
            "round": _count(found),
            "items": [
                {
                    "place": one.place,
                    "item": one.item.pk,
                    "task": one.item.task,
                    "is_right": one.is_right,
                    "url": reverse("api:training-answer", args=[found.pk, one.place]),
                }
                for one in view.items
            ],
            "share": view.share,
            "confusions": [
                {"kind": one["kind"], **one["values"], "answers": n} for one, n in view.confusions
            ],
            "next_place": view.next_place,
        }
        return Response(RoundDetailSerializer(shown).data)


class TrainingAnswerView(ApiView):
    """One item of a round."""

    tag = "training"
    scopes = LEARN

    @extend_schema(responses=TrainingPlaceSerializer)
    def get(self, request: Request, round_id: int, place: int) -> Response:
        """What is to be judged; once it is answered, what was expected and why."""
        self.read_query(Nothing)
        found = selectors.find_own_round(self.user, round_id)
        row = selectors.find_answer(found, place)
        work = show_workspace(selectors.get_training_workspace(found, row), {})
        shown = {
            "round": found.pk,
            "place": place,
            "size": found.size,
            "item": row.training_item.item_id,
            "task": row.training_item.item.task,
            "work": {name: work[name] for name in WORK_PARTS},
            "explained": _explain(row) if selectors.is_answered(row) else None,
        }
        return Response(shown)

    @extend_schema(request=AnswerSerializer, responses={201: AnsweredSerializer})
    def post(self, request: Request, round_id: int, place: int) -> Response:
        """Answer it. The same `idempotency_key` twice stores one answer and tells it again.

        400 `incomplete` names every gap; 409 `already_answered` where it was answered before.
        """
        found = selectors.find_own_round(self.user, round_id)
        row = selectors.find_answer(found, place)
        data = self.read(AnswerSerializer)
        with naming_positions():
            answered = training.answer_item(
                row=row,
                data=data["content"],
                idempotency_key=data["idempotency_key"],
                active_ms=data["active_ms"],
            )
        passed = TrainingRound.objects.values_list("passed", flat=True).get(pk=found.pk)
        fallback = f"/training/{found.pk}/{place}/"
        answer = {
            **_explain(answered),
            "next_url": link_page("training-item", fallback, found.pk, place),
            "passed": passed,
        }
        return Response(AnsweredSerializer(answer).data, status=status.HTTP_201_CREATED)


def _explain(row: TrainingAnswer) -> dict[str, Any]:
    return {
        "is_right": row.is_right,
        "given": row.content,
        "expected": row.expected,
        "findings": row.findings,
        "explanation": row.training_item.explanation,
    }


class TrainingRevealView(ApiView):
    """The claim of a training item."""

    tag = "training"
    scopes = {"POST": (Scope.ANNOTATE,)}

    @extend_schema(request=BlindSerializer, responses=RevealedSerializer)
    def post(self, request: Request, round_id: int, place: int) -> Response:
        """Open the claim, keeping your own judgement made before. The first judgement counts."""
        found = selectors.find_own_round(self.user, round_id)
        row = selectors.find_answer(found, place)
        data = self.read(BlindSerializer)
        judged = training.reveal_claim(row=row, blind_first_error=data["blind_first_error"])
        injection = Injection.objects.get(modified=row.training_item.item.solution_id)
        shown = {
            "claim": build_claim(injection, found.project.taxonomy),
            "blind_first_error": pack_first_error(judged),
        }
        return Response(RevealedSerializer(shown).data)


# --- One's own work -------------------------------------------------------------------------------


class OwnWorkView(ApiView):
    """One's own work in a project."""

    tag = "statistics"
    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(responses=OwnWorkSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """How far you are, how long it takes you, and how your words compare with decisions."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug, Capability.ANNOTATE)
        own = get_own_work(self.user, project)
        shown = {
            "progress": own.progress,
            "item_time": own.item_time,
            "step_time": own.step_time,
            "figures": own.figures,
            "sent_back": [one.annotation.pk for one in own.sent_back],
            "unseen_mentions": own.unseen_mentions,
            "training": selectors.find_standing(self.user, project),
            "guideline_version_read": own.guideline_read and own.guideline_read.version,
        }
        return Response(OwnWorkSerializer(shown, context={"few": FEW}).data)
