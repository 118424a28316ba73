"""Is this equality true? Over REST."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from modeljobs.equality_views import CheckView, list_checks, show_check
from modeljobs.models import EqualityCheck
from modeljobs.services.equalities import (
    MAX_CHARS,
    ask_in_assignment,
    ask_of_item,
    get_item_to_ask,
)
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import Scope
from workbench.api.serializers import MAX_INTEGER, Input, Nothing
from workbench.api.views import ApiView
from workbench.errors import NotFound


class EqualityPairSerializer(serializers.Serializer[object]):
    """Two sides of a chain: LaTeX as they were understood, and what is said of them."""

    statement = serializers.CharField(help_text="Empty where it is too long to be shown.")
    answer = serializers.ChoiceField(EqualityCheck.Answer.choices)
    sentences = serializers.ListField(child=serializers.CharField())


class EqualityCheckSerializer(serializers.ModelSerializer[EqualityCheck]):
    """Somebody asked whether an equality is true. `answer` is empty until it is `done`."""

    item = serializers.IntegerField(source="review_item_id", allow_null=True)
    author = serializers.CharField(source="author.name")
    layers = serializers.ListField(child=serializers.CharField())
    headline = serializers.SerializerMethodField(help_text="The answer in a few words.")
    pairs = serializers.SerializerMethodField()
    sentences = serializers.SerializerMethodField(
        help_text="Why there is no better answer; what concerns a pair stands with it."
    )

    class Meta:
        model = EqualityCheck
        fields: tuple[str, ...] = (
            *("id", "item", "position", "author", "text", "state", "answer", "headline"),
            *("left", "right", "pairs", "sentences", "milliseconds", "layers"),
            *("created_at", "started_at", "finished_at"),
        )
        read_only_fields = fields

    def get_headline(self, check: EqualityCheck) -> str:
        return self._show(check).headline

    @extend_schema_field(EqualityPairSerializer(many=True))
    def get_pairs(self, check: EqualityCheck) -> Any:
        return EqualityPairSerializer(self._show(check).pairs, many=True).data

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_sentences(self, check: EqualityCheck) -> list[str]:
        return list(self._show(check).sentences)

    def _show(self, check: EqualityCheck) -> CheckView:
        return show_check(check)


class NewEqualitySerializer(Input):
    """An equality to be checked: LaTeX or plain text."""

    text = serializers.CharField(max_length=MAX_CHARS)
    position = serializers.IntegerField(
        min_value=0,
        max_value=MAX_INTEGER,
        required=False,
        allow_null=True,
        default=None,
        help_text="The step that it stands in.",
    )


class EqualitiesView(ApiView):
    """What both ways of asking share: when to come back."""

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Any:
        done = super().finalize_response(request, response, *args, **kwargs)
        if done.status_code == 429:
            wait = done.data["error"]["detail"].get("retry_after")
            if wait is not None:
                done["Retry-After"] = str(wait)
        return done


class AssignmentEqualitiesView(EqualitiesView):
    """Equalities asked about in one's own item."""

    tag = "work"
    scopes = {"POST": (Scope.ANNOTATE,)}

    @extend_schema(request=NewEqualitySerializer, responses={201: EqualityCheckSerializer})
    def post(self, request: Request, assignment_id: int) -> Response:
        """Ask whether an equality is true; that one asked is logged.

        Refused with `sealed` before the project's protocol allows it. Ask for the check again
        until its state is final. One at a time for each person, and ten a minute.
        """
        held = access.get_own_assignment(self.user, assignment_id)
        data = self.read(NewEqualitySerializer)
        check = ask_in_assignment(assignment=held, **data)
        return Response(EqualityCheckSerializer(check).data, status=status.HTTP_201_CREATED)


class ItemEqualitiesView(EqualitiesView):
    """Equalities asked about an item, for those who browse the project."""

    tag = "work"
    scopes = {"GET": (Scope.READ,), "POST": (Scope.ANNOTATE,)}
    pagination_class = NewestFirst

    @extend_schema(responses=EqualityCheckSerializer(many=True))
    def get(self, request: Request, item_id: int) -> Response:
        """What anybody has asked of the item, newest first."""
        self.read_query(Nothing)
        item = access.get_review_item(self.user, item_id)
        rows = list_checks(item, self.user, sees_others=True)
        return self.list_page(rows, EqualityCheckSerializer)

    @extend_schema(request=NewEqualitySerializer, responses={201: EqualityCheckSerializer})
    def post(self, request: Request, item_id: int) -> Response:
        """Ask whether an equality is true. Whoever holds the item asks in its assignment."""
        item = get_item_to_ask(self.user, item_id)
        data = self.read(NewEqualitySerializer)
        check = ask_of_item(item=item, by=self.user, **data)
        return Response(EqualityCheckSerializer(check).data, status=status.HTTP_201_CREATED)


class EqualityCheckView(ApiView):
    """One check."""

    tag = "work"
    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(responses=EqualityCheckSerializer)
    def get(self, request: Request, check_id: int) -> Response:
        """A check, with its answer once its state is `done` or `failed`."""
        self.read_query(Nothing)
        missing = f"There is no check {check_id} that you may see."
        check = (
            EqualityCheck.objects.select_related("author", "project").filter(pk=check_id).first()
        )
        if check is None:
            raise NotFound(missing)
        held = access.capabilities_of(self.user, check.project)
        is_own = check.author_id == self.user.pk and bool(held)
        if not is_own and access.Capability.BROWSE not in held:
            raise NotFound(missing)
        return Response(EqualityCheckSerializer(check).data)
