"""URLs of the machine side's part of the REST API."""

from __future__ import annotations

from django.urls import URLPattern, path

from modeljobs.api import (
    consensus,
    doubts,
    engine_tests,
    equalities,
    evidence,
    rationales,
    readings,
    trials,
    views,
    writings,
    yields,
)

JOB = "jobs/<int:job_id>/"
ITEM = "job-items/<int:job_item_id>/"
CONSENSUS = "consensus/<int:consensus_id>/"

urlpatterns: list[URLPattern] = [
    path("engines/", views.EnginesView.as_view(), name="engines"),
    path("engines/<int:engine_id>/", views.EngineView.as_view(), name="engine"),
    path(
        "engines/<int:engine_id>/test/", engine_tests.EngineTestView.as_view(), name="engine-test"
    ),
    path(
        "engines/<int:engine_id>/tests/",
        engine_tests.EngineTestsView.as_view(),
        name="engine-tests",
    ),
    path("methods/", views.MethodsView.as_view(), name="methods"),
    path("projects/<slug:slug>/jobs/", views.JobsView.as_view(), name="jobs"),
    path(JOB, views.JobView.as_view(), name="job"),
    path(f"{JOB}start/", views.StartJobView.as_view(), name="job-start"),
    path(f"{JOB}pause/", views.PauseJobView.as_view(), name="job-pause"),
    path(f"{JOB}resume/", views.ResumeJobView.as_view(), name="job-resume"),
    path(f"{JOB}cancel/", views.CancelJobView.as_view(), name="job-cancel"),
    path(f"{JOB}retry/", views.RetryJobView.as_view(), name="job-retry"),
    path(f"{JOB}guards/", yields.JobGuardsView.as_view(), name="job-guards"),
    path("projects/<slug:slug>/yields/", yields.YieldsView.as_view(), name="yields"),
    path(
        "projects/<slug:slug>/yields/sources/",
        yields.SourcesVerifyView.as_view(),
        name="sources-verify",
    ),
    path(f"{JOB}items/", evidence.JobItemsView.as_view(), name="job-items"),
    path(f"{JOB}rationales/", rationales.JobRationalesView.as_view(), name="job-rationales"),
    path(
        f"{JOB}rationales/tally/",
        rationales.JobRationaleTallyView.as_view(),
        name="job-rationales-tally",
    ),
    path(f"{JOB}labels/", readings.LabelsView.as_view(), name="job-labels"),
    path(f"{JOB}labels/preview/", readings.PreviewLabelsView.as_view(), name="job-labels-preview"),
    path(f"{JOB}labels/send/", readings.SendOpenView.as_view(), name="job-labels-send"),
    path(f"{JOB}readings/", readings.ReadingsView.as_view(), name="job-readings"),
    path(f"{JOB}readings/<int:number>/", readings.ReadingView.as_view(), name="job-reading"),
    path(
        f"{JOB}readings/<int:number>/file/",
        readings.ReadingFileView.as_view(),
        name="job-reading-file",
    ),
    path("writings/<int:writing_id>/", writings.FileWritingView.as_view(), name="writing"),
    path("projects/<slug:slug>/doubts/", doubts.DoubtsView.as_view(), name="doubts"),
    path("doubts/<int:doubt_id>/", doubts.DoubtView.as_view(), name="doubt"),
    path("doubts/<int:doubt_id>/decide/", doubts.DecideDoubtView.as_view(), name="doubt-decide"),
    path("doubts/<int:doubt_id>/reopen/", doubts.ReopenDoubtView.as_view(), name="doubt-reopen"),
    path(f"{ITEM}evidence/", evidence.JobItemEvidenceView.as_view(), name="job-item-evidence"),
    path(
        f"{ITEM}rationales/",
        rationales.JobItemRationalesView.as_view(),
        name="job-item-rationales",
    ),
    path(
        "assignments/<int:assignment_id>/equalities/",
        equalities.AssignmentEqualitiesView.as_view(),
        name="assignment-equalities",
    ),
    path(
        "items/<int:item_id>/equalities/",
        equalities.ItemEqualitiesView.as_view(),
        name="item-equalities",
    ),
    path(
        "equality-checks/<int:check_id>/",
        equalities.EqualityCheckView.as_view(),
        name="equality-check",
    ),
    path(f"{ITEM}trials/", trials.JobItemTrialsView.as_view(), name="job-item-trials"),
    path(
        "projects/<slug:slug>/consensus/",
        consensus.ConsensusRunsView.as_view(),
        name="consensus-runs",
    ),
    path(CONSENSUS, consensus.ConsensusRunView.as_view(), name="consensus"),
    path(
        f"{CONSENSUS}findings/",
        consensus.ConsensusFindingsView.as_view(),
        name="consensus-findings",
    ),
    path(
        f"{CONSENSUS}conversations/",
        consensus.ConsensusConversationsView.as_view(),
        name="consensus-conversations",
    ),
    path(f"{CONSENSUS}send/", consensus.ConsensusSendView.as_view(), name="consensus-send"),
    path("code-trials/<int:trial_id>/", trials.CodeTrialView.as_view(), name="code-trial"),
    path(
        "assignments/<int:assignment_id>/evidence/",
        evidence.AssignmentEvidenceView.as_view(),
        name="assignment-evidence",
    ),
]
