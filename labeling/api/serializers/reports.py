"""Reports that an original is wrong."""

from __future__ import annotations

from rest_framework import serializers

from labeling.api.names import Names
from labeling.models import SourceReport
from labeling.selectors.reports import ReportDossier
from workbench.api.serializers import Input

REASON_LIMIT = 10_000
DECISIONS = (SourceReport.State.CONFIRMED, SourceReport.State.DISMISSED)


class SourceReportSerializer(serializers.ModelSerializer[SourceReport]):
    """A reviewer found the original of injections wrong; a lead decides for all of them."""

    original = serializers.IntegerField(
        source="original_id", help_text="The solution that is said to be wrong."
    )
    item = serializers.IntegerField(
        source="item_id", help_text="The item on which it was found first."
    )
    question = serializers.CharField(source="original.problem.text")
    reporter = serializers.SerializerMethodField(
        help_text="A pseudonym where the project hides names."
    )
    decided_by = serializers.CharField(source="decided_by.name", allow_null=True, default=None)
    withdrawn_items = serializers.SerializerMethodField(
        help_text="The items that left the queue when it was confirmed."
    )

    class Meta:
        model = SourceReport
        fields: tuple[str, ...] = (
            *("id", "original", "item", "question", "reporter", "note", "state", "created_at"),
            *("decided_by", "decided_at", "reason", "withdrawn_items"),
        )
        read_only_fields = fields

    def get_reporter(self, report: SourceReport) -> str:
        names: Names = self.context["names"]
        return names.of(report.reporter)

    def get_withdrawn_items(self, report: SourceReport) -> list[int]:
        return [entry["item"] for entry in report.withdrawn_items]


class VoiceSerializer(serializers.Serializer[object]):
    """A reviewer who finds the original wrong now."""

    name = serializers.CharField()
    is_simulated = serializers.BooleanField()
    injection_id = serializers.IntegerField()
    note = serializers.CharField()
    at = serializers.DateTimeField()


class SaidSerializer(serializers.Serializer[object]):
    """How many reviewers say the same of an injection now."""

    verdict = serializers.CharField()
    reject_code = serializers.CharField()
    n = serializers.IntegerField()


class MadeSerializer(serializers.Serializer[object]):
    """An injection made from the original."""

    injection_id = serializers.IntegerField()
    error_type = serializers.CharField()
    is_scripted = serializers.BooleanField()
    state = serializers.CharField(help_text="Of its item; empty where it is not in the queue.")
    is_withdrawn = serializers.BooleanField(help_text="It left the queue by this report.")
    said = SaidSerializer(many=True)


class SourceReportDetailSerializer(serializers.Serializer[ReportDossier]):
    """Everything that a decision needs."""

    report = SourceReportSerializer()
    steps = serializers.ListField(child=serializers.CharField(), help_text="Of the original.")
    voices = VoiceSerializer(many=True)
    made = MadeSerializer(many=True)
    more_made = serializers.IntegerField(help_text="Injections that are not listed.")


class SourceReportQuery(Input):
    """Which reports to list: the open ones, if nothing is said."""

    state = serializers.ChoiceField(
        SourceReport.State.choices, required=False, default=SourceReport.State.OPEN
    )


class SourceDecisionSerializer(Input):
    """What a lead says of an original. That it is right needs a reason."""

    state = serializers.ChoiceField([(str(state), state.label) for state in DECISIONS])
    reason = serializers.CharField(
        max_length=REASON_LIMIT, required=False, allow_blank=True, default=""
    )
