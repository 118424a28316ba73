"""Comments: what people say to each other of an item, and to whom."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from labeling.comment_rules import MAX_NAMED, MAX_TEXT
from labeling.models import Comment, Mention
from labeling.selectors.comments import CommentView, view_comment
from workbench.api.serializers import IdField, Input


class CommentViewSerializer(serializers.Serializer[CommentView]):
    """A comment as you may see it."""

    id = serializers.IntegerField()
    thread = serializers.IntegerField(
        source="thread_id", help_text="The first comment of its thread; itself where it is that."
    )
    item = serializers.IntegerField(source="item_id")
    position = serializers.IntegerField(
        allow_null=True, help_text="The step it is about, from 0; null for the whole item."
    )
    author = serializers.CharField(help_text="A pseudonym where the project hides names.")
    is_own = serializers.BooleanField()
    voice = serializers.ChoiceField(
        Comment.Voice.choices, help_text="As whom it was said: of the desk, or by a reviewer."
    )
    audience = serializers.ChoiceField(Comment.Audience.choices)
    kind = serializers.ChoiceField(Comment.Kind.choices)
    reason = serializers.CharField(help_text="Of a flag; empty for a comment.")
    text = serializers.CharField(help_text="Empty where somebody else withdrew it.")
    named = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    withdrawn_at = serializers.DateTimeField(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolved_by = serializers.CharField()


class CommentSerializer(CommentViewSerializer):
    """A row of comments, shown to the context's `viewer`."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return super().to_representation(view_comment(instance, self.context["viewer"]))


class MentionSerializer(serializers.ModelSerializer[Mention]):
    """A comment addressed to you."""

    project = serializers.CharField(source="comment.project.slug")
    comment = CommentSerializer()

    class Meta:
        model = Mention
        fields: tuple[str, ...] = ("id", "project", "comment", "seen_at")
        read_only_fields = fields


class SeenSerializer(serializers.Serializer[object]):
    """How many comments to you were new until now."""

    marked = serializers.IntegerField()


class ReplyInput(Input):
    """An answer."""

    text = serializers.CharField(max_length=2 * MAX_TEXT)
    idempotency_key = serializers.UUIDField(help_text="The same key twice is one comment.")
    audience = serializers.ChoiceField(
        Comment.Audience.choices,
        required=False,
        default=Comment.Audience.DESK,
        help_text="`everyone` is for leads and adjudicators who do not review the item.",
    )
    names = serializers.ListField(
        child=IdField(),
        required=False,
        default=list,
        max_length=MAX_NAMED,
        help_text="Ids of members whom it is addressed to, beside those named by @ in the text.",
    )


class CommentInput(ReplyInput):
    """A first comment on an item, or a flag."""

    item = IdField()
    position = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=0, max_value=1_000_000
    )
    reason = serializers.ChoiceField(
        Comment.Reason.choices,
        required=False,
        allow_blank=True,
        default="",
        help_text="With a reason it is a flag, which leads see in one list.",
    )


class CommentQuery(Input):
    """Which comments to list: all that you may read, if nothing is said."""

    state = serializers.ChoiceField(
        [("all", "all"), ("open", "open"), ("resolved", "resolved")],
        required=False,
        default="all",
        help_text="Of the thread.",
    )
    kind = serializers.ChoiceField(Comment.Kind.choices, required=False, default="")
    item = IdField(required=False)


class MentionQuery(Input):
    """Which comments to you to list."""

    unseen = serializers.BooleanField(required=False, default=False)
