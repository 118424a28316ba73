"""URLs of labelling's part of the REST API."""

from __future__ import annotations

from django.urls import URLPattern, path, register_converter

from labeling.api.views import (
    comments,
    data,
    disputes,
    guidance,
    imports,
    people,
    preferences,
    projects,
    releases,
    reports,
    statistics,
    training,
    work,
)
from labeling.api.views.annotations import AnnotationsView, AnnotationView, ReviseView


class FilenameConverter:
    """The name of a release's file: nothing that could lead out of its folder."""

    regex = r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(FilenameConverter, "filename")

PROJECT = "projects/<slug:slug>/"
ASSIGNMENT = "assignments/<int:assignment_id>/"
COMMENT = "comments/<int:comment_id>/"
DISPUTE = "disputes/<int:dispute_id>/"
REPORT = "source-reports/<int:report_id>/"
TRAINING_ITEM = "training-items/<int:training_item_id>/"
TRAINING_ROUND = "training-rounds/<int:round_id>/"

urlpatterns: list[URLPattern] = [
    path("me/", people.MeView.as_view(), name="me"),
    path("me/keys/", preferences.KeysView.as_view(), name="keys"),
    path("me/preferences/", preferences.PreferencesView.as_view(), name="preferences"),
    path("tokens/", people.TokensView.as_view(), name="tokens"),
    path("tokens/<int:token_id>/", people.TokenView.as_view(), name="token"),
    path("formats/", releases.FormatsView.as_view(), name="formats"),
    # Projects
    path("projects/", projects.ProjectsView.as_view(), name="projects"),
    path(PROJECT, projects.ProjectView.as_view(), name="project"),
    path(f"{PROJECT}guidelines/", guidance.GuidelinesView.as_view(), name="guidelines"),
    path(f"{PROJECT}guidelines/read/", guidance.ReadingView.as_view(), name="guidelines-read"),
    path(f"{PROJECT}rulings/", guidance.RulingsView.as_view(), name="rulings"),
    path(
        "rulings/<int:ruling_id>/withdraw/",
        guidance.WithdrawRulingView.as_view(),
        name="ruling-withdraw",
    ),
    path(
        "rulings/<int:ruling_id>/restore/",
        guidance.RestoreRulingView.as_view(),
        name="ruling-restore",
    ),
    path(f"{PROJECT}taxonomies/", projects.TaxonomiesView.as_view(), name="taxonomies"),
    path(
        f"{PROJECT}taxonomies/<int:taxonomy_id>/use/",
        projects.UseTaxonomyView.as_view(),
        name="taxonomy-use",
    ),
    path(f"{PROJECT}members/", people.MembersView.as_view(), name="members"),
    path(f"{PROJECT}members/<int:member_id>/", people.MemberView.as_view(), name="member"),
    path(f"{PROJECT}invitations/", people.InvitationsView.as_view(), name="invitations"),
    path(
        f"{PROJECT}invitations/<int:invitation_id>/",
        people.InvitationView.as_view(),
        name="invitation",
    ),
    # Numbers and logs
    path(f"{PROJECT}overview/", statistics.OverviewView.as_view(), name="overview"),
    path(f"{PROJECT}progress/", statistics.ProgressView.as_view(), name="progress"),
    path(f"{PROJECT}agreement/", statistics.AgreementView.as_view(), name="agreement"),
    path(f"{PROJECT}proposals/", statistics.ProposalsView.as_view(), name="proposals"),
    path(f"{PROJECT}lints/", statistics.LintsView.as_view(), name="lints"),
    path(f"{PROJECT}audit-events/", statistics.AuditEventsView.as_view(), name="audit-events"),
    path(f"{PROJECT}exposures/", statistics.ExposuresView.as_view(), name="exposures"),
    # Data
    path(f"{PROJECT}sources/", data.SourcesView.as_view(), name="sources"),
    path(f"{PROJECT}sources/<int:source_id>/", data.SourceView.as_view(), name="source"),
    path(f"{PROJECT}problems/", data.ProblemsView.as_view(), name="problems"),
    path(f"{PROJECT}solutions/", data.SolutionsView.as_view(), name="solutions"),
    path("solutions/<int:solution_id>/", data.SolutionView.as_view(), name="solution"),
    path(f"{PROJECT}injections/", data.InjectionsView.as_view(), name="injections"),
    path("injections/<int:injection_id>/", data.InjectionView.as_view(), name="injection"),
    path(f"{PROJECT}items/", data.ItemsView.as_view(), name="items"),
    path(f"{PROJECT}suggestions/", data.SuggestionsView.as_view(), name="suggestions"),
    # Work
    path(f"{PROJECT}assignments/claim/", work.ClaimView.as_view(), name="assignments-claim"),
    path("items/<int:item_id>/claim/", work.ClaimItemView.as_view(), name="item-claim"),
    path(ASSIGNMENT, work.AssignmentView.as_view(), name="assignment"),
    path(f"{ASSIGNMENT}draft/", work.DraftView.as_view(), name="assignment-draft"),
    path(f"{ASSIGNMENT}heartbeat/", work.HeartbeatView.as_view(), name="assignment-heartbeat"),
    path(f"{ASSIGNMENT}reveal/", work.RevealView.as_view(), name="assignment-reveal"),
    path(f"{ASSIGNMENT}submit/", work.SubmitView.as_view(), name="assignment-submit"),
    path(f"{ASSIGNMENT}skip/", work.SkipView.as_view(), name="assignment-skip"),
    path(f"{ASSIGNMENT}undo-skip/", work.UndoSkipView.as_view(), name="assignment-undo-skip"),
    path(f"{PROJECT}annotations/", AnnotationsView.as_view(), name="annotations"),
    path(
        "annotations/<int:annotation_id>/",
        AnnotationView.as_view(),
        name="annotation",
    ),
    path(
        "annotations/<int:annotation_id>/revise/",
        ReviseView.as_view(),
        name="annotation-revise",
    ),
    path(f"{PROJECT}me/", training.OwnWorkView.as_view(), name="own-work"),
    # Training
    path(f"{PROJECT}training/items/", training.TrainingItemsView.as_view(), name="training-items"),
    path(
        f"{PROJECT}training/choose/", training.TrainingChooseView.as_view(), name="training-choose"
    ),
    path(
        f"{PROJECT}training/rounds/", training.TrainingRoundsView.as_view(), name="training-rounds"
    ),
    path(
        f"{PROJECT}training/let-in/", training.TrainingLetInView.as_view(), name="training-let-in"
    ),
    path(TRAINING_ITEM, training.TrainingItemView.as_view(), name="training-item"),
    path(
        f"{TRAINING_ITEM}put-back/",
        training.TrainingPutBackView.as_view(),
        name="training-put-back",
    ),
    path(f"{TRAINING_ITEM}move/", training.TrainingMoveView.as_view(), name="training-move"),
    path(TRAINING_ROUND, training.TrainingRoundView.as_view(), name="training-round"),
    path(
        f"{TRAINING_ROUND}take-back/",
        training.TrainingTakeBackView.as_view(),
        name="training-take-back",
    ),
    path(
        f"{TRAINING_ROUND}items/<int:place>/",
        training.TrainingAnswerView.as_view(),
        name="training-answer",
    ),
    path(
        f"{TRAINING_ROUND}items/<int:place>/reveal/",
        training.TrainingRevealView.as_view(),
        name="training-reveal",
    ),
    # Comments
    path(f"{PROJECT}comments/", comments.CommentsView.as_view(), name="comments"),
    path(COMMENT, comments.CommentView.as_view(), name="comment"),
    path(f"{COMMENT}reply/", comments.ReplyView.as_view(), name="comment-reply"),
    path(f"{COMMENT}resolve/", comments.ResolveView.as_view(), name="comment-resolve"),
    path(f"{COMMENT}reopen/", comments.ReopenView.as_view(), name="comment-reopen"),
    path(f"{COMMENT}withdraw/", comments.WithdrawView.as_view(), name="comment-withdraw"),
    path("mentions/", comments.MentionsView.as_view(), name="mentions"),
    path("mentions/<int:mention_id>/seen/", comments.SeenView.as_view(), name="mention-seen"),
    # Disputes
    path(f"{PROJECT}disputes/", disputes.DisputesView.as_view(), name="disputes"),
    path(DISPUTE, disputes.DisputeView.as_view(), name="dispute"),
    path(f"{DISPUTE}open/", disputes.OpenDisputeView.as_view(), name="dispute-open"),
    path(f"{DISPUTE}decide/", disputes.DecideView.as_view(), name="dispute-decide"),
    # Originals that were reported
    path(f"{PROJECT}source-reports/", reports.ReportsView.as_view(), name="source-reports"),
    path(REPORT, reports.ReportView.as_view(), name="source-report"),
    path(f"{REPORT}decide/", reports.DecideView.as_view(), name="source-report-decide"),
    path(f"{REPORT}reopen/", reports.ReopenView.as_view(), name="source-report-reopen"),
    # In and out
    path(f"{PROJECT}imports/", imports.ImportsView.as_view(), name="imports"),
    path("imports/<int:batch_id>/", imports.ImportView.as_view(), name="import"),
    path("imports/<int:batch_id>/issues/", imports.ImportIssuesView.as_view(), name="issues"),
    path(
        "imports/<int:batch_id>/issues.csv",
        imports.ImportIssuesFileView.as_view(),
        name="issues-file",
    ),
    path(f"{PROJECT}releases/", releases.ReleasesView.as_view(), name="releases"),
    path("releases/<int:release_id>/", releases.ReleaseView.as_view(), name="release"),
    path(
        "releases/<int:release_id>/files/<filename:filename>",
        releases.ReleaseFileView.as_view(),
        name="release-file",
    ),
]
