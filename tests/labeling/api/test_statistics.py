"""Numbers and logs: every undefined figure says why it is not defined."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from labeling.models import Annotation, Injection
from tests.labeling.api.helpers import (
    API,
    RIGHT,
    WRONG,
    make_dispute,
    read_error,
    sign_in,
    submit_as,
)
from tests.labeling.factories import enqueue, make_injection_item, make_solution, rating, verdict


@pytest.fixture
def url(project):
    return f"{API}/projects/{project.slug}/"


def find_figures(value: Any) -> Iterator[dict[str, Any]]:
    """Every figure and interval of a report, however deep."""
    if isinstance(value, dict):
        if "reason" in value:
            yield value
        for inner in value.values():
            yield from find_figures(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from find_figures(inner)


def test_nothing_was_judged_yet(url, alice):
    report = sign_in(alice).get(f"{url}agreement/").json()
    assert report["steps"] is None
    assert report["first_error"] is None
    assert report["items_judged"] == 0


def test_agreement_of_two(url, project, alice, bob, erin):
    make_dispute(project, bob, erin)
    report = sign_in(alice).get(f"{url}agreement/").json()
    # Steps 2 and 3 of 3 differ: one of three agrees.
    assert report["steps"]["percent_agreement"]["value"] == pytest.approx(1 / 3)
    assert report["steps"]["n_units"] == 3
    assert report["kinds"] == {"existence": 1}
    # People are named by their pseudonyms.
    pseudonyms = set(
        project.memberships.filter(user__in=[bob, erin]).values_list("pseudonym", flat=True)
    )
    assert set(report["raters"]) == pseudonyms
    [pair] = report["steps"]["pairs"]["pairs"]
    assert {pair["first"], pair["second"]} == pseudonyms
    assert {row["rater"] for row in report["steps"]["marginals"]} == pseudonyms


def test_a_figure_is_known_or_says_why_not(url, project, alice, bob, erin):
    enqueue(make_solution(project))
    submit_as(bob, project, rating(*RIGHT))
    submit_as(erin, project, rating(*RIGHT))
    answer = sign_in(alice).get(f"{url}agreement/")
    report = answer.json()
    # All agree, and all chose the same: alpha has nothing to measure by.
    assert report["steps"]["percent_agreement"]["value"] == 1
    assert report["steps"]["alpha"]["value"] is None
    assert report["steps"]["alpha"]["reason"] == "no_variation"
    assert "one category" in report["steps"]["alpha"]["explanation"]
    # One problem gives no interval over problems.
    assert report["step_intervals"]["alpha_nominal"]["low"] is None
    assert report["step_intervals"]["alpha_nominal"]["reason"] == "one_cluster"
    assert report["steps"]["pairs"]["mean_kappa"]["value"] is None
    figures = list(find_figures(report))
    assert len(figures) > 20
    for figure in figures:
        known = figure.get("value", figure.get("low")) is not None
        assert known == (figure["reason"] is None)
        assert known or figure["explanation"]
    # NaN is no JSON; a strict reader takes the answer.
    json.loads(answer.content, parse_constant=lambda name: pytest.fail(name))


def test_verdicts_and_the_share_accepted(url, project, alice, bob, erin):
    make_injection_item(project)
    submit_as(bob, project, verdict("accept"))
    submit_as(erin, project, verdict("reject", reject_code="implausible", error_positions=[]))
    report = sign_in(alice).get(f"{url}agreement/").json()
    assert report["verdicts"]["n_ratings"] == 2
    assert report["correctness"]["successes"] == 1
    assert report["correctness"]["trials"] == 2
    assert 0 < report["correctness"]["low"] < 0.5 < report["correctness"]["high"] < 1


def test_simulated_people_are_left_out_on_demand(url, project, alice, bob, erin):
    make_dispute(project, bob, erin)
    Annotation.objects.update(kind=Annotation.Kind.SIMULATED)
    client = sign_in(alice)
    report = client.get(f"{url}agreement/").json()
    assert (report["simulated_raters"], report["items_judged"]) == (2, 1)
    report = client.get(f"{url}agreement/", {"include_simulated": "false"}).json()
    assert report["items_judged"] == 0


def test_the_overview(url, project, bob, erin):
    make_dispute(project, bob, erin)
    numbers = sign_in(bob).get(f"{url}overview/").json()
    assert numbers["solutions"] == 1
    assert numbers["steps"] == 3
    assert numbers["by_state"] == {"disputed": 1}
    assert numbers["open_disputes"] == 1


def test_progress_of_all_and_ones_own(url, project, bob, erin, carol):
    make_dispute(project, bob, erin)
    enqueue(make_solution(project, key="agreed"))
    submit_as(bob, project, rating(*WRONG))
    submit_as(erin, project, rating(*WRONG))
    enqueue(make_solution(project, key="waiting"))
    assert sign_in(bob).get(f"{url}progress/").json() == {
        "items": 3,
        "settled": 1,
        "by_state": {"agreed": 1, "disputed": 1, "waiting": 1},
        "own": {"done": 2, "waiting": 1},
    }
    # Who does not annotate has no share of it: not a share of 0.
    assert sign_in(carol).get(f"{url}progress/").json()["own"] is None


def test_lints_are_counted(url, project, frank):
    make_injection_item(project)
    make_injection_item(project, key="clean")
    Injection.objects.filter(modified__source_key="inj").update(
        lints=[
            {"code": "error_out_of_range", "severity": "block"},
            {"code": "error_out_of_range", "severity": "block"},
            {"code": "announces_itself", "severity": "warn"},
        ],
        blocking_lints=2,
    )
    assert sign_in(frank).get(f"{url}lints/").json() == {
        "injections": 2,
        "blocked": 1,
        "results": [
            {"code": "announces_itself", "injections": 1},
            {"code": "error_out_of_range", "injections": 1},
        ],
    }


def test_the_audit_log_newest_first(url, project, alice):
    client = sign_in(alice)
    client.patch(url, {"version": 1, "overlap": 3})
    rows = client.get(f"{url}audit-events/").json()["results"]
    assert rows[0]["verb"] == "project.protocol_changed"
    assert rows[0]["actor"] == "alice"
    assert rows[0]["detail"]["after"] == {"overlap": 3}
    [created] = client.get(f"{url}audit-events/", {"verb": "project.created"}).json()["results"]
    assert created["id"] == rows[-1]["id"]
    filtered = client.get(
        f"{url}audit-events/", {"target_type": "project", "target_id": str(project.pk)}
    )
    assert len(filtered.json()["results"]) == 2


def test_the_exposure_log(url, project, alice, bob):
    make_injection_item(project)
    bobs = sign_in(bob)
    work = bobs.post(f"{url}assignments/claim/").json()
    bobs.post(
        work["urls"]["reveal"],
        {"lease_token": work["assignment"]["lease_token"], "blind_first_error": {"at": 1}},
    )
    client = sign_in(alice)
    rows = client.get(f"{url}exposures/", {"what": "claim", "person": bob.pk}).json()["results"]
    assert rows[0]["person"] == "bob"
    assert rows[0]["detail"]["blind_first_error"] == {"at": 1}
    assert client.get(f"{url}exposures/", {"item": 10**9}).json()["results"] == []


def test_a_filter_of_the_wrong_kind(url, alice):
    error = read_error(
        sign_in(alice).get(f"{url}exposures/", {"person": "bob"}), 400, "invalid_input"
    )
    assert error["detail"]["field"] == "person"
