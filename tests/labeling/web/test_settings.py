from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Project, ReviewItem, User
from labeling.services.projects import update_protocol
from labeling.web.project_forms import ProtocolForm
from tests.labeling.factories import make_items
from tests.labeling.web.helpers import check_html, words_of


@pytest.fixture
def url(project: Project) -> str:
    return reverse("labeling:settings", args=[project.slug])


def form(project: Project, **changes: Any) -> dict[str, Any]:
    """What the page would send if nothing but the changes were changed."""
    sent = {
        name: "on" if value is True else value
        for name, value in ProtocolForm.initial_of(project).items()
        if value is not False
    }
    return {name: value for name, value in {**sent, **changes}.items() if value is not None}


def test_it_works(lead: Client, url: str, project: Project):
    response = lead.post(
        url,
        form(
            project,
            name="Algebra II",
            rating_view="binary",
            mode="first_error",
            overlap=3,
            strategy="majority",
            hide_names=None,
            machine_evidence="never",
        ),
    )
    assert response.headers["Location"] == url
    project.refresh_from_db()
    assert (project.name, project.rating_view, project.mode) == (
        "Algebra II",
        "binary",
        "first_error",
    )
    assert (project.overlap, project.strategy) == (3, "majority")
    assert (project.hide_names, project.machine_evidence) == (False, "never")
    assert "The settings are saved." in words_of(lead.get(url))


def test_nothing_changed_changes_nothing(lead: Client, url: str, project: Project):
    before = ProtocolForm.initial_of(project)
    lead.post(url, form(project))
    project.refresh_from_db()
    after = ProtocolForm.initial_of(project)
    assert after.pop("seen_version") == before.pop("seen_version") + 1
    assert after == before


def test_more_people_open_places(lead: Client, url: str, project: Project):
    make_items(project, 1)
    project.refresh_from_db()
    lead.post(url, form(project, overlap=4))
    assert ReviewItem.objects.get().free_slots == 4


def test_another_window_was_faster(lead: Client, url: str, project: Project, alice: User):
    mine = form(project, name="Mine", overlap=5)
    update_protocol(project=project, by=alice, seen_version=project.version, overlap=7)
    response = lead.post(url, mine)
    assert response.status_code == 409
    text = check_html(response.content.decode())
    assert "changed in another window" in text
    # Both are in view, in words, and nothing was lost.
    assert ("People on each item", "7", "5") in response.context["in_force"]
    assert ("Name", "Algebra", "Mine") in response.context["in_force"]
    assert 'value="Mine"' in response.content.decode()
    project.refresh_from_db()
    assert (project.name, project.overlap) == ("Algebra", 7)
    # Sent again, it counts.
    again = mine | {"seen_version": response.context["form"]["seen_version"].value()}
    assert lead.post(url, again).status_code == 302
    project.refresh_from_db()
    assert (project.name, project.overlap) == ("Mine", 5)


def test_choices_are_compared_in_words(lead: Client, url: str, project: Project, alice: User):
    mine = form(project)
    update_protocol(
        project=project,
        by=alice,
        seen_version=project.version,
        rating_view="binary",
        hide_claim=False,
    )
    differences = lead.post(url, mine).context["in_force"]
    assert ("Ratings", "wrong or right", "−1, 0, +1") in differences
    assert ("Hide what is claimed until a first judgement", "no", "yes") in differences


@pytest.mark.parametrize(
    ("field", "value"),
    [("overlap", 0), ("overlap", 33), ("lease_minutes", 0), ("mode", "x"), ("name", "")],
)
def test_what_is_wrong_stands_at_its_field(field, value, lead: Client, url: str, project: Project):
    response = lead.post(url, form(project, **{field: value}))
    assert response.status_code == 400
    assert field in response.context["form"].errors


def test_k_that_cannot_be_reached(lead: Client, url: str, project: Project):
    response = lead.post(url, form(project, agree_target=6, max_overlap=5))
    assert response.status_code == 400
    project.refresh_from_db()
    assert project.agree_target == 3


def test_the_pages_behind_settings(lead: Client, url: str):
    text = words_of(lead.get(url))
    for word in ("Protocol", "Guidelines", "Error types", "Members"):
        assert word in text
