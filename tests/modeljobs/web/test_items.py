from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from modeljobs.engines.base import Completion, CompletionRequest, EngineReply, Message
from modeljobs.methods.base import CallRecord
from modeljobs.models import JobItem, ModelCall, ModelJob
from modeljobs.runner import run_job
from tests.labeling.web.helpers import check_html, count_queries, words_of
from tests.modeljobs.worlds import World


@pytest.fixture
def job(world: World, sent: list[tuple[int, int]]) -> ModelJob:
    return world.make_job()


def items_url(job: ModelJob) -> str:
    return reverse("modeljobs:items", args=[job.pk])


def test_it_works(lead: Client, job: ModelJob):
    response = lead.get(items_url(job))
    assert len(response.context["page"]) == 3
    assert "What is $2+2$?" in words_of(response)


def test_by_state_reason_and_type(lead: Client, job: ModelJob):
    first = job.items.order_by("pk")[0]
    JobItem.objects.filter(pk=first.pk).update(state="failed", reason_code="no_json", reason="R")

    def shown(**query: str) -> list[int]:
        return [item.pk for item in lead.get(items_url(job), query).context["page"]]

    assert shown(state="failed") == [first.pk]
    assert shown(state="failed", reason="no_json") == [first.pk]
    assert shown(state="failed", reason="timeout") == []
    assert len(shown(reason="")) == 2
    assert len(shown(unit="deception")) == 3
    assert shown(unit="circular") == []
    # A state that is none shows all.
    assert len(shown(state="<b>")) == 3


def test_no_item_in_this_state(lead: Client, job: ModelJob):
    assert "No item is in this state" in words_of(lead.get(items_url(job), {"state": "failed"}))


def test_the_list_costs_the_same_for_many(lead: Client, world: World, job: ModelJob):
    many = world.make_job(error_types=("deception", "circular", "confidence"))
    assert count_queries(lead, items_url(many)) == count_queries(lead, items_url(job))


def test_nothing_was_asked_yet(lead: Client, job: ModelJob):
    item = job.items.order_by("pk")[0]
    assert "Nothing was asked yet" in words_of(lead.get(f"/job-items/{item.pk}/"))


@pytest.mark.django_db(transaction=True)
def test_what_was_asked_and_answered(lead: Client, job: ModelJob):
    run_job(job_id=job.pk, worker="w")
    item = job.items.order_by("pk")[0]
    html = lead.get(f"/job-items/{item.pk}/").content.decode()
    text = check_html(html)
    assert "What was asked" in text
    # The prompt and the reply, word for word.
    assert "What is $2+2$?" in text
    assert "modified_process" in text
    [product] = item.result["products"]
    assert reverse("labeling:injection", args=[product["id"]]) in html


def test_there_is_no_such_item(lead: Client, job: ModelJob):
    assert lead.get("/job-items/12345/").status_code == 404


def test_many_answers_to_one_question_are_folded():
    request = CompletionRequest("a", messages=(Message("user", "What is 2 + 2?"),))
    answers = tuple(Completion(f"It is {n}.") for n in (4, 5))
    row = ModelCall(purpose="rollout", outcome="ok", milliseconds=3)

    def show(*completions: Completion) -> str:
        record = CallRecord(request, EngineReply(completions), "rollout")
        exchange = SimpleNamespace(row=row, record=record, pool=None)
        return render_to_string("modeljobs/_call.html", {"exchange": exchange, "number": 1})

    assert "<summary>2 answers</summary>" in show(*answers)
    assert "answers</summary>" not in show(answers[0])
