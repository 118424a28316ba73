"""URLs of the modeljobs pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from modeljobs.web.views import (
    consensus,
    doubts,
    engines,
    equalities,
    evidence,
    items,
    jobs,
    rationales,
    readings,
    trials,
    yields,
)

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
    path("jobs/<int:pk>/guards/", yields.job_guards, name="job-guards"),
    path("projects/<slug:slug>/yield/", yields.yields, name="yield"),
    path("projects/<slug:slug>/yield/sources/", yields.sources_verify, name="sources-verify"),
    path("jobs/<int:pk>/items/", items.items, name="items"),
    path("jobs/<int:pk>/rationales/", rationales.job_rationales, name="job-rationales"),
    path(
        "jobs/<int:pk>/rationales/table.csv",
        rationales.job_rationales_csv,
        name="job-rationales-csv",
    ),
    path("jobs/<int:pk>/labels/", readings.labels, name="labels"),
    path("jobs/<int:pk>/labels/<int:number>/file/", readings.reading_file, name="reading-file"),
    path("projects/<slug:slug>/doubts/", doubts.doubts, name="doubts"),
    path("doubts/<int:pk>/decide/", doubts.doubt_decide, name="doubt-decide"),
    path("doubts/<int:pk>/reopen/", doubts.doubt_reopen, name="doubt-reopen"),
    path("job-items/<int:pk>/", items.item, name="item"),
    path("job-items/<int:pk>/evidence/", evidence.item_evidence, name="item-evidence"),
    path("job-items/<int:pk>/trials/", trials.trials, name="trials"),
    path("job-items/<int:pk>/rationales/", rationales.rationales, name="rationales"),
    path("solutions/<int:pk>/evidence/", evidence.solution_evidence, name="solution-evidence"),
    path(
        "assignments/<int:pk>/equalities/",
        equalities.assignment_equalities,
        name="assignment-equalities",
    ),
    path("items/<int:pk>/equalities/", equalities.item_equalities, name="item-equalities"),
    path(
        "assignments/<int:pk>/evidence/",
        evidence.assignment_evidence,
        name="assignment-evidence",
    ),
    path("projects/<slug:slug>/consensus/", consensus.runs, name="consensus-runs"),
    path("consensus/<int:pk>/", consensus.run, name="consensus"),
    path("consensus/<int:pk>/send/", consensus.send, name="consensus-send"),
    path(
        "consensus/<int:pk>/conversations/",
        consensus.conversations,
        name="consensus-conversations",
    ),
    path("engines/", engines.engines, name="engines"),
    path("engines/new/", engines.engine_new, name="engine-new"),
    path("engines/<int:pk>/", engines.engine, name="engine"),
]
