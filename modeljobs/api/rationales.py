"""What people think of a machine's reasoning, over REST."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from modeljobs import selectors
from modeljobs.api.evidence import SEE_EVIDENCE, EvidenceQuery
from modeljobs.models import RationaleRating
from modeljobs.selectors_rationales import RationaleTally, list_all, list_newest, tally_ratings
from modeljobs.services.rationales import MAX_NOTE_CHARS, rate_rationale
from modeljobs.services.reveals import get_evidence_access
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import Scope
from workbench.api.serializers import MAX_INTEGER, Input, Nothing
from workbench.api.views import ApiView
from workbench.errors import NotAllowed


class RationaleRatingSerializer(serializers.ModelSerializer[RationaleRating]):
    """What a person thinks of one sample's reasoning on a step. Of a person the newest counts."""

    item = serializers.IntegerField(source="item_id")
    person = serializers.CharField(source="person.name")

    class Meta:
        model = RationaleRating
        fields: tuple[str, ...] = (
            *("id", "item", "position", "sample", "person", "value", "note", "created_at"),
        )
        read_only_fields = fields


class NewRationaleRatingSerializer(Input):
    """A word on a sample's reasoning."""

    position = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER)
    sample = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER, default=0)
    value = serializers.ChoiceField(RationaleRating.Value.choices)
    note = serializers.CharField(
        max_length=MAX_NOTE_CHARS, required=False, allow_blank=True, default=""
    )


class JobRationalesQuery(Input):
    """Which ratings of a job to list."""

    value = serializers.ChoiceField(RationaleRating.Value.choices, required=False)
    history = serializers.BooleanField(
        default=False, help_text="Also what the same person has replaced since."
    )


class RationaleTallySerializer(serializers.Serializer[RationaleTally]):
    """The newest ratings of a job together."""

    counts = serializers.DictField(child=serializers.IntegerField())
    ratings = serializers.IntegerField()
    samples = serializers.IntegerField()
    people = serializers.IntegerField()
    sound_low = serializers.FloatField(
        source="sound.low", allow_null=True, help_text="Wilson's 95 % interval of the sound share."
    )
    sound_high = serializers.FloatField(source="sound.high", allow_null=True)


class JobRationalesView(ApiView):
    """What people think of a job's reasoning."""

    tag = "jobs"
    scopes = {"GET": (Scope.READ, Scope.JOBS)}
    pagination_class = NewestFirst

    @extend_schema(parameters=[JobRationalesQuery], responses=RationaleRatingSerializer(many=True))
    def get(self, request: Request, job_id: int) -> Response:
        """The newest rating of each person on each sample, newest first."""
        query = self.read_query(JobRationalesQuery)
        job = selectors.get_job(self.user, job_id)
        rows = list_all(job) if query["history"] else list_newest(job)
        if "value" in query:
            rows = rows.filter(value=query["value"])
        return self.list_page(rows.select_related("person"), RationaleRatingSerializer)


class JobRationaleTallyView(ApiView):
    """How much of a job's reasoning is sound."""

    tag = "jobs"
    scopes = {"GET": (Scope.READ, Scope.JOBS)}

    @extend_schema(responses=RationaleTallySerializer)
    def get(self, request: Request, job_id: int) -> Response:
        """The newest ratings by value, and the interval of the share that is sound."""
        self.read_query(Nothing)
        job = selectors.get_job(self.user, job_id)
        return Response(RationaleTallySerializer(tally_ratings(job)).data)


class JobItemRationalesView(ApiView):
    """What one thinks of an item's reasoning."""

    tag = "jobs"
    scopes = {"GET": SEE_EVIDENCE, "POST": (Scope.JOBS, Scope.ANNOTATE)}
    pagination_class = NewestFirst

    @extend_schema(parameters=[EvidenceQuery], responses=RationaleRatingSerializer(many=True))
    def get(self, request: Request, job_item_id: int) -> Response:
        """One's own ratings of an item, newest first, with what one has replaced since."""
        query = self.read_query(EvidenceQuery)
        allowed = get_evidence_access(self.user, job_item_id)
        rows = RationaleRating.objects.filter(item=allowed.item, person=self.user, **query)
        return self.list_page(
            rows.select_related("person").order_by("-pk"), RationaleRatingSerializer
        )

    @extend_schema(request=NewRationaleRatingSerializer, responses={201: RationaleRatingSerializer})
    def post(self, request: Request, job_item_id: int) -> Response:
        """Say what one thinks of a sample's reasoning; said again, it counts once."""
        allowed = get_evidence_access(self.user, job_item_id)
        if not allowed.may_run:
            raise NotAllowed("Your role in this project does not allow you to rate reasoning.")
        data = self.read(NewRationaleRatingSerializer)
        if not allowed.includes(data["position"]):
            raise NotAllowed("The machine evidence on this step is not open to you.")
        rating = rate_rationale(item=allowed.item, by=self.user, **data)
        return Response(RationaleRatingSerializer(rating).data, status=status.HTTP_201_CREATED)
