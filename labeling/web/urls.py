"""URLs of the labeling pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from labeling.web.views import (
    account,
    adjudicate,
    agreement,
    browse,
    comments,
    home,
    imports,
    influence,
    members,
    project_settings,
    projects,
    releases,
    review,
    submitted,
    taxonomy,
    tokens,
)

app_name = "labeling"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("account/", account.account, name="account"),
    path("account/tokens/", tokens.tokens, name="tokens"),
    path("comments/", comments.comments_to_you, name="comments-to-you"),
    path("invitations/<str:secret>/", members.invitation, name="invitation"),
    # A project, in the order of its bar
    path("projects/new/", projects.project_new, name="project-new"),
    path("projects/<slug:slug>/", projects.overview, name="overview"),
    path("projects/<slug:slug>/work/", review.work, name="work"),
    path("projects/<slug:slug>/submitted/", submitted.submitted, name="submitted"),
    path("projects/<slug:slug>/solutions/", browse.browse, name="browse"),
    path("projects/<slug:slug>/imports/", imports.imports, name="imports"),
    path("projects/<slug:slug>/agreement/", agreement.agreement, name="agreement"),
    path("projects/<slug:slug>/agreement.csv", agreement.agreement_csv, name="agreement-csv"),
    path("projects/<slug:slug>/agreement/proposals/", influence.proposals, name="proposals"),
    path(
        "projects/<slug:slug>/agreement/proposals.csv",
        influence.proposals_csv,
        name="proposals-csv",
    ),
    path(
        "projects/<slug:slug>/agreement/items/",
        agreement.agreement_items,
        name="agreement-items",
    ),
    path("projects/<slug:slug>/disputes/", adjudicate.disputes, name="disputes"),
    path("projects/<slug:slug>/comments/", comments.comments, name="comments"),
    path("projects/<slug:slug>/releases/", releases.releases, name="releases"),
    path("projects/<slug:slug>/settings/", project_settings.project_settings, name="settings"),
    path("projects/<slug:slug>/guidelines/", project_settings.guidelines, name="guidelines"),
    path("projects/<slug:slug>/taxonomy/", taxonomy.taxonomy, name="taxonomy"),
    path("projects/<slug:slug>/members/", members.members, name="members"),
    # One thing of a project
    path("assignments/<int:pk>/", review.assignment, name="assignment"),
    path("assignments/<int:pk>/submit/", review.finish, {"action": "submit"}, name="submit-next"),
    path("assignments/<int:pk>/skip/", review.finish, {"action": "skip"}, name="skip-next"),
    path(
        "assignments/<int:pk>/comments/",
        comments.assignment_comments,
        name="assignment-comments",
    ),
    path("items/<int:item_id>/comments/", comments.item_comments, name="item-comments"),
    path("items/<int:item_id>/take-again/", review.take_again, name="take-again"),
    path("disputes/<int:pk>/", adjudicate.dispute, name="dispute"),
    path("disputes/<int:pk>/reopen/", adjudicate.dispute_reopen, name="dispute-reopen"),
    path("solutions/<int:pk>/", browse.solution, name="solution"),
    path("injections/<int:pk>/", browse.injection, name="injection"),
    path("imports/<int:pk>/", imports.import_detail, name="import"),
    path("imports/<int:pk>/issues.csv", imports.import_issues, name="import-issues"),
    path("releases/<int:pk>/", releases.release, name="release"),
    path("releases/<int:pk>/files/<str:filename>", releases.release_file, name="release-file"),
]
