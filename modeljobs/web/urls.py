"""URLs of the modeljobs pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from modeljobs.web.views import engines, evidence, items, jobs, trials

app_name = "modeljobs"

urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/jobs/", jobs.jobs, name="jobs"),
    path("projects/<slug:slug>/jobs/new/", jobs.job_new, name="job-new"),
    path("jobs/<int:pk>/", jobs.job, name="job"),
    *[
        path(f"jobs/<int:pk>/{action}/", jobs.job_action, {"action": action}, name=f"job-{action}")
        for action in ("start", "pause", "resume", "cancel")
    ],
    path("jobs/<int:pk>/retry/", jobs.job_retry, name="job-retry"),
    path("jobs/<int:pk>/budgets/", jobs.job_budgets, name="job-budgets"),
    path("jobs/<int:pk>/items/", items.items, name="items"),
    path("job-items/<int:pk>/", items.item, name="item"),
    path("job-items/<int:pk>/evidence/", evidence.item_evidence, name="item-evidence"),
    path("job-items/<int:pk>/trials/", trials.trials, name="trials"),
    path(
        "assignments/<int:pk>/evidence/",
        evidence.assignment_evidence,
        name="assignment-evidence",
    ),
    path("engines/", engines.engines, name="engines"),
    path("engines/new/", engines.engine_new, name="engine-new"),
    path("engines/<int:pk>/", engines.engine, name="engine"),
]
