"""The labels of a job's rollouts: under which rule, what another would change, and frozen files."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from labeling.access import Capability, require
from labeling.formats import get_format
from labeling.web.downloads import (
    CONTENT_TYPES,
    describe_attachment,
    not_modified,
    stream_file,
)
from labeling.web.errors import Mendable, add_refusal, attempt, page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, wants_fragment
from modeljobs import selectors
from modeljobs.methods.rpe_labels import LabelRule, read_rule
from modeljobs.models import FileWriting, LabelReading, ModelJob
from modeljobs.readings import find_rule, require_counts
from modeljobs.selectors_writings import find_newest_writing
from modeljobs.services import readings as service
from modeljobs.services.writings import OPEN, Asked, read_request
from modeljobs.web.rule_form import RuleForm

# What each button needs; a preview changes nothing.
NEEDS = {
    "use": Capability.RUN_JOBS,
    "reset": Capability.RUN_JOBS,
    "send": Capability.MANAGE,
    "freeze": Capability.EXPORT,
    "again": Capability.EXPORT,
}
# Items with open steps that are named; the button takes them all.
NAMED = 8


@page
@require_http_methods(["GET", "POST"])
def labels(request: AuthedRequest, pk: int) -> HttpResponse:
    """The rule in force with its figures. A POST shows what another would make of the counts, or by
    its `action` puts it in force, freezes labels, or sends open steps to people.
    """
    job = selectors.get_job(request.user, pk)
    require_counts(job)
    if wants_fragment(request, "writing"):
        return _show_writing(request, job)
    rule = find_rule(job)
    action = request.POST.get("action", "") if request.method == "POST" else ""
    if action in NEEDS:
        require(request.user, job.project, NEEDS[action])
    if action == "reset":
        service.set_rule(job=job, rule=None, by=request.user)
        messages.success(request, _("The job's own rule is in force again."))
        return redirect("modeljobs:labels", pk)
    if action == "again":
        _freeze_again(request, job)
        return redirect(f"{reverse('modeljobs:labels', args=[pk])}#readings")
    form = RuleForm(request.POST if request.method == "POST" else None, rule=rule)
    if request.method == "POST" and form.is_valid():
        try:
            rule = service.parse_rule(form.build_settings())
        except Mendable as error:
            add_refusal(form, error)
        else:
            if action and _act(request, job, rule, action, form.cleaned_data["note"]):
                return redirect(f"{reverse('modeljobs:labels', args=[pk])}#readings")
    shown = service.preview(job, rule)
    frozen = list(job.readings.select_related("created_by"))
    return render(
        request,
        "modeljobs/readings.html",
        {
            **project_context(request, job.project, "jobs"),
            "job": job,
            "form": form,
            "shown": shown,
            "named": shown.open_items[:NAMED],
            "readings": [(one, _list_formats(one)) for one in frozen],
            **_describe_writing(find_newest_writing(job)),
            "obstacles": service.find_obstacles(job),
            "is_own": not job.label_rule,
        },
        status=400 if form.errors else 200,
    )


def _show_writing(request: AuthedRequest, job: ModelJob) -> HttpResponse:
    """The part of the page that says how far the labels are which a worker writes.

    Once they are written they stand here: the list below is as old as the page.
    """
    writing = find_newest_writing(job)
    reading = writing.reading if writing is not None else None
    context = {
        **project_context(request, job.project, "jobs"),
        **_describe_writing(writing),
        "job": job,
        "written": reading,
        "formats": _list_formats(reading) if reading is not None else [],
    }
    return render(request, "modeljobs/readings_writing.html", context)


def _describe_writing(writing: FileWriting | None) -> dict[str, object]:
    return {"writing": writing, "is_writing": writing is not None and writing.state in OPEN}


def _list_formats(reading: LabelReading) -> list[tuple[str, str]]:
    return service.list_formats_for(read_rule(reading.rule))


def _freeze_again(request: AuthedRequest, job: ModelJob) -> None:
    """Ask once more for what failed, as it was asked for then."""
    writing = find_newest_writing(job)
    if writing is None or writing.state != FileWriting.State.FAILED:
        messages.info(request, _("Nothing has failed since, so nothing was changed."))
        return
    failed = read_request(writing)
    rule = read_rule(failed["rule"])
    asked = attempt(
        request,
        partial(service.request_labels, job=job, rule=rule, by=request.user, note=failed["note"]),
    )
    if asked is not None:
        _say_asked(request, asked)


def _say_asked(request: AuthedRequest, asked: Asked) -> None:
    if asked.is_new:
        messages.success(request, _("A worker writes these labels now; below you see how far."))
    else:
        messages.info(request, _("These labels are being written already. Nothing was changed."))


def _act(request: AuthedRequest, job: ModelJob, rule: LabelRule, action: str, note: str) -> bool:
    """Do what a button says; whether it was done."""
    done: object = None
    if action == "use":
        done = attempt(
            request,
            partial(service.set_rule, job=job, rule=rule, by=request.user),
            done=_("Labels are read by this rule from now on."),
        )
    elif action == "freeze":
        asked = attempt(
            request,
            partial(service.request_labels, job=job, rule=rule, by=request.user, note=note),
        )
        if asked is not None:
            done = asked
            _say_asked(request, asked)
    elif action == "send":
        routed = attempt(
            request, partial(service.send_open_steps, job=job, rule=rule, by=request.user)
        )
        if routed is not None:
            done = routed
            moved = routed.queued + routed.moved
            said = ngettext(
                "%(n)s solution stands before people now, at the head of the queue.",
                "%(n)s solutions stand before people now, at the head of the queue.",
                moved,
            ) % {"n": moved}
            if routed.there:
                more = ngettext(
                    "%(n)s was there already.", "%(n)s were there already.", routed.there
                ) % {"n": routed.there}
                said = f"{said} {more}"
            messages.success(request, said)
    return done is not None


@page
@require_safe
def reading_file(request: AuthedRequest, pk: int, number: int) -> HttpResponseBase:
    """A frozen reading as a file, in the format that the address names."""
    reading = service.get_reading(request.user, pk, number)
    name = request.GET.get("as", service.NATIVE)
    unjudged = request.GET.get("unjudged", service.UNJUDGED[0])
    if name == service.NATIVE:
        unchanged = not_modified(reading.sha256, request.headers.get("If-None-Match", ""))
        if unchanged is not None:
            return unchanged
        path = service.open_file(reading)
        return stream_file(path, filename=name_file(reading, name), sha256=reading.sha256)
    pieces = service.write_as(reading, name, unjudged=unjudged)
    suffix = get_format(name).info.suffixes[0]
    answer = StreamingHttpResponse(
        pieces if request.method == "GET" else (), content_type=CONTENT_TYPES[suffix]
    )
    answer["Content-Disposition"] = describe_attachment(name_file(reading, name))
    return answer


def name_file(reading: LabelReading, format_name: str) -> str:
    """What the file is called when it is kept: "demo-job7-labels2-trl.jsonl"."""
    suffix = get_format(format_name).info.suffixes[0]
    project = reading.job.project.slug
    return f"{project}-job{reading.job_id}-labels{reading.number}-{format_name}{suffix}"
