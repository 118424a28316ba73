"""Pages of comparisons: the list, a new one, what it found, and what goes on from there."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Membership, Project, ReviewItem, User
from modeljobs.models import ConsensusRun, FileWriting, ModelJob
from modeljobs.services.consensus import compare
from modeljobs.services.writing_runs import run_writing
from tests.labeling.factories import join, make_project, make_user
from tests.labeling.web.helpers import check_html, count_queries, sign_in, words_of
from tests.modeljobs.consensus_rows import (
    add_judgement,
    add_rollouts,
    make_job,
    make_rpe_job,
    make_solutions,
)
from tests.modeljobs.writing_now import freeze_conversations

RIGHT = ("right", "right", "right")
YES = (True, True, True)


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def project(alice: User) -> Project:
    return make_project(alice)


@pytest.fixture
def lead(alice: User, project: Project) -> Client:
    return sign_in(alice)


@pytest.fixture
def rpe(project: Project, alice: User) -> ModelJob:
    return make_rpe_job(project, alice)


@pytest.fixture
def judge(project: Project, alice: User) -> ModelJob:
    return make_job(project, alice, "genprm")


@pytest.fixture
def compared(project: Project, alice: User, rpe: ModelJob, judge: ModelJob) -> ConsensusRun:
    """One solution kept, one on which they disagree, one left open."""
    words = [RIGHT, RIGHT, ("right", "open", "right")]
    verdicts = [YES, (True, True, False), YES]
    for solution, word, verdict in zip(make_solutions(project, 3), words, verdicts, strict=True):
        add_rollouts(rpe, solution, word)
        add_judgement(judge, solution, verdict)
    return compare(project=project, rpe_job=rpe, judge_job=judge, by=alice)


def list_url(project: Project) -> str:
    return reverse("modeljobs:consensus-runs", args=[project.slug])


def run_url(run: ConsensusRun) -> str:
    return reverse("modeljobs:consensus", args=[run.pk])


def choose(rpe: ModelJob, judge: ModelJob, **changes: object) -> dict[str, object]:
    return {
        "rpe_job": rpe.pk,
        "judge_job": judge.pk,
        "vote": "unanimity",
        "scope": "all",
        "open_steps": "leave",
        **changes,
    }


# --- The list, and a new one ----------------------------------------------------------------------


def test_without_jobs_it_is_said_what_is_needed(lead: Client, project: Project) -> None:
    response = lead.get(list_url(project))
    text = check_html(response.content.decode())
    assert "Two jobs are needed first" in text
    assert "one in which another model judges the same solutions" in text


def test_with_one_of_the_two_it_is_said_which_is_missing(
    lead: Client, project: Project, rpe: ModelJob
) -> None:
    add_rollouts(rpe, make_solutions(project, 1)[0], RIGHT)
    assert "Rollouts are there." in words_of(lead.get(list_url(project)))


def test_two_jobs_are_compared(
    lead: Client, project: Project, compared: ConsensusRun, rpe: ModelJob, judge: ModelJob
) -> None:
    response = lead.post(list_url(project), choose(rpe, judge, vote="majority", epsilon="0.5"))
    made = ConsensusRun.objects.exclude(pk=compared.pk).get()
    assert response.headers["Location"] == run_url(made)
    assert (made.rule["vote"], made.rule["labels"]["epsilon"]) == ("majority", 0.5)
    text = check_html(lead.get(list_url(project)).content.decode())
    assert f"Comparison {made.pk}" in text
    assert "policy-1" in text


def test_a_job_page_leads_to_the_form_with_the_job_chosen(
    lead: Client, project: Project, compared: ConsensusRun, rpe: ModelJob
) -> None:
    other = make_rpe_job(project, rpe.created_by, model="policy-2")
    add_rollouts(other, make_solutions(project, 1, first=9)[0], RIGHT)
    html = lead.get(reverse("modeljobs:job", args=[rpe.pk])).content.decode()
    assert f"{list_url(project)}?rpe_job={rpe.pk}" in html
    assert f'href="{run_url(compared)}"' in html
    form = lead.get(list_url(project), {"rpe_job": rpe.pk}).content.decode()
    assert f'<option value="{rpe.pk}" selected>' in form


def test_the_judge_must_be_another_model(lead: Client, project: Project, rpe: ModelJob) -> None:
    same = make_job(project, rpe.created_by, "genprm", model="policy-1")
    [solution] = make_solutions(project, 1)
    add_rollouts(rpe, solution, RIGHT)
    add_judgement(same, solution, YES)
    response = lead.post(list_url(project), choose(rpe, same))
    assert response.status_code == 400
    assert "another model must judge" in response.content.decode()


def test_epsilon_belongs_to_the_ratio(
    lead: Client, project: Project, compared: ConsensusRun, rpe: ModelJob, judge: ModelJob
) -> None:
    rpe.label_rule = {"rule": "hard"}
    rpe.save()
    response = lead.post(list_url(project), choose(rpe, judge, epsilon="0.5"))
    assert response.status_code == 400
    assert "Epsilon belongs to the ratio" in response.content.decode()


def test_a_longer_list_asks_no_more(
    lead: Client, project: Project, compared: ConsensusRun, rpe: ModelJob, judge: ModelJob
) -> None:
    before = count_queries(lead, list_url(project))
    for _number in range(4):
        compare(project=project, rpe_job=rpe, judge_job=judge, by=rpe.created_by)
    assert count_queries(lead, list_url(project)) == before


# --- One comparison -------------------------------------------------------------------------------


def test_the_funnel_and_the_decisions(lead: Client, compared: ConsensusRun) -> None:
    text = check_html(lead.get(run_url(compared)).content.decode())
    assert "67 % dropped." in text
    assert "Published for GenPRM: about 51 % dropped, 22,557 conversations kept." in text
    for words in ("They disagree", "Rollouts leave it open", "Kept"):
        assert words in text
    assert "first disagreement: step 3" in text


def test_solutions_by_decision(lead: Client, compared: ConsensusRun) -> None:
    def shown(decision: str) -> list[str]:
        found = lead.get(run_url(compared), {"decision": decision}).context["findings"]
        return [view.finding.decision for view in found]

    assert shown("rpe_open") == ["rpe_open"]
    assert shown("kept") == ["kept"]
    # A decision that is none shows all.
    assert len(shown("<b>")) == 3


def test_the_evidence_of_both_sides_is_linked(lead: Client, compared: ConsensusRun) -> None:
    html = lead.get(run_url(compared)).content.decode()
    for job in (compared.rpe_job, compared.judge_job):
        for item in job.items.all():
            assert reverse("modeljobs:item", args=[item.pk]) in html


def test_more_solutions_ask_no_more(
    lead: Client, project: Project, compared: ConsensusRun, rpe: ModelJob, judge: ModelJob
) -> None:
    before = count_queries(lead, run_url(compared))
    for solution in make_solutions(project, 9, first=3):
        add_rollouts(rpe, solution, RIGHT)
        add_judgement(judge, solution, YES)
    longer = compare(project=project, rpe_job=rpe, judge_job=judge, by=rpe.created_by)
    assert count_queries(lead, run_url(longer)) == before


def test_hostile_names_stay_text(
    lead: Client, project: Project, alice: User, compared: ConsensusRun
) -> None:
    compared.report = {**compared.report, "judges": ["<script>alert(1)</script>"]}
    compared.save()
    html = lead.get(run_url(compared)).content.decode()
    assert "<script>alert(1)" not in html


def test_there_is_no_such_comparison(lead: Client) -> None:
    assert lead.get("/consensus/12345/").status_code == 404


# --- On from there --------------------------------------------------------------------------------


def test_what_was_dropped_is_sent_to_people(lead: Client, compared: ConsensusRun) -> None:
    url = reverse("modeljobs:consensus-send", args=[compared.pk])
    response = lead.post(url, {"decisions": ["disagreement", "rpe_open"]}, follow=True)
    assert "New in the queue: 2. Moved to its head: 0." in words_of(response)
    assert ReviewItem.objects.count() == 2
    again = lead.post(url, {"decisions": ["disagreement"]}, follow=True)
    assert "There already, in hand or settled: 1." in words_of(again)


def test_sending_nothing_says_so(lead: Client, compared: ConsensusRun) -> None:
    url = reverse("modeljobs:consensus-send", args=[compared.pk])
    assert "Choose at least one group" in words_of(lead.post(url, {}, follow=True))


def test_conversations_are_written_shown_and_downloaded(
    lead: Client, compared: ConsensusRun
) -> None:
    url = reverse("modeljobs:consensus-conversations", args=[compared.pk])
    response = lead.post(url, follow=True)
    assert "A worker writes the conversations now." in words_of(response)
    assert "Queued: a worker takes it" in words_of(response)
    assert "Write the conversations" not in words_of(response)
    again = lead.post(url, follow=True)
    assert "They are being written already." in words_of(again)
    run_writing(FileWriting.objects.get().pk)
    response = lead.get(run_url(compared), {"fragment": "conversations"})
    assert b"data-live-done" in response.content
    assert "Step by step" not in words_of(response)
    compared.refresh_from_db()
    sha256 = compared.report["conversations"]["sha256"]
    assert sha256 in words_of(response)
    download = lead.get(url)
    assert download.headers["ETag"] == f'"{sha256}"'
    assert download.getvalue().startswith(b'{"conversations":')
    unchanged = lead.get(url, headers={"If-None-Match": f'"{sha256}"'})
    assert unchanged.status_code == 304


def test_conversations_that_were_not_written_can_be_tried_again(
    lead: Client, compared: ConsensusRun
) -> None:
    url = reverse("modeljobs:consensus-conversations", args=[compared.pk])
    lead.post(url)
    FileWriting.objects.update(state="failed", error="The disk is full.")
    text = words_of(lead.get(run_url(compared)))
    assert "The conversations were not written. The disk is full." in text
    assert "Try again" in text
    lead.post(url)
    text = words_of(lead.get(run_url(compared)))
    assert "Queued" in text
    assert "The disk is full." not in text


def test_the_page_says_how_far_the_conversations_are(lead: Client, compared: ConsensusRun) -> None:
    lead.post(reverse("modeljobs:consensus-conversations", args=[compared.pk]))
    FileWriting.objects.update(state="running", done=1_250, total=10_000)
    html = lead.get(run_url(compared)).content.decode()
    assert "Writing 1,250 of 10,000 solutions" in check_html(html)
    assert "data-live-done" not in html


def test_a_closed_gate_is_said_on_the_page(lead: Client, compared: ConsensusRun) -> None:
    compared.project.sources.update(redistribution="forbidden")
    text = words_of(lead.get(run_url(compared)))
    assert "may not be redistributed" in text
    assert "Write the conversations" not in text


def test_who_may(project: Project, compared: ConsensusRun, rpe: ModelJob, judge: ModelJob) -> None:
    freeze_conversations(run=compared, by=rpe.created_by)
    people = {}
    for name, role in (
        ("bob", Membership.Role.ANNOTATOR),
        ("carol", Membership.Role.ADJUDICATOR),
        ("frank", Membership.Role.ENGINEER),
    ):
        people[name] = make_user(name)
        join(project, people[name], role)
    people["dave"] = make_user("dave")
    clients = {name: sign_in(user) for name, user in people.items()}
    send = reverse("modeljobs:consensus-send", args=[compared.pk])
    file = reverse("modeljobs:consensus-conversations", args=[compared.pk])

    def ask(url: str) -> list[int]:
        responses = [client.get(url) for client in clients.values()]
        for response in responses:
            # A file that is not read to its end stays open.
            response.getvalue()
        return [response.status_code for response in responses]

    assert ask(list_url(project)) == [403, 403, 200, 404]
    assert ask(run_url(compared)) == [403, 403, 200, 404]
    assert ask(file) == [403, 403, 200, 404]
    posted = [
        [client.post(url, data).status_code for client in clients.values()]
        for url, data in (
            (list_url(project), choose(rpe, judge)),
            (send, {"decisions": ["disagreement"]}),
            (file, {}),
        )
    ]
    assert posted == [[403, 403, 302, 404], [403, 403, 403, 404], [403, 403, 302, 404]]
    assert Client().get(run_url(compared)).status_code == 302
