"""The page of a job's labels, the job's section, and what the evidence of rollouts shows."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from modeljobs.methods.rpe_labels import LabelRule
from modeljobs.models import FileWriting, JobItem, LabelReading, ModelJob
from modeljobs.readings import find_rule, pack_rule
from modeljobs.services.reveals import open_evidence
from modeljobs.services.writing_runs import run_writing
from tests.labeling.factories import enqueue
from tests.labeling.web.helpers import ATTACK, check_html, count_queries, read, words_of
from tests.modeljobs.counting import (
    BROKEN,
    SOUND,
    UNSURE,
    add_evidence_of,
    add_rollouts,
    add_scores,
    add_writing,
    count_job,
    make_rpe_job,
)
from tests.modeljobs.web.conftest import ROLES
from tests.modeljobs.worlds import World


@pytest.fixture
def job(world: World) -> ModelJob:
    return count_job(
        world.project, world.alice, world.solutions, [SOUND, BROKEN, UNSURE], kind="tiny"
    )


@pytest.fixture
def item(job: ModelJob) -> JobItem:
    """The item of the broken solution, with its evidence."""
    item = job.items.order_by("pk")[1]
    add_evidence_of(item, BROKEN)
    return item


def url(job: ModelJob) -> str:
    return reverse("modeljobs:labels", args=[job.pk])


def fields(**changes: Any) -> dict[str, Any]:
    """The form as a browser sends it: a box that is not ticked is not there."""
    given = {**pack_rule(LabelRule()), **changes}
    return {name: value for name, value in given.items() if value is not False}


def post(client: Client, job: ModelJob, action: str = "", **changes: Any) -> Any:
    return client.post(url(job), {**fields(**changes), "action": action, "note": "A note."})


# --- The page -------------------------------------------------------------------------------------


def test_it_works(lead: Client, job: ModelJob):
    text = words_of(lead.get(url(job)))
    assert f"Labels of job {job.pk}" in text
    assert "Correct if relative progress is at least 0.8" in text
    assert "Steps correct 3" in text
    assert "Steps wrong 2" in text
    assert "Steps open 1" in text
    assert "This is the rule in force." in text
    assert "Nothing was frozen yet." in text
    assert "tiny arithmetic model" in text
    assert f"Solution {job.items.order_by('pk')[2].solution_id}" in text


def test_a_preview_changes_nothing(lead: Client, job: ModelJob):
    answer = post(lead, job, rule="hard")
    text = words_of(answer)
    assert "not in force" in text
    assert "What this rule would say" in text
    assert "wrong correct 1" in text
    assert "2 of 6 steps." in text
    assert ModelJob.objects.get(pk=job.pk).label_rule == {}


def test_a_rule_is_put_in_force_and_taken_back(lead: Client, job: ModelJob):
    answer = lead.post(url(job), {**fields(epsilon=0.5), "action": "use"}, follow=True)
    assert "Labels are read by this rule from now on." in words_of(answer)
    assert find_rule(ModelJob.objects.get(pk=job.pk)).epsilon == 0.5
    text = words_of(lead.get(reverse("modeljobs:job", args=[job.pk])))
    assert "Labels read by another rule: ratio >= 0.5" in text
    lead.post(url(job), {"action": "reset"})
    assert ModelJob.objects.get(pk=job.pk).label_rule == {}


def test_unticking_a_box_counts(lead: Client, job: ModelJob):
    post(lead, job, "use", zero_absorbs=False)
    assert find_rule(ModelJob.objects.get(pk=job.pk)).zero_absorbs is False


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epsilon": "2"}, "less than or equal to 1"),
        ({"epsilon": ""}, "This field is required."),
        ({"band_low": "0.9", "band_high": "0.2"}, "band_low"),
    ],
)
def test_a_rule_that_is_none_is_explained(changes, words, lead: Client, job: ModelJob):
    answer = post(lead, job, "use", **changes)
    assert answer.status_code == 400
    assert words in answer.content.decode().replace("&lt;", "<")
    assert ModelJob.objects.get(pk=job.pk).label_rule == {}


def test_labels_are_frozen_and_downloaded(lead: Client, job: ModelJob):
    answer = lead.post(url(job), {**fields(), "action": "freeze", "note": "A note."}, follow=True)
    assert "A worker writes these labels now" in words_of(answer)
    assert "Queued: a worker takes it" in words_of(answer)
    assert not LabelReading.objects.exists()
    run_writing(FileWriting.objects.get().pk)
    text = words_of(lead.get(url(job)))
    reading = LabelReading.objects.get()
    assert "Queued" not in text
    assert reading.sha256 in text
    assert "A note." in text
    assert "3 solutions; steps: 3 correct, 2 wrong, 1 open, 0 unknown." in text
    address = reverse("modeljobs:reading-file", args=[job.pk, 1])
    native: Any = lead.get(address)
    assert native["ETag"] == f'"{reading.sha256}"'
    assert len(b"".join(native.streaming_content)) == reading.size
    assert lead.get(address, headers={"If-None-Match": native["ETag"]}).status_code == 304
    trl: Any = lead.get(f"{address}?as=trl&unjudged=skip")
    assert f"job{job.pk}-labels1-trl.jsonl" in trl["Content-Disposition"]
    assert len(b"".join(trl.streaming_content).splitlines()) == 2
    assert lead.get(f"{address}?as=prm800k").status_code == 400


def part(client: Client, job: ModelJob) -> Any:
    """What the page's own script asks for until the labels are written."""
    return client.get(url(job), {"fragment": "writing"})


def test_the_page_says_how_far_the_file_is(lead: Client, job: ModelJob):
    add_writing(job, done=3_000, total=10_000)
    for answer in (part(lead, job), lead.get(url(job))):
        html = read(answer)
        assert "Writing 3,000 of 10,000 solutions" in words_of(answer)
        assert '<progress value="3000" max="10000"' in html
        assert "data-live-done" not in html
        # Nobody is there to write it.
        assert "No worker is running" in html
        assert "Nothing was frozen yet" not in html
    assert "Labels of job" not in read(part(lead, job))


def test_what_was_written_meanwhile_comes_by_itself(lead: Client, job: ModelJob):
    post(lead, job, "freeze")
    run_writing(FileWriting.objects.get().pk)
    answer = part(lead, job)
    html = read(answer)
    assert "data-live-done" in html
    assert LabelReading.objects.get().sha256 in html
    assert reverse("modeljobs:reading-file", args=[job.pk, 1]) in html
    # On a page that is opened later it stands in the list, and only there.
    assert read(lead.get(url(job))).count(LabelReading.objects.get().sha256) == 1


def test_freezing_twice_says_that_it_is_under_way(lead: Client, job: ModelJob):
    post(lead, job, "freeze")
    again = {**fields(), "action": "freeze", "note": "A note."}
    assert "are being written already" in words_of(lead.post(url(job), again, follow=True))
    other = post(lead, job, "freeze", rule="hard")
    assert "under another rule or with another note" in words_of(other)
    assert FileWriting.objects.count() == 1


def test_a_file_that_was_not_written_is_asked_for_again(lead: Client, job: ModelJob):
    asked = {"rule": pack_rule(LabelRule(kind="hard")), "note": "As before."}
    add_writing(job, state="failed", error=f"No space left. {ATTACK}", request=asked)
    html = read(lead.get(url(job)))
    check_html(html)
    assert "The labels were not written." in html
    assert "No space left." in html
    answer = lead.post(url(job), {"action": "again"}, follow=True)
    assert "A worker writes these labels now" in words_of(answer)
    assert "were not written" not in words_of(answer)
    writing = FileWriting.objects.get(state="queued")
    assert writing.request == asked
    # Pressed in another tab as well.
    answer = lead.post(url(job), {"action": "again"}, follow=True)
    assert "nothing was changed" in words_of(answer)
    assert FileWriting.objects.count() == 2


def test_what_may_not_go_out_says_so_instead_of_a_button(lead: Client, job: ModelJob):
    job.engine.output_may_train = False
    job.engine.save()
    html = read(lead.get(url(job)))
    assert "do not allow training" in html
    assert 'id="freeze"' not in html
    answer = post(lead, job, "freeze")
    assert "do not allow training" in words_of(answer)
    assert not LabelReading.objects.exists()


def test_open_steps_are_sent_to_people(lead: Client, job: ModelJob):
    answer = lead.post(url(job), {**fields(), "action": "send"}, follow=True)
    assert "1 solution stands before people now" in words_of(answer)
    again = lead.post(url(job), {**fields(), "action": "send"}, follow=True)
    assert "1 was there already." in words_of(again)


def test_nothing_open_is_said(lead: Client, job: ModelJob):
    assert "No step is left open" in words_of(post(lead, job, "send", rule="hard"))


def test_without_a_finished_item_it_says_what_comes(lead: Client, world: World):
    job = make_rpe_job(world.project, world.alice, world.solutions, item_state="pending")
    text = words_of(lead.get(url(job)))
    assert "Nothing to label yet" in text
    assert "Freeze" not in text


def test_the_soft_rule_shows_numbers(lead: Client, job: ModelJob):
    text = words_of(post(lead, job, rule="soft"))
    assert "Steps with a number 6" in text
    assert "First error unknown" not in text


def test_other_jobs_have_no_such_page(lead: Client, world: World):
    assert lead.get(url(world.draft_job())).status_code == 404


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("", "200 403 403 200 404 302"),
        ("use", "302 403 403 403 404 302"),
        ("reset", "302 403 403 403 404 302"),
        ("send", "302 403 403 403 404 302"),
        ("freeze", "302 403 403 302 404 302"),
        ("again", "302 403 403 302 404 302"),
    ],
)
def test_who_may(action, expected, everyone: dict[str, Client], job: ModelJob):
    got = [post(everyone[role], job, action).status_code for role in ROLES]
    if action == "send":
        # The first has sent everything there was.
        assert got[0] == 302
    assert " ".join(map(str, got)) == expected


def test_who_may_download(everyone: dict[str, Client], job: ModelJob):
    post(everyone["lead"], job, "freeze")
    run_writing(FileWriting.objects.get().pk)
    address = reverse("modeljobs:reading-file", args=[job.pk, 1])
    got = []
    for role in ROLES:
        answer = everyone[role].get(address)
        got.append(answer.status_code)
        if answer.streaming:
            answer.getvalue()
    assert got == [200, 403, 403, 200, 404, 302]


def test_an_engineer_sees_no_button_that_would_refuse(engineer: Client, job: ModelJob):
    html = read(engineer.get(url(job)))
    assert 'id="freeze"' in html
    assert 'id="use-rule"' not in html
    assert 'id="send-open"' not in html


def test_the_page_asks_no_more_for_more_items(lead: Client, world: World, job: ModelJob):
    small = count_job(world.project, world.alice, world.solutions[:1], [SOUND])
    assert count_queries(lead, url(job)) <= count_queries(lead, url(small))


# --- The job's page -------------------------------------------------------------------------------


def test_the_job_page_has_a_section(lead: Client, job: ModelJob, item: JobItem):
    text = words_of(lead.get(reverse("modeljobs:job", args=[job.pk])))
    assert "Labels by rollouts" in text
    assert "Steps labelled 5 of 6 steps" in text
    assert "Left open 1 for people" in text
    assert "MC 0.06 of 64 rollouts" in text
    assert "the problem alone" in text


def test_a_large_job_is_not_counted_on_its_page(lead: Client, job: ModelJob, monkeypatch):
    monkeypatch.setattr("modeljobs.web.rpe_section.MOST_ITEMS", 2)
    text = words_of(lead.get(reverse("modeljobs:job", args=[job.pk])))
    assert "the page of labels counts their steps" in text
    assert "Steps labelled" not in text


# --- Evidence, for those who browse ---------------------------------------------------------------


def test_the_curve_stands_above_the_steps(lead: Client, item: JobItem):
    for name in ("item", "item-evidence"):
        text = words_of(lead.get(reverse(f"modeljobs:{name}", args=[item.pk])))
        assert "How likely the answer is after each step" in text
        # 4 of 64: 0.0625 and its Wilson interval; the last step by its own answer.
        assert "Step 1 0.06 0.02–0.15 4 of 64 0.08" in text
        assert "by its answer" in text
        assert "From 0.75 to 0.06." in text
        assert "the completer" in text
        assert "tiny arithmetic model" in text
        assert "Whole rollout ending in 5." in text


def test_another_rule_shows_at_once(lead: Client, job: ModelJob, item: JobItem):
    page = reverse("modeljobs:item-evidence", args=[item.pk])
    assert "wrong MC 0.06" in words_of(lead.get(page))
    post(lead, job, "use", rule="hard")
    assert "correct MC 0.06" in words_of(lead.get(page))


def test_an_open_step_says_how_open_it_is(lead: Client, job: ModelJob):
    item = job.items.order_by("pk")[2]
    add_evidence_of(item, UNSURE)
    text = words_of(lead.get(reverse("modeljobs:item-evidence", args=[item.pk])))
    assert "The rollouts leave it open: it passes the rule with probability" in text


def test_why_rollouts_have_no_verdict_is_said_in_words(lead: Client, job: ModelJob):
    item = job.items.order_by("pk")[0]
    add_rollouts(
        item,
        0,
        1,
        1,
        reasons={"undecided": {"not_comparable": 3}, "truncated": {"length": 2}},
        shared=8,
        stop="limit",
    )
    text = words_of(lead.get(reverse("modeljobs:item-evidence", args=[item.pk])))
    assert "3 not comparable: its formula is written differently" in text
    assert "2 cut off: it reached the longest length" in text
    assert "8 are shared with other solutions that begin alike." in text
    assert "the most allowed, and still open" in text


def test_a_suspect_reference_is_named(lead: Client, job: ModelJob):
    item = job.items.order_by("pk")[0]
    suspect = {"answer": "17", "rollouts": 52, "answered": 56, "whole": "17"}
    add_rollouts(item, 0, 4, 52, kind="rpe_start", suspect=suspect)
    text = words_of(lead.get(reverse("modeljobs:item-evidence", args=[item.pk])))
    assert "The reference may be wrong: 52 of 56 answers to the problem alone agree on 17" in text


def test_scores_of_prms_and_critics(lead: Client, job: ModelJob):
    item = job.items.order_by("pk")[0]
    add_scores(item, 0, texts=["The step is sound."])
    add_scores(item, 1, kind="critic", scores=[], verdict=None, reason="It names no step.")
    text = words_of(lead.get(reverse("modeljobs:item-evidence", args=[item.pk])))
    assert "Validity probability, > 0.5 0.310 does not meet it" in text
    assert "Redundancy probability, > 0.15 0.040 does not meet it" in text
    assert "Uncertainty 0.020." in text
    assert "Read at token 41." in text
    assert "Template: reasoneval/1" in text
    assert "The step is sound." in text
    assert "There is no score: It names no step." in text


def test_hostile_text_stays_text(lead: Client, job: ModelJob):
    item = job.items.order_by("pk")[0]
    suspect = {"answer": ATTACK, "rollouts": 5, "answered": 5, "whole": ATTACK}
    add_rollouts(
        item,
        0,
        3,
        1,
        kind="rpe_start",
        reference=ATTACK,
        suspect=suspect,
        checker=ATTACK,
        stop=ATTACK,
        reasons={ATTACK: {ATTACK: 1}},
    )
    add_scores(item, 1, texts=[ATTACK], reason=ATTACK, template=ATTACK, family=ATTACK)
    for address in (
        reverse("modeljobs:item", args=[item.pk]),
        reverse("modeljobs:item-evidence", args=[item.pk]),
        reverse("modeljobs:job", args=[job.pk]),
        reverse("labeling:solution", args=[item.solution_id]),
    ):
        html = read(lead.get(address))
        check_html(html)
        assert "<script>alert" not in html
        assert "<img" not in html


def test_what_a_method_left_out_breaks_nothing(lead: Client, job: ModelJob):
    item = job.items.order_by("pk")[0]
    for kind in ("rpe", "rpe_start", "prm"):
        item.evidence.create(
            position=0, kind=kind, summary={"counts": 3, "mc": "x"}, created_at=job.created_at
        )
    assert read(lead.get(reverse("modeljobs:item-evidence", args=[item.pk])))


@pytest.mark.usefixtures("panel")
def test_the_solution_shows_a_line_for_each_step(lead: Client, item: JobItem):
    text = words_of(lead.get(reverse("labeling:solution", args=[item.solution_id])))
    assert "Step 1 problem alone MC 0.75 wrong MC 0.06" in text
    fragment = reverse("modeljobs:item-evidence", args=[item.pk])
    assert "Whole rollout" in words_of(lead.get(f"{fragment}?fragment=step&position=0"))


# --- Evidence, for reviewers ----------------------------------------------------------------------


@pytest.fixture
def held(world: World, item: JobItem) -> Any:
    """alice holds the broken solution as a reviewer, with evidence open from the start."""
    from labeling.services.assignments import claim_item

    world.project.machine_evidence = "always"
    world.project.save()
    return claim_item(user=world.alice, item=enqueue(item.solution))


def assignment_url(held: Any) -> str:
    return reverse("modeljobs:assignment-evidence", args=[held.pk])


def test_a_step_opens_with_nothing_of_later_ones(lead: Client, held: Any):
    open_evidence(assignment=held, position=0)
    text = words_of(lead.get(assignment_url(held)))
    assert "Step 1 0.06" in text
    assert "Step 2 0.00" not in text
    assert "How likely the answer is after each step" not in text


def test_a_later_step_says_nothing_of_verdicts_before_it(lead: Client, held: Any):
    open_evidence(assignment=held, position=1)
    html = read(lead.get(assignment_url(held)))
    text = words_of(lead.get(assignment_url(held)))
    # Its number compares two shares, so the one before is there; what it says of step 1 is not.
    assert "Step 1 0.06 0.02–0.15 4 of 64 – – –" in text
    assert "Step 2 0.00" in text
    assert html.count('data-v="-1"') > 0
    open_evidence(assignment=held, position=0)
    assert "Step 1 0.06 0.02–0.15 4 of 64 0.08 0.00 wrong" in words_of(
        lead.get(assignment_url(held))
    )


def test_the_fragment_shows_the_same(lead: Client, held: Any):
    answer = lead.post(f"{assignment_url(held)}?fragment=step", {"position": "0"})
    text = words_of(answer)
    assert "Step 1 0.06" in text
    assert "Step 2" not in text
    assert "Whole rollout ending in 4." in text


def test_answers_do_not_give_a_hidden_reference_away(lead: Client, held: Any, world: World):
    world.project.show_reference_answer = False
    world.project.save()
    open_evidence(assignment=held, position=0)
    answer = lead.post(f"{assignment_url(held)}?fragment=step", {"position": "0"})
    for text in (words_of(lead.get(assignment_url(held))), words_of(answer)):
        assert "they would give the reference answer away" in text
        assert "Whole rollout" not in text
        assert "MC 0.06" in text


def test_what_opening_gives_to_programs_is_as_narrow(held: Any, world: World):
    world.project.show_reference_answer = False
    world.project.save()
    held.project.refresh_from_db()
    for view in open_evidence(assignment=held, position=1):
        assert view.rollouts is not None
        assert view.rollouts.samples == ()
        assert view.rollouts.whole is None
        assert view.rollouts.curve is not None
        states = {point.position: point.state for point in view.rollouts.curve.points}
        assert states == {-1: "", 0: "", 1: "wrong"}
