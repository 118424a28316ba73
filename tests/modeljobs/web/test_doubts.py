"""References in doubt: the list and what people decide."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from modeljobs.models import ReferenceDoubt
from tests.labeling.web.helpers import ATTACK, check_html, count_queries, read, words_of
from tests.modeljobs.counting import SOUND, add_doubt, count_job
from tests.modeljobs.web.conftest import ROLES
from tests.modeljobs.web.rows import NOON
from tests.modeljobs.worlds import World


@pytest.fixture
def doubt(world: World) -> ReferenceDoubt:
    job = count_job(world.project, world.alice, world.solutions[:1], [SOUND])
    return add_doubt(world.solutions[0].problem, job.items.get())


def url(world: World, query: str = "") -> str:
    return reverse("modeljobs:doubts", args=[world.project.slug]) + query


def decide(client: Client, doubt: ReferenceDoubt, **data: str) -> int:
    return client.post(reverse("modeljobs:doubt-decide", args=[doubt.pk]), data).status_code


def reopen(client: Client, doubt: ReferenceDoubt) -> int:
    return client.post(reverse("modeljobs:doubt-reopen", args=[doubt.pk])).status_code


def test_it_works(lead: Client, world: World, doubt: ReferenceDoubt):
    text = words_of(lead.get(url(world)))
    assert "References in doubt" in text
    assert "What is $2+2$?" in text
    assert "Reference 4 Most rollouts say 5 60 of 64" in text
    assert doubt.item is not None
    evidence = reverse("modeljobs:item-evidence", args=[doubt.item.pk])
    assert evidence in read(lead.get(url(world)))


def test_open_ones_come_first(lead: Client, world: World, doubt: ReferenceDoubt):
    add_doubt(world.solutions[1].problem, state="stands", decided_by=world.alice, decided_at=NOON)
    text = words_of(lead.get(url(world)))
    assert text.index("What is $2+2$?") < text.index("What is $3+3$?")
    assert "What is $3+3$?" not in words_of(lead.get(url(world, "?state=open")))
    assert "There is none in this state" in words_of(lead.get(url(world, "?state=wrong")))


def test_the_reference_is_found_wrong(lead: Client, world: World, doubt: ReferenceDoubt):
    assert decide(lead, doubt, state="wrong", corrected_answer="5", note="Look again.") == 302
    text = words_of(lead.get(url(world)))
    assert "Noted: the reference is wrong." in text
    assert "Corrected answer 5 Note Look again. Decided alice" in text


def test_a_decision_is_taken_back(lead: Client, world: World, doubt: ReferenceDoubt):
    decide(lead, doubt, state="stands")
    assert "Noted: the reference stands." in words_of(lead.get(url(world)))
    assert reopen(lead, doubt) == 302
    doubt.refresh_from_db()
    assert doubt.state == "open"


def test_a_refusal_is_said_on_the_page(lead: Client, world: World, doubt: ReferenceDoubt):
    decide(lead, doubt, state="stands", corrected_answer="5")
    assert "A reference that stands has no corrected answer." in words_of(lead.get(url(world)))
    decide(lead, doubt, state="perhaps")
    assert "perhaps" in words_of(lead.get(url(world)))
    doubt.refresh_from_db()
    assert doubt.state == "open"


def test_without_any_it_says_where_they_come_from(lead: Client, world: World):
    assert "No reference is in doubt" in words_of(lead.get(url(world)))


def test_the_list_of_jobs_leads_here(lead: Client, world: World):
    jobs = read(lead.get(reverse("modeljobs:jobs", args=[world.project.slug])))
    assert url(world) in jobs


def test_who_may(everyone: dict[str, Client], world: World, doubt: ReferenceDoubt):
    assert [everyone[role].get(url(world)).status_code for role in ROLES] == [
        *(200, 403, 200, 200, 404, 302),
    ]
    for role, status in zip(ROLES, (302, 403, 302, 403, 404, 302), strict=True):
        assert decide(everyone[role], doubt, state="stands") == status
        assert reopen(everyone[role], doubt) == status


def test_an_engineer_sees_no_buttons(engineer: Client, world: World, doubt: ReferenceDoubt):
    assert "The reference stands</button>" not in read(engineer.get(url(world)))


def test_hostile_text_stays_text(lead: Client, world: World, doubt: ReferenceDoubt):
    doubt.reference = doubt.answer = doubt.note = ATTACK
    doubt.save()
    html = read(lead.get(url(world)))
    check_html(html)
    assert "<img" not in html


def test_more_doubts_cost_no_more_queries(lead: Client, world: World, doubt: ReferenceDoubt):
    before = count_queries(lead, url(world))
    for solution in world.solutions[1:]:
        add_doubt(solution.problem)
    assert count_queries(lead, url(world)) == before
