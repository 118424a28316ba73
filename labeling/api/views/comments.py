"""Comments and flags, and those addressed to oneself."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.api.serializers.comments import (
    CommentInput,
    CommentQuery,
    CommentSerializer,
    CommentViewSerializer,
    MentionQuery,
    MentionSerializer,
    ReplyInput,
    SeenSerializer,
)
from labeling.models import Comment
from labeling.selectors import comments as selectors
from labeling.selectors.comments import ThreadFilters
from labeling.services import comments
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView
from workbench.errors import NotFound

WRITE = {"POST": (Scope.ANNOTATE,)}


class CommentsBaseView(ApiView):
    """A view on comments."""

    tag = "comments"

    def show(self, comment: Comment, *, is_new: bool = False) -> Response:
        row = selectors.with_names(Comment.objects.all()).get(pk=comment.pk)
        shown = CommentViewSerializer(selectors.view_comment(row, self.user))
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(shown.data, status=code)


class CommentsView(CommentsBaseView):
    """The comments of a project."""

    scopes = {"GET": (Scope.READ, Scope.ANNOTATE), **WRITE}

    @extend_schema(parameters=[CommentQuery], responses=CommentSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The comments that you may read.

        A reviewer reads their own, those of leads and adjudicators that name them or are meant
        for everyone, and others' once an item that they had is settled. Whoever holds an item reads
        no more of it than that.
        """
        project = access.get_project(self.user, slug)
        query = self.read_query(CommentQuery)
        filters = ThreadFilters(state=query["state"], kind=query["kind"], item=query.get("item"))
        rows = selectors.list_comments(project, self.user, filters)
        return self.list_page(rows, CommentSerializer, context={"viewer": self.user})

    @extend_schema(request=CommentInput, responses={201: CommentSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Say something of an item or a step; with a `reason` it is a flag.

        404 on an item that you neither browse nor were given.
        """
        project = access.get_project(self.user, slug)
        data = self.read(CommentInput)
        item = selectors.find_item(self.user, data.pop("item"))
        if item.project_id != project.pk:
            raise NotFound(f"There is no item {item.pk} in {project.name!r}.")
        return self.show(comments.add_comment(item=item, by=self.user, **data), is_new=True)


class CommentView(CommentsBaseView):
    """One comment."""

    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(responses=CommentSerializer)
    def get(self, request: Request, comment_id: int) -> Response:
        """One comment that you may read."""
        self.read_query(Nothing)
        return self.show(selectors.find_comment(self.user, comment_id))


class ReplyView(CommentsBaseView):
    """An answer."""

    scopes = WRITE

    @extend_schema(request=ReplyInput, responses={201: CommentSerializer})
    def post(self, request: Request, comment_id: int) -> Response:
        """Answer a comment, in its thread."""
        comment = selectors.find_comment(self.user, comment_id)
        data = self.read(ReplyInput)
        return self.show(comments.reply(to=comment, by=self.user, **data), is_new=True)


class ResolveView(CommentsBaseView):
    """A thread that is settled."""

    scopes = WRITE

    @extend_schema(request=None, responses=CommentSerializer)
    def post(self, request: Request, comment_id: int) -> Response:
        """Settle a thread by its first comment.

        For leads and adjudicators, and for comments of your own. 409 where it is settled already.
        """
        comment = selectors.find_comment(self.user, comment_id)
        self.read(Nothing)
        return self.show(comments.resolve(comment=comment, by=self.user))


class ReopenView(CommentsBaseView):
    """A thread that is open again."""

    scopes = WRITE

    @extend_schema(request=None, responses=CommentSerializer)
    def post(self, request: Request, comment_id: int) -> Response:
        """Undo that a thread was settled. 409 where it is open."""
        comment = selectors.find_comment(self.user, comment_id)
        self.read(Nothing)
        return self.show(comments.reopen(comment=comment, by=self.user))


class WithdrawView(CommentsBaseView):
    """A word taken back."""

    scopes = WRITE

    @extend_schema(request=None, responses=CommentSerializer)
    def post(self, request: Request, comment_id: int) -> Response:
        """Withdraw a comment of your own; it stays on record, without its words for others."""
        comment = selectors.find_comment(self.user, comment_id)
        self.read(Nothing)
        return self.show(comments.withdraw(comment=comment, by=self.user))


class MentionsView(ApiView):
    """Comments to oneself."""

    tag = "comments"
    scopes = {"GET": (Scope.READ, Scope.ANNOTATE)}

    @extend_schema(parameters=[MentionQuery], responses=MentionSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Comments that name you or answer you, of all your projects.

        One on an item that you hold comes once you have submitted it, unless the desk wrote it.
        """
        query = self.read_query(MentionQuery)
        rows = selectors.list_mentions(self.user, unseen_only=query["unseen"])
        return self.list_page(
            selectors.with_comments(rows), MentionSerializer, context={"viewer": self.user}
        )


class SeenView(ApiView):
    """A comment to oneself that one has seen."""

    tag = "comments"
    scopes = WRITE

    @extend_schema(request=None, responses=SeenSerializer)
    def post(self, request: Request, mention_id: int) -> Response:
        """Mark a comment to you as read."""
        self.read(Nothing)
        if not selectors.list_mentions(self.user).filter(pk=mention_id).exists():
            raise NotFound(f"There is no comment {mention_id} to you.")
        marked = comments.mark_seen(person=self.user, mention_ids=[mention_id])
        return Response(SeenSerializer({"marked": marked}).data)
