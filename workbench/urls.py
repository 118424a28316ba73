"""Every URL: pages at the root, REST at /api/v1/, administration at /admin/."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import include, path, re_path

from workbench.api.views import MissingView
from workbench.health import health

urlpatterns = [
    path("health/", health, name="health"),
    path("admin/", admin.site.urls),
    path("accounts/login/", auth_views.LoginView.as_view(), name="login"),
    path("accounts/logout/", auth_views.LogoutView.as_view(), name="logout"),
    # A one-time link, made by a lead or on the command line.
    path(
        "accounts/reset/<uidb64>/<token>/",
        auth_views.PasswordResetConfirmView.as_view(),
        name="password_reset_confirm",
    ),
    path(
        "accounts/reset/done/",
        auth_views.PasswordResetCompleteView.as_view(),
        name="password_reset_complete",
    ),
    path("api/v1/", include("workbench.api.urls")),
    re_path(r"^api/", MissingView.as_view()),
    path("", include("labeling.web.urls")),
    path("", include("modeljobs.web.urls")),
]
