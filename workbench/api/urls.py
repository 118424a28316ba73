"""URLs of the REST API, mounted at /api/v1/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from workbench.api.docs import api_docs
from workbench.api.schema import RootView, SchemaView
from workbench.api.views import MissingView

app_name = "api"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RootView.as_view(), name="root"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", api_docs, name="docs"),
    path("", include("labeling.api.urls")),
    path("", include("modeljobs.api.urls")),
    # The last one: an address that is not there is answered in the API's own shape.
    re_path(r"", MissingView.as_view(), name="unknown"),
]
