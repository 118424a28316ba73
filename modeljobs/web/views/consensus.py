"""Comparisons of rollouts with a judge: the list, a new one, and what one of them found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.access import Capability, get_project
from labeling.web.downloads import not_modified, stream_file
from labeling.web.errors import Mendable, add_refusal, attempt, page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate, wants_fragment
from modeljobs import selectors_consensus as selectors
from modeljobs.methods.consensus import Decision
from modeljobs.models import ConsensusRun
from modeljobs.selectors_writings import find_newest_writing
from modeljobs.services import consensus as service
from modeljobs.services.writings import OPEN
from modeljobs.templatetags.consensus import decision_word
from modeljobs.web.consensus_forms import CompareForm, SendForm

PAGE_SIZE = 25
FINDINGS_PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class Stage:
    """How many solutions are left after a question of the funnel."""

    label: str
    left: int


@page
@require_http_methods(["GET", "POST"])
def runs(request: AuthedRequest, slug: str) -> HttpResponse:
    """The project's comparisons; a POST makes one."""
    project = get_project(request.user, slug, Capability.VIEW_JOBS)
    if request.method == "POST":
        get_project(request.user, slug, Capability.EXPORT)
    form = CompareForm(
        request.POST or None,
        project=project,
        initial={name: request.GET.get(name) for name in ("rpe_job", "judge_job")},
    )
    if request.method == "POST" and form.is_valid():
        try:
            made = service.compare(project=project, by=request.user, **form.build_options())
        except Mendable as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("The two jobs are compared."))
            return redirect("modeljobs:consensus", made.pk)
    return render(
        request,
        "modeljobs/consensus_runs.html",
        {
            **project_context(request, project, "jobs"),
            "page": paginate(request, selectors.list_runs(project), size=PAGE_SIZE),
            "form": form,
            "has_rpe": selectors.list_rpe_jobs(project).exists(),
            "has_judge": selectors.list_judge_jobs(project).exists(),
            "published_share": selectors.PUBLISHED_DROPPED_SHARE,
        },
        status=400 if form.errors else 200,
    )


@page
@require_GET
def run(request: AuthedRequest, pk: int) -> HttpResponse:
    """One comparison: its funnel, its decisions, and the solutions step by step."""
    found = selectors.get_run(request.user, pk)
    if wants_fragment(request, "conversations"):
        context = project_context(request, found.project, "jobs")
        context |= _describe_conversations(request, found)
        return render(request, "modeljobs/consensus_conversations.html", context)
    decision = request.GET.get("decision", "")
    if decision not in list(Decision):
        decision = ""
    rows = selectors.list_findings(found, decision).select_related("solution__problem")
    shown = paginate(request, rows, size=FINDINGS_PAGE_SIZE)
    return _show_run(
        request,
        found,
        {
            "decision": decision,
            "tabs": _build_tabs(found, decision),
            "page": shown,
            "findings": selectors.describe_findings(found, list(shown.object_list)),
        },
    )


def _show_run(request: AuthedRequest, found: ConsensusRun, context: dict[str, Any]) -> HttpResponse:
    decisions = found.report["decisions"]
    return render(
        request,
        "modeljobs/consensus.html",
        {
            **project_context(request, found.project, "jobs"),
            **_describe_conversations(request, found),
            **context,
            "rules": selectors.RunRules.parse(found.rule),
            "stages": _build_stages(found),
            "decisions": [(str(one), decisions.get(str(one), 0)) for one in Decision],
            "pairs": found.report["pairs"],
            "send_form": SendForm(counts=decisions),
            "n_dropped": sum(decisions.get(name, 0) for name in selectors.DROPPED),
            "published_share": selectors.PUBLISHED_DROPPED_SHARE,
            "published_kept": selectors.PUBLISHED_KEPT,
        },
    )


def _describe_conversations(request: AuthedRequest, found: ConsensusRun) -> dict[str, Any]:
    """What the section of conversations shows: the file, and how far a worker is with a new one."""
    writing = find_newest_writing(found)
    url = request.build_absolute_uri(reverse("api:consensus-conversations", args=[found.pk]))
    return {
        "run": found,
        "funnel": found.report["funnel"],
        "conversations": found.report.get("conversations"),
        "writes_rationales": found.judge_job.method == selectors.GENPRM,
        "obstacles": selectors.list_terms_against(found),
        "api_url": url,
        "writing": writing,
        "is_writing": writing is not None and writing.state in OPEN,
    }


def _build_stages(found: ConsensusRun) -> list[Stage]:
    """The funnel, one question after the other."""
    labels = {
        "given": _("Finished by both jobs"),
        "judge_read": _("The judge could be read"),
        "judge_settled": _("Its samples settle on a first error"),
        "rpe_settled": _("The rollouts settle every step"),
        "kept": _("Both agree"),
    }
    return [Stage(label, found.report["funnel"][name]) for name, label in labels.items()]


def _build_tabs(found: ConsensusRun, decision: str) -> list[dict[str, Any]]:
    """Links that filter the list of solutions."""
    counts = found.report["decisions"]
    address = reverse("modeljobs:consensus", args=[found.pk])
    every = {
        "url": f"{address}#solutions",
        "label": _("All"),
        "current": not decision,
        "count": found.report["funnel"]["given"],
    }
    return [
        every,
        *(
            {
                "url": f"{address}?decision={one}#solutions",
                "label": decision_word(str(one)),
                "current": decision == one,
                "count": counts[str(one)],
            }
            for one in Decision
            if counts.get(str(one))
        ),
    ]


@page
@require_POST
def send(request: AuthedRequest, pk: int) -> HttpResponse:
    """Put what was dropped before people."""
    found = selectors.get_run(request.user, pk, Capability.MANAGE)
    form = SendForm(request.POST, counts=found.report["decisions"])
    if not form.is_valid():
        messages.error(request, _("Choose at least one group of solutions to send."))
        return redirect("modeljobs:consensus", pk)
    sent = attempt(
        request,
        lambda: service.send_dropped(
            run=found,
            by=request.user,
            decisions=form.cleaned_data["decisions"],
            reason=form.cleaned_data["reason"],
        ),
    )
    if sent is not None:
        messages.success(
            request,
            _(
                "New in the queue: %(queued)s. Moved to its head: %(moved)s. There already, in "
                "hand or settled: %(there)s."
            )
            % sent._asdict(),
        )
    return redirect("modeljobs:consensus", pk)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def conversations(request: AuthedRequest, pk: int) -> HttpResponseBase:
    """The file of training conversations; a POST has a worker write it."""
    found = selectors.get_run(request.user, pk, Capability.EXPORT)
    if request.method == "POST":
        asked = attempt(request, lambda: service.request_conversations(run=found, by=request.user))
        if asked is not None and asked.is_new:
            messages.success(request, _("A worker writes the conversations now."))
        elif asked is not None:
            messages.info(request, _("They are being written already. Nothing was changed."))
        return redirect(f"{reverse('modeljobs:consensus', args=[pk])}#conversations")
    written, path = service.open_conversations(found)
    unchanged = not_modified(written["sha256"], request.headers.get("If-None-Match", ""))
    if unchanged is not None:
        return unchanged
    name = f"{found.project.slug}-consensus-{found.pk}.jsonl"
    return stream_file(path, filename=name, sha256=written["sha256"])
