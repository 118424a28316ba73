"""URLs of the machine side's part of the REST API."""

from __future__ import annotations

from django.urls import URLPattern, path

from modeljobs.api import engine_tests, evidence, trials, views

JOB = "jobs/<int:job_id>/"
ITEM = "job-items/<int:job_item_id>/"

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
    path(f"{JOB}items/", evidence.JobItemsView.as_view(), name="job-items"),
    path(f"{ITEM}evidence/", evidence.JobItemEvidenceView.as_view(), name="job-item-evidence"),
    path(f"{ITEM}trials/", trials.JobItemTrialsView.as_view(), name="job-item-trials"),
    path("code-trials/<int:trial_id>/", trials.CodeTrialView.as_view(), name="code-trial"),
    path(
        "assignments/<int:assignment_id>/evidence/",
        evidence.AssignmentEvidenceView.as_view(),
        name="assignment-evidence",
    ),
]
