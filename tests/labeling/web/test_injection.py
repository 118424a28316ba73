from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Injection, Project, User
from tests.labeling.factories import make_injection_item, verdict
from tests.labeling.web.helpers import make_verified, submit_as, words_of


@pytest.fixture
def injection(project: Project, bob: User, erin: User) -> Injection:
    return make_verified(project, [bob, erin])


def url(injection: Injection) -> str:
    return reverse("labeling:injection", args=[injection.pk])


def test_it_works(lead: Client, injection: Injection):
    text = words_of(lead.get(url(injection)))
    assert "Deception" in text
    assert "Error steps 2" in text
    assert "Step 2 adds wrongly." in text
    assert text.count("Accept") == 2


def test_the_changed_step_shows_what_was_and_what_is(lead: Client, injection: Injection):
    html = lead.get(url(injection)).content.decode()
    assert 'data-kind="changed"' in html
    assert html.count('data-kind="same"') == 2
    assert r"\prmwas{4}" in html
    assert r"\prmis{5}" in html


def test_only_the_claimed_step_is_marked(lead: Client, injection: Injection):
    assert lead.get(url(injection)).content.decode().count('class="claimed"') == 1


def test_a_claim_past_the_end_is_shown_as_given(lead: Client, injection: Injection):
    Injection.objects.update(claimed_error_positions=[8], claimed_changed_positions=[])
    html = lead.get(url(injection)).content.decode()
    assert "<dd>9</dd>" in html
    assert 'class="claimed"' not in html


def test_a_changed_question_is_pinned_on_top(lead: Client, injection: Injection):
    injection.modified.problem.text = "What is $2+3$?"
    injection.modified.problem.save()
    # The original has the same problem row here: give it one of its own.
    problem = injection.original.problem
    problem.pk, problem.source_key, problem.text = None, "first", "What is $2+2$?"
    problem.save()
    injection.original.problem = problem
    injection.original.save()
    html = lead.get(url(injection)).content.decode()
    assert 'data-tone="is">changed' in html
    assert '<del class="was"><span class="sr">removed: </span><span data-tex="plain">$2+2$' in html
    assert '<ins class="is"><span class="sr">inserted: </span><span data-tex="plain">$2+3$' in html


def test_lints_and_what_they_stop(lead: Client, injection: Injection):
    Injection.objects.update(
        lints=[{"code": "E03", "severity": "block", "message": "It points past the end."}],
        blocking_lints=1,
    )
    text = words_of(lead.get(url(injection)))
    assert "It points past the end. E03" in text
    assert "stops a release" in text


def test_a_scripted_injection_says_so(lead: Client, injection: Injection):
    Injection.objects.update(is_scripted=True, producer="injection by Scripted")
    assert "made by the scripted engine" in words_of(lead.get(url(injection)))


def test_where_it_comes_from(lead: Client, adjudicator: Client, injection: Injection):
    Injection.objects.update(provenance={"job": 12})
    assert reverse("modeljobs:job", args=[12]) in lead.get(url(injection)).content.decode()
    # Adjudicators do not see jobs: the number stays, the link does not.
    html = adjudicator.get(url(injection)).content.decode()
    assert reverse("modeljobs:job", args=[12]) not in html


def test_a_rejection_says_why(lead: Client, project: Project, bob: User):
    item = make_injection_item(project, "rejected")
    submit_as(
        bob,
        item,
        verdict("reject", reject_code="not_an_error", error_positions=[], error_type=""),
    )
    text = words_of(lead.get(url(Injection.objects.get(modified=item.solution))))
    assert "Reject" in text
    assert "The flagged step is right" in text


def test_there_is_no_such_injection(lead: Client):
    assert lead.get("/injections/123456/").status_code == 404
