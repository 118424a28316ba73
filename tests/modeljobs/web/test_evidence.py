"""What GenPRM found, as people who browse a project see it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from modeljobs.models import JobItem, StepEvidence
from tests.labeling.factories import make_user
from tests.labeling.web.helpers import ATTACK, check_html, count_queries, read, words_of
from tests.modeljobs.web.conftest import ROLES
from tests.modeljobs.web.rows import (
    NOON,
    add_evidence,
    add_trial,
    make_block,
    make_job,
    make_sample,
)
from tests.modeljobs.worlds import World


@pytest.fixture
def item(world: World) -> JobItem:
    return make_job(world.project, world.alice, world.solutions[:1]).items.get()


def url(item: JobItem) -> str:
    return reverse("modeljobs:item", args=[item.pk])


def evidence_url(item: JobItem) -> str:
    return reverse("modeljobs:item-evidence", args=[item.pk])


def shown(client: Client, item: JobItem) -> str:
    return words_of(client.get(url(item)))


# --- One step -------------------------------------------------------------------------------------


def test_it_works(lead: Client, item: JobItem):
    samples = [make_sample(0, 0.9), make_sample(1, 0.2), make_sample(2, 0.8)]
    add_evidence(item, 0, samples)
    text = shown(lead, item)
    # The step, the samples together, and each of them.
    assert "We add $2+2=4$." in text
    assert "correct mean P(Yes) 0.633 (correct from 0.50)" in text
    assert "Of 3 samples: 2 say yes, 1 says no" in text
    assert "Sample 1 Yes: correct, P(Yes) 0.900" in text
    assert "Sample 2 No: wrong, P(Yes) 0.200" in text
    assert "We check that $2+2=4$." in text
    assert "total = 2 + 2" in text
    assert "12 ms. Ran under: rlimits, landlock, seccomp." in text
    assert "Checked with Python, run in the sandbox." in text
    assert "Whole reply 0" in text
    assert "120 tokens written" in text
    # The second step is there, and nothing is said of it.
    assert "So the answer is" in text
    assert "This step was not checked." in text


def test_the_majority_may_say_otherwise(lead: Client, item: JobItem):
    add_evidence(item, 0, [make_sample(0, 0.55), make_sample(1, 0.55), make_sample(2, 0.1)])
    text = shown(lead, item)
    assert "wrong mean P(Yes) 0.400" in text
    assert "The majority says otherwise: correct." in text


def test_a_tie_is_no_majority(lead: Client, item: JobItem):
    add_evidence(item, 0, [make_sample(0, 0.9), make_sample(1, 0.3)])
    assert "The votes are tied, so there is no majority." in shown(lead, item)


def test_a_bound_is_said_in_words(lead: Client, item: JobItem):
    samples = [make_sample(0, 0.02, bound="at_most"), make_sample(1, 0.97, bound="at_least")]
    add_evidence(item, 0, samples)
    text = shown(lead, item)
    assert "P(Yes) at most 0.020" in text
    assert "P(Yes) at least 0.970" in text
    assert "Some probabilities are known from one side only" in text


def test_without_probabilities_the_votes_decide(lead: Client, item: JobItem):
    said = {"verdict": "no", "bound": None, "unparsed": "", "no_p_yes": "None were given."}
    add_evidence(item, 0, [make_sample(0, None, **said)])
    text = shown(lead, item)
    assert "wrong" in text
    assert "Of 1 sample: 0 say yes, 1 says no" in text
    assert "Decided by the votes: the engine gave no probabilities." in text
    assert "Its probability is not known: None were given." in text
    assert "no sample of it could be read" not in text


def test_tied_votes_without_probabilities_decide_nothing(lead: Client, item: JobItem):
    said = {"bound": None, "unparsed": ""}
    samples = [make_sample(n, None, verdict=word, **said) for n, word in enumerate(("yes", "no"))]
    add_evidence(item, 0, samples)
    text = shown(lead, item)
    assert "no verdict" in text
    assert "the votes are tied and the engine gave no probabilities" in text


def test_a_step_that_nobody_could_read_has_no_verdict(lead: Client, item: JobItem):
    add_evidence(item, 0, [make_sample(0, None), make_sample(1, None)])
    text = shown(lead, item)
    assert "no verdict" in text
    assert "This step has no verdict, because no sample of it could be read." in text
    assert "Retry the item" in text
    assert "No decision in the reply: 2" in text
    assert "No verdict could be read: There is no decision in the reply." in text
    # Unknown is neither zero nor one half.
    assert "P(Yes) 0" not in text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("error", "ended in an error"),
        ("timeout", "ran out of time"),
        ("no_code", "no code was found"),
        ("imagined", "Nothing was run."),
    ],
)
def test_how_code_ended(status, words, lead: Client, item: JobItem):
    add_evidence(item, 0, [make_sample(blocks=[make_block(output="oops", status=status)])])
    text = shown(lead, item)
    assert words in text
    assert "oops" in text


def test_code_that_was_not_run_ran_under_nothing(lead: Client, item: JobItem):
    add_evidence(item, 0, [make_sample(blocks=[make_block(status="imagined")])])
    assert "Ran under" not in shown(lead, item)


def test_a_block_that_was_not_found_ran_under_nothing(lead: Client, item: JobItem):
    output = "Code format error: No code found."
    block = make_block("", output, status="no_code", layers=[])
    add_evidence(item, 0, [make_sample(blocks=[block])])
    html = read(lead.get(url(item)))
    assert output in html
    assert "Python that the model wrote" not in html
    assert "ran under" not in html.lower()


def test_code_that_was_stopped_has_no_output(lead: Client, item: JobItem):
    block = make_block("import os", "", status="killed", layers=[])
    add_evidence(item, 0, [make_sample(blocks=[block])])
    text = shown(lead, item)
    assert "it has no output, and the model saw none" in text
    assert "It printed nothing." not in text


def test_output_that_was_cut_says_so(lead: Client, item: JobItem):
    add_evidence(item, 0, [make_sample(blocks=[make_block(is_truncated=True)])])
    assert "output cut" in shown(lead, item)


def test_silent_code_printed_nothing(lead: Client, item: JobItem):
    add_evidence(item, 0, [make_sample(blocks=[make_block(output="")])])
    assert "It printed nothing." in shown(lead, item)


def test_texts_that_were_removed_leave_the_figures(lead: Client, item: JobItem):
    add_evidence(item, 0, with_texts=False)
    text = shown(lead, item)
    assert "mean P(Yes) 0.900" in text
    assert "older than texts are kept" in text


def test_evidence_of_another_kind_is_shown_as_it_is(lead: Client, item: JobItem):
    StepEvidence.objects.create(
        item=item,
        position=0,
        kind="rollouts",
        summary={
            "share": 0.3125,
            "of": 32,
            "counts": {"correct": 10, "wrong": 22, "known": None},
            "interval": [0.17, 0.49],
            "nothing": None,
        },
        created_at=NOON,
    )
    text = shown(lead, item)
    assert "share 0.3125" in text
    assert "of 32" in text
    assert "counts correct 10, wrong 22" in text
    assert "interval 0.17, 0.49" in text
    assert "nothing" not in text


def test_hostile_text(lead: Client, item: JobItem):
    block = make_block(ATTACK, ATTACK, status=ATTACK, layers=[ATTACK])
    sample = make_sample(text=ATTACK, analysis=ATTACK, unparsed=ATTACK, blocks=[block])
    add_evidence(item, 0, [sample], mode=ATTACK, unparsed_reasons={ATTACK: 1})
    add_trial(item, item.job.created_by, code=ATTACK, output=ATTACK, layers=[ATTACK])
    add_trial(item, item.job.created_by, code=ATTACK, state="failed", error=ATTACK)
    for address in (url(item), evidence_url(item), fragment_url(item)):
        html = read(lead.get(address))
        check_html(html)
        assert "<script>" not in html
        assert "<img" not in html


def test_what_a_method_left_out_breaks_nothing(lead: Client, item: JobItem):
    StepEvidence.objects.create(
        item=item, position=0, kind="genprm", summary={"mean": "x"}, created_at=NOON
    )
    assert "no verdict" in shown(lead, item)


# --- What speaks ----------------------------------------------------------------------------------


def test_scripted_evidence_says_what_it_is(lead: Client, item: JobItem):
    add_evidence(item)
    text = shown(lead, item)
    assert "scripted: no model behind it" in text
    assert "Seeded rules made these words" in text


def test_a_tiny_model_says_what_it_is(lead: Client, world: World):
    item = make_job(world.project, world.alice, world.solutions[:1], kind="tiny").items.get()
    add_evidence(item)
    for address in (url(item), evidence_url(item)):
        assert "tiny arithmetic model" in words_of(lead.get(address))
    assert "A very small model made these words." in shown(lead, item)


# --- States ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item_state", "job_state", "words"),
    [
        ("pending", "running", "It waits for its turn."),
        ("pending", "paused", "The job is paused."),
        ("pending", "cancelled", "The job was cancelled before its turn."),
        ("leased", "running", "A worker is at it."),
        ("failed", "done", "retry it on the job's page"),
    ],
)
def test_every_state_says_what_to_do(item_state, job_state, words, lead: Client, world: World):
    job = make_job(
        world.project,
        world.alice,
        world.solutions[:1],
        state=job_state,
        item_state=item_state,
    )
    assert words in shown(lead, job.items.get())


def test_an_item_under_way_asks_for_its_state_alone(lead: Client, world: World):
    job = make_job(
        world.project, world.alice, world.solutions[:1], state="running", item_state="leased"
    )
    item = job.items.get()
    add_evidence(item)
    html = read(lead.get(url(item)))
    assert f'data-live="{url(item)}?fragment=state"' in html
    fragment = read(lead.get(f"{url(item)}?fragment=state"))
    assert "1 of 2" in check_html(fragment)
    # Nothing that somebody reads is replaced under their eyes.
    assert "total = 2 + 2" not in fragment
    assert "data-live-done" not in fragment


def test_a_finished_item_asks_no_more(lead: Client, item: JobItem):
    assert "data-live-done" in read(lead.get(f"{url(item)}?fragment=state"))


def test_no_step_was_checked(lead: Client, item: JobItem):
    assert "No step was checked" in shown(lead, item)


# --- Who may see it, and how it is loaded ---------------------------------------------------------


def fragment_url(item: JobItem, position: int = 0) -> str:
    return f"{evidence_url(item)}?fragment=step&position={position}"


def test_who_may_open(everyone: dict[str, Client], item: JobItem):
    add_evidence(item)
    # An annotator sees what they opened, and has opened nothing.
    for address in (evidence_url(item), fragment_url(item)):
        statuses = tuple(everyone[role].get(address).status_code for role in ROLES)
        assert statuses == (200, 403, 200, 200, 404, 302)


def test_one_step_alone(lead: Client, item: JobItem):
    add_evidence(item, 0)
    add_evidence(item, 1, [make_sample(analysis="The second step.")])
    html = read(lead.get(fragment_url(item, 1)))
    assert "<html" not in html
    text = check_html(html)
    assert "The second step." in text
    assert "We check that" not in text


def test_a_step_without_evidence_says_so(lead: Client, item: JobItem):
    assert "No machine has checked this step." in words_of(lead.get(fragment_url(item, 1)))


def test_a_position_that_is_none(lead: Client, item: JobItem):
    assert lead.get(f"{evidence_url(item)}?fragment=step&position=-1").status_code == 400
    assert lead.get(f"{evidence_url(item)}?fragment=step").status_code == 400


def test_who_may_run_code(everyone: dict[str, Client], item: JobItem):
    add_evidence(item)
    for role, may in (("lead", True), ("adjudicator", True), ("engineer", False)):
        html = read(everyone[role].get(evidence_url(item)))
        assert ("data-trial-run" in html) is may, role


def test_steps_cost_the_same_for_many(lead: Client, item: JobItem, world: World):
    add_evidence(item, 0)
    few = count_queries(lead, url(item))
    add_evidence(item, 1, [make_sample(n) for n in range(8)])
    assert count_queries(lead, url(item)) == few


def test_there_is_no_such_item(lead: Client, world: World):
    assert lead.get("/job-items/12345/evidence/").status_code == 404


# --- The solution's page --------------------------------------------------------------------------


@pytest.fixture
def solution_url(item: JobItem, panel: Any) -> str:
    return reverse("labeling:solution", args=[item.solution_id])


def test_a_line_for_each_step(lead: Client, item: JobItem, solution_url: str):
    add_evidence(item, 0, [make_sample(0, 0.1)])
    html = read(lead.get(solution_url))
    text = check_html(html)
    assert "Step verification" in text
    assert "Step 1 wrong P(Yes) 0.100" in text
    assert "Step 2 was not checked." in text
    # The rest comes when it is opened.
    assert "total = 2 + 2" not in html
    assert fragment_url(item).replace("&", "&amp;") in html


def test_nothing_was_found(lead: Client, solution_url: str):
    assert "Step verification" not in words_of(lead.get(solution_url))


def test_whoever_browses_sees_it(everyone: dict[str, Client], item: JobItem, solution_url: str):
    add_evidence(item)
    job = reverse("modeljobs:item", args=[item.pk])
    assert job in read(everyone["lead"].get(solution_url))
    html = read(everyone["adjudicator"].get(solution_url))
    assert "Step verification" in check_html(html)
    # The job itself is none of theirs.
    assert f'href="{job}"' not in html


def test_two_runs_stand_below_each_other(
    lead: Client, item: JobItem, world: World, solution_url: str
):
    add_evidence(item)
    again = make_job(world.project, world.alice, world.solutions[:1], kind="tiny").items.get()
    add_evidence(again)
    text = words_of(lead.get(solution_url))
    assert text.count("Step verification") == 2
    assert "tiny arithmetic model" in text


def test_people_are_named_at_their_runs(lead: Client, item: JobItem, world: World):
    add_evidence(item)
    mei = make_user("mei", display_name="Mei Lin")
    add_trial(item, mei, output="7")
    text = shown(lead, item)
    assert "Run by Mei Lin" in text
    assert "print(2 + 3)" in text
    # The model's own output stays.
    assert "total = 2 + 2" in text
