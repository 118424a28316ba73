from __future__ import annotations

from django.test import Client
from django.urls import reverse

from labeling.models import Project, ReviewItem, User
from labeling.web.views.projects import BAR_WIDTH, build_segments
from tests.labeling.factories import make_items
from tests.labeling.web.helpers import make_rated, words_of


def address(project: Project) -> str:
    return reverse("labeling:overview", args=[project.slug])


def test_it_works(lead: Client, project: Project, bob: User, erin: User):
    make_rated(project, [bob, erin])
    text = words_of(lead.get(address(project)))
    assert "Solutions 1 3 steps" in text
    assert "Judgements 2 2 in the last 7 days" in text
    assert "Open disputes 1" in text


def test_each_number_leads_to_what_it_counts(lead: Client, project: Project):
    make_items(project, 3)
    html = lead.get(address(project)).content.decode()
    browse = reverse("labeling:browse", args=[project.slug])
    assert f'href="{browse}">3</a>' in html
    assert f'href="{browse}?state=waiting"' in html


def test_an_annotator_sees_the_protocol_and_their_own_part(
    annotator: Client, project: Project, bob: User, erin: User
):
    make_rated(project, [bob, erin])
    make_items(project, 2)
    response = annotator.get(address(project))
    text = words_of(response)
    assert "How people work here" in text
    assert "1 of 3" in text
    assert "Open disputes" not in text
    assert "numbers" not in response.context


def test_an_empty_project_says_what_comes_first(lead: Client, project: Project):
    text = words_of(lead.get(address(project)))
    assert "Nothing waits for review yet" in text
    assert "Import solutions" in text


def test_the_way_to_a_release_shows_how_far_one_is(lead: Client, project: Project):
    def done() -> list[str]:
        steps = lead.get(address(project)).context["next_steps"]
        return [str(step.label) for step in steps if step.is_done]

    # The cast is there already.
    assert done() == ["Invite reviewers"]
    make_items(project, 1)
    assert done() == ["Import solutions", "Invite reviewers"]


def test_the_bar_is_as_wide_as_its_parts(project: Project):
    parts = build_segments(project, {"waiting": 1, "agreed": 3})
    assert [part.count for part in parts] == [1, 0, 3, 0, 0]
    # 1 of 4 and 3 of 4 of 1000.
    assert [part.width for part in parts] == [250.0, 0.0, 750.0, 0.0, 0.0]
    assert [part.x for part in parts][:3] == [0.0, 250.0, 250.0]
    assert sum(part.width for part in parts) == BAR_WIDTH


def test_the_bar_of_nothing(project: Project):
    assert {part.width for part in build_segments(project, {})} == {0.0}


def test_every_state_of_an_item_has_a_part(project: Project):
    parts = build_segments(project, {})
    assert len(parts) == len(ReviewItem.State)


def test_there_is_no_such_project(lead: Client):
    assert lead.get("/projects/nowhere/").status_code == 404
