from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Injection, Project, User
from labeling.services.projects import ensure_source
from tests.labeling.factories import make_injection_item, make_items, make_solution
from tests.labeling.web.helpers import make_rated, words_of


@pytest.fixture
def url(project: Project) -> str:
    return reverse("labeling:browse", args=[project.slug])


def shown(client: Client, url: str, **filters: str) -> list[str]:
    response = client.get(url, filters)
    assert response.status_code == 200
    return [row.source_key for row in response.context["page"]]


def test_it_works(lead: Client, url: str, project: Project):
    make_items(project, 2)
    text = words_of(lead.get(url))
    assert "2 found" in text
    assert text.count("What is $2+2$?") == 2
    assert "Waiting for reviewers" in text


def test_each_filter(lead: Client, url: str, project: Project, bob: User, erin: User):
    make_solution(project, "right", final_answer_correct=True, generator="model-a")
    make_solution(project, "wrong", final_answer_correct=False, question="Who is Euler?")
    make_solution(project, "original:x")
    rated = make_rated(project, [bob, erin], "rated")
    rated.problem.domain = "algebra"
    rated.problem.save()
    make_injection_item(project, "inj")
    Injection.objects.update(blocking_lints=1, lints=[{"code": "E03a", "severity": "block"}])

    assert shown(lead, url, text="Euler") == ["wrong"]
    assert shown(lead, url, text="2+2=5") == ["inj"]
    assert shown(lead, url, answer="right") == ["right"]
    assert shown(lead, url, answer="wrong") == ["wrong"]
    assert shown(lead, url, generator="model-a") == ["right"]
    assert shown(lead, url, domain="algebra") == ["rated"]
    assert shown(lead, url, state="disputed") == ["rated"]
    assert shown(lead, url, error_type="deception") == ["inj"]
    assert shown(lead, url, kind="injection") == ["inj"]
    assert shown(lead, url, kind="original") == ["original:x"]
    assert "inj" not in shown(lead, url, kind="solution")
    assert shown(lead, url, lint="blocking") == ["inj"]
    assert shown(lead, url, lint="E03a") == ["inj"]
    assert len(shown(lead, url, source="unit tests")) == 6
    assert shown(lead, url, kind="injection", answer="right") == []


def test_a_solution_stands_once_however_many_items_it_has(lead: Client, url: str, project: Project):
    item = make_injection_item(project)
    item.pk, item.task, item.queue_order = None, "rate_steps", 77
    item.save()
    assert shown(lead, url, state="waiting") == ["inj"]


def test_filters_stay_with_the_pages(lead: Client, url: str, project: Project):
    make_items(project, 26)
    response = lead.get(url, {"state": "waiting", "page": "2"})
    assert len(response.context["page"]) == 1
    assert "?state=waiting&amp;page=1" in response.content.decode()


def test_a_page_that_is_not_there(lead: Client, url: str, project: Project):
    make_items(project, 2)
    assert lead.get(url, {"page": "99"}).context["page"].number == 1
    assert lead.get(url, {"page": "x"}).context["page"].number == 1


def test_nothing_there_yet(lead: Client, url: str):
    assert "This project holds no solutions yet" in words_of(lead.get(url))


def test_nothing_fits(lead: Client, url: str, project: Project):
    make_items(project, 1)
    text = words_of(lead.get(url, {"text": "zebra"}))
    assert "Nothing fits these filters" in text
    assert "Clear all" in text


def test_another_project_is_not_shown(lead: Client, url: str, project: Project, dave: User):
    from tests.labeling.factories import make_project

    other = make_project(dave, "other")
    make_items(other, 1)
    ensure_source(project=other, name="secret source")
    text = words_of(lead.get(url))
    assert "0 found" in text
    assert "secret source" not in text


def test_an_engineer_is_offered_the_import(engineer: Client, adjudicator: Client, url: str):
    assert "Import a file" in words_of(engineer.get(url))
    assert "Import a file" not in words_of(adjudicator.get(url))
