"""Jobs of critics by the form: what is left empty is as published."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from modeljobs.methods.critic_options import CriticSettings
from modeljobs.models import ModelJob
from modeljobs.services.engines import ensure_tiny_engine
from tests.labeling.web.helpers import check_html
from tests.modeljobs.worlds import World

pytestmark = pytest.mark.usefixtures("sent")


@pytest.mark.parametrize("method", ["critic", "r_prm", "think_prm"])
def test_the_form_offers_every_critic(client: Client, world: World, method: str) -> None:
    ensure_tiny_engine()
    client.force_login(world.alice)

    page = client.get(reverse("modeljobs:job-new", args=[world.project.slug]), {"method": method})

    assert page.status_code == 200
    check_html(page.content.decode())
    assert b'name="option-samples"' in page.content


def test_what_is_left_empty_is_as_published(client: Client, world: World) -> None:
    engine = ensure_tiny_engine()
    client.force_login(world.alice)
    url = reverse("modeljobs:job-new", args=[world.project.slug])
    answers = {
        "action": "draft",
        "engine": engine.pk,
        "option-style": "processbench",
        "option-samples": "",
        "option-temperature": "",
        "option-top_p": "",
        "option-vote": "plurality",
        "limit": "2",
        "seed": "7",
    }

    page = client.post(f"{url}?method=critic", answers)

    assert page.status_code == 302, page.context["form"].errors
    job = ModelJob.objects.get()
    settings = CriticSettings.of(job.parameters)
    assert (settings.samples, settings.temperature, settings.top_p) == (8, 1.0, 0.9)
    # A box that is not ticked is off: the form shows it ticked.
    assert settings.repair is False
