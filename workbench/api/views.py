"""What all views of the API share."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.http import QueryDict
from django.http.response import HttpResponseBase
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from labeling.models import User
from workbench.api.pagination import CursorPages
from workbench.api.permissions import ANY_SCOPE, Scopes

PAGE_PARAMETERS = ("cursor", "page_size")


class ApiView(APIView):
    """A resource: reads what was sent, asks `access` for the object, calls one service, answers.

    `scopes` says for each method which scopes of a token will do; `tag` is the resource's
    heading in the documentation.
    """

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    scopes: ClassVar[Scopes] = {}
    tag: ClassVar[str] = ""
    pagination_class: ClassVar[type[CursorPages]] = CursorPages

    @property
    def user(self) -> User:
        """Who asks; permissions have made sure that somebody does."""
        return cast(User, self.request.user)

    def read(self, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """The body, checked."""
        data = self.request.data
        return self._check(serializer, data.dict() if isinstance(data, QueryDict) else data)

    def read_query(self, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """The query of the address, checked; a parameter nobody knows is refused, not ignored."""
        given = {
            name: value
            for name, value in self.request.query_params.items()
            if name not in PAGE_PARAMETERS
        }
        return self._check(serializer, given)

    def list_page(
        self,
        rows: QuerySet[Any],
        serializer: type[BaseSerializer[Any]],
        *,
        context: dict[str, Any] | None = None,
    ) -> Response:
        """One page of the rows."""
        paginator = self.pagination_class()
        page = paginator.paginate_queryset(rows, self.request, view=self)
        shown = serializer(cast(Any, page), many=True, context=context or {})
        return paginator.get_paginated_response(shown.data)

    def _check(self, serializer: type[BaseSerializer[Any]], data: Any) -> dict[str, Any]:
        checked = serializer(data=data)
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Any:
        done = super().finalize_response(request, cast(Response, response), *args, **kwargs)
        # What the API says is about people's work: no cache between us and them keeps it.
        if not done.has_header("Cache-Control"):
            done["Cache-Control"] = "no-store"
        return done


class MissingView(ApiView):
    """Whatever address the API does not have, said in the API's own words."""

    schema = None
    scopes = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), ANY_SCOPE)

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        hint = "" if request.path.endswith("/") else " Addresses end with a slash."
        raise NotFound(f"There is nothing at {request.path}.{hint}")

    post = put = patch = delete = get
