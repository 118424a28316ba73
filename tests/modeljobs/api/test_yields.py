from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.models import Project, ReviewItem
from modeljobs.models import ModelJob
from tests.modeljobs.test_selectors_yield import made, run, settle
from tests.modeljobs.worlds import World

pytestmark = pytest.mark.usefixtures("sent")


@pytest.fixture
def client(world: World) -> APIClient:
    client = APIClient()
    client.force_authenticate(world.alice)
    return client


def test_it_works(client: APIClient, world: World) -> None:
    job = world.make_job()
    run(job)
    settle(made()[0], "reject", reject_code="wrong_type")

    answer: dict[str, Any] = client.get(reverse("api:yields", args=[world.project.slug])).json()

    [row] = answer["results"]
    assert (row["model"], row["error_type"], row["jobs"]) == ("Scripted", "deception", [job.pk])
    assert (row["asked"], row["parsed"], row["new"], row["reviewed"]) == (3, 3, 3, 1)
    assert row["reject_codes"] == {"wrong_type": 1}
    assert row["acceptance"]["value"] == 0.0
    assert row["acceptance"]["high"] == pytest.approx(0.793, abs=1e-3)
    assert answer["sources"] == {"fitting": 3, "verified": 0, "waiting": 3, "queued": 0}
    assert answer["verify_sources"] is False


def test_nothing_reviewed_has_no_share(client: APIClient, world: World) -> None:
    world.make_job()
    [row] = client.get(reverse("api:yields", args=[world.project.slug])).json()["results"]
    assert row["acceptance"] == {"value": None, "low": None, "high": None}


def test_sources_are_put_before_people(client: APIClient, world: World) -> None:
    url = reverse("api:sources-verify", args=[world.project.slug])
    assert client.post(url, {"limit": 2}, format="json").json() == {
        "queued": 2,
        "moved": 0,
        "there": 0,
    }
    assert client.post(url, format="json").json()["queued"] == 1
    assert ReviewItem.objects.filter(task="rate_steps").count() == 3


def test_a_guard_is_set_and_taken_away(client: APIClient, world: World) -> None:
    job = world.draft_job()
    url = reverse("api:job-guards", args=[job.pk])
    answer = client.put(url, {"min_acceptance": 0.5}, format="json")
    assert answer.json() == {"min_acceptance": 0.5, "min_reviewed": 20}
    assert ModelJob.objects.get().guards == answer.json()
    assert client.put(url, {}, format="json").json() == {}
    refused = client.put(url, {"min_acceptance": 2}, format="json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_input")


def test_a_guard_is_changed_at_rest_alone(client: APIClient, world: World) -> None:
    url = reverse("api:job-guards", args=[world.make_job().pk])
    assert client.put(url, {"min_acceptance": 0.5}, format="json").status_code == 409


def test_a_project_that_asks_for_verified_sources_makes_no_job_of_others(
    client: APIClient, world: World
) -> None:
    Project.objects.update(verify_sources=True)
    answer = client.post(
        reverse("api:jobs", args=[world.project.slug]),
        {"method": "injection", "engine": world.engine.pk, "selection": {}},
        format="json",
    )
    assert answer.status_code == 400
    assert "none right in every step yet" in answer.content.decode()
