"""Running verification code again from the browser: asked for here, run by a worker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from modeljobs.models import CodeTrial, JobItem
from modeljobs.services import trials as service
from modeljobs.services.workers import record_beat
from tests.labeling.web.helpers import check_html, read, words_of
from tests.modeljobs.web.conftest import ROLES
from tests.modeljobs.web.rows import add_evidence, add_trial, make_block, make_job, make_sample
from tests.modeljobs.worlds import World

PLACE = {"position": 0, "sample": 0, "block": 0}
QUERY = "position=0&sample=0&block=0"


@pytest.fixture(autouse=True)
def posted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No test of a page runs code."""
    sent: list[int] = []
    monkeypatch.setattr(service, "_send", sent.append)
    return sent


@pytest.fixture
def item(world: World) -> JobItem:
    found = make_job(world.project, world.alice, world.solutions[:1]).items.get()
    add_evidence(found)
    return found


@pytest.fixture
def url(item: JobItem) -> str:
    return reverse("modeljobs:trials", args=[item.pk])


def send(client: Client, url: str, *, fragment: bool = False, **changes: Any) -> Any:
    address = f"{url}?fragment=trials" if fragment else url
    return client.post(address, {**PLACE, "code": "print(2 + 3)", **changes})


def test_it_works(
    lead: Client,
    url: str,
    posted: list[int],
    world: World,
    django_capture_on_commit_callbacks: Any,
):
    with django_capture_on_commit_callbacks(execute=True):
        response = send(lead, url)
    trial = CodeTrial.objects.get()
    assert response.headers["Location"] == f"{url}?{QUERY}"
    assert (trial.author, trial.code, trial.state) == (world.alice, "print(2 + 3)", "queued")
    assert posted == [trial.pk]


def test_the_page_shows_both(lead: Client, url: str, item: JobItem, world: World):
    add_trial(item, world.alice)
    html = read(lead.get(f"{url}?{QUERY}"))
    text = check_html(html)
    assert "Step 1, sample 1, code 1" in text
    assert '<input type="hidden" name="block" value="0">' in html
    assert "What the model wrote" in text
    assert "total = 2 + 2" in text
    assert "Run by alice" in text
    assert "print(2 + 3)" in text


def test_the_part_that_asks_for_itself(lead: Client, url: str, item: JobItem, world: World):
    response = send(lead, url, fragment=True)
    html = read(response)
    assert "<html" not in html
    assert "Queued" in check_html(html)
    live = f"{url}?fragment=trials&{QUERY}".replace("&", "&amp;")
    assert f'data-live="{live}"' in html
    assert "data-live-done" not in html
    CodeTrial.objects.update(state="done", status="ok", output="5")
    html = read(lead.get(f"{url}?fragment=trials&{QUERY}"))
    assert "data-live-done" in html
    assert ">5</pre>" in html


def test_a_run_that_failed_says_why(lead: Client, url: str, item: JobItem, world: World):
    add_trial(item, world.alice, state="failed", status="unavailable", error="No Landlock here.")
    text = words_of(lead.get(f"{url}?{QUERY}"))
    assert "not run to its end" in text
    assert "No Landlock here." in text


def test_too_many_runs_say_when_to_come_back(lead: Client, url: str, item: JobItem, world: World):
    for seconds in range(10):
        add_trial(item, world.alice, created_at=timezone.now() - timedelta(seconds=seconds))
    response = send(lead, url, fragment=True)
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    html = response.content.decode()
    assert "data-refusal" in html
    assert "Try again in" in check_html(html)
    # Without script the sentence stands on the page, with what was written.
    response = send(lead, url, code="print('mine')")
    assert response.status_code == 429
    text = check_html(response.content.decode())
    assert "Try again in" in text
    assert "print('mine')" in text


def test_one_run_at_a_time(lead: Client, url: str, item: JobItem, world: World):
    add_trial(item, world.alice, state="running")
    response = send(lead, url, fragment=True)
    assert response.status_code == 429
    assert "still under way" in response.content.decode()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"code": ""}, 400),
        ({"position": "1"}, 404),
        ({"sample": "4"}, 404),
        ({"block": "9"}, 404),
        ({"block": "-1"}, 400),
        ({"position": "x"}, 400),
    ],
)
def test_what_is_not_there(changes, status, lead: Client, url: str):
    response = send(lead, url, **changes)
    assert response.status_code == status
    assert not CodeTrial.objects.exists()


def test_who_may(everyone: dict[str, Client], url: str):
    got = {}
    for role in ROLES:
        CodeTrial.objects.all().delete()
        got[role] = (
            everyone[role].get(f"{url}?{QUERY}").status_code,
            send(everyone[role], url).status_code,
        )
    assert got == {
        "lead": (200, 302),
        "annotator": (403, 403),
        "adjudicator": (200, 302),
        "engineer": (200, 403),
        "outsider": (404, 404),
        "nobody": (302, 302),
    }


def test_an_engineer_is_not_offered_what_they_may_not(engineer: Client, url: str):
    assert "<textarea" not in read(engineer.get(f"{url}?{QUERY}"))


def test_no_worker_for_the_sandbox(lead: Client, url: str):
    assert "No worker is running" in words_of(lead.get(f"{url}?{QUERY}"))
    now = timezone.now()
    record_beat(name="w", queues=["sandbox"], pid=1, started_at=now, now=now)
    assert "No worker is running" not in words_of(lead.get(f"{url}?{QUERY}"))


def test_a_sample_without_code_takes_code_of_ones_own(lead: Client, world: World):
    item = make_job(world.project, world.alice, world.solutions[1:2]).items.get()
    add_evidence(item, 0, [make_sample(blocks=[])])
    assert "Write code of your own" in words_of(lead.get(reverse("modeljobs:item", args=[item.pk])))
    url = reverse("modeljobs:trials", args=[item.pk])
    assert "The model wrote no code here." in words_of(lead.get(f"{url}?{QUERY}"))
    assert send(lead, url).status_code == 302


# --- The analysis ---------------------------------------------------------------------------------


def test_the_analysis_can_be_changed_with_the_code(lead: Client, url: str):
    assert send(lead, url, analysis="We check that $2+2=5$.").status_code == 302
    trial = CodeTrial.objects.get()
    assert (trial.analysis, trial.state) == ("We check that $2+2=5$.", "queued")
    html = read(lead.get(f"{url}?{QUERY}"))
    check_html(html)
    # Beside the model's own, with the words that differ.
    assert '<del class="was">' in html
    assert '<ins class="is">' in html
    assert "We check that $2+2=4$." in html


def test_the_analysis_alone_is_kept_without_running(lead: Client, url: str, posted: list[int]):
    unchanged = "total = 2 + 2\nprint(total)"
    html = read(send(lead, url, fragment=True, code=unchanged, analysis="It is 4.", action="keep"))
    text = check_html(html)
    assert "Changed by alice" in text
    assert "analysis only" in text
    assert "The code that was run" not in text
    assert "data-live-done" in html
    assert posted == []
    assert CodeTrial.objects.get().status == "not_run"


def test_changed_code_is_to_be_run(lead: Client, url: str):
    refused = send(lead, url, fragment=True, analysis="It is 4.", action="keep")
    assert refused.status_code == 400
    assert "The code was changed too." in refused.content.decode()
    # On the page what was written stays.
    refused = send(lead, url, analysis="It is 4.", action="keep")
    assert "It is 4." in check_html(refused.content.decode())
    assert not CodeTrial.objects.exists()


def test_a_long_analysis_is_shown_without_its_differences(
    lead: Client, url: str, item: JobItem, world: World
):
    add_trial(item, world.alice, analysis="long " * 2_000, status="not_run")
    html = read(lead.get(f"{url}?{QUERY}"))
    assert "The analysis, as this person puts it:" in check_html(html)
    assert '<del class="was">' not in html


def test_texts_that_are_gone(lead: Client, world: World):
    item = make_job(world.project, world.alice, world.solutions[1:2]).items.get()
    add_evidence(item, 0, with_texts=False)
    url = reverse("modeljobs:trials", args=[item.pk])
    html = read(lead.get(f"{url}?{QUERY}"))
    assert "older than texts are kept" in check_html(html)
    assert "<textarea" not in html
    assert send(lead, url).status_code == 409


def test_hostile_analysis(lead: Client, url: str, item: JobItem, world: World):
    attack = "</textarea><script>alert(1)</script> $x$ \\prmis{y}"
    add_trial(item, world.alice, analysis=attack)
    html = read(lead.get(f"{url}?{QUERY}"))
    check_html(html)
    assert "<script>alert" not in html


def test_hostile_text(lead: Client, world: World):
    attack = "</textarea><script>alert(1)</script>"
    item = make_job(world.project, world.alice, world.solutions[1:2]).items.get()
    add_evidence(item, 0, [make_sample(blocks=[make_block(attack, attack)])])
    add_trial(item, world.alice, code=attack, output=attack)
    html = read(lead.get(f"{reverse('modeljobs:trials', args=[item.pk])}?{QUERY}"))
    check_html(html)
    assert attack not in html
