from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import (
    Annotation,
    AnnotationRevision,
    Dispute,
    Membership,
    Project,
    Solution,
    User,
)
from labeling.selectors.dossiers import build_solution_dossier
from labeling.services.adjudications import decide
from labeling.services.annotations import revise
from tests.labeling.factories import make_injection_item, make_solution, rating
from tests.labeling.web.helpers import check_html, make_rated, suggest, words_of


@pytest.fixture
def rated(project: Project, bob: User, erin: User) -> Solution:
    return make_rated(project, [bob, erin])


def url(solution: Solution) -> str:
    return reverse("labeling:solution", args=[solution.pk])


def test_it_works(lead: Client, rated: Solution):
    text = words_of(lead.get(url(rated)))
    assert "What is $2+2$?" in text
    assert "Then $2+2=4$." in text
    assert "first error at step 3" in text
    assert "no error" in text


def test_everyones_rating_stands_at_its_step(rated: Solution):
    dossier = build_solution_dossier(rated)
    pictures = [[word.picture for word in row.words] for row in dossier.steps]
    assert pictures == [["1", "1"], ["1", "1"], ["-1", "1"]]


def test_names_are_hidden_where_the_project_says_so(
    lead: Client, rated: Solution, project: Project, bob: User
):
    pseudonym = Membership.objects.get(project=project, user=bob).pseudonym
    text = words_of(lead.get(url(rated)))
    assert pseudonym in text
    assert "bob" not in text
    Project.objects.update(hide_names=False)
    text = words_of(lead.get(url(rated)))
    assert "bob" in text
    assert pseudonym not in text


def test_machines_speak_in_their_own_column(lead: Client, rated: Solution):
    suggest(rated)
    suggest(rated, producer="script", is_scripted=True, labels=[None, None, None], first_error={})
    html = lead.get(url(rated)).content.decode()
    text = check_html(html)
    assert "tiny-prm" in text
    assert "0.91" in text
    assert "probability &gt;=0.5" in html
    assert "scripted" in text
    # A machine's verdict keeps the shape and has its own colour.
    assert 'mark--machine" data-v="-1"' in html


def test_a_step_that_nobody_judged_is_not_one_that_waits(project: Project, bob: User, lead: Client):
    Project.objects.update(allow_partial=True)
    project.refresh_from_db()
    from tests.labeling.factories import enqueue
    from tests.labeling.web.helpers import submit_as

    item = enqueue(make_solution(project, "partly"), overlap=1)
    submit_as(bob, item, rating("correct", None, None))
    rows = build_solution_dossier(item.solution).steps
    assert [row.words[0].picture for row in rows] == ["1", "skip", "skip"]


def test_revisions_are_all_there(lead: Client, rated: Solution, bob: User):
    annotation = Annotation.objects.get(solution=rated, annotator=bob)
    revise(
        annotation=annotation,
        by=bob,
        data=rating("correct", "wrong", "wrong"),
        reason="Looked again.",
        seen_number=1,
        idempotency_key=uuid.uuid4(),
    )
    text = words_of(lead.get(url(rated)))
    assert "2 revisions" in text
    assert "Looked again." in text
    assert "first error at step 2" in text


def test_an_imported_rater_has_the_name_of_the_file(lead: Client, project: Project):
    solution = make_solution(project, "imported")
    annotation = Annotation.objects.create(
        project=project,
        solution=solution,
        kind="imported",
        rater="rater 7",
        current_number=1,
        created_at=timezone.now(),
    )
    AnnotationRevision.objects.create(
        annotation=annotation,
        number=1,
        content=rating("correct", "correct", "correct"),
        first_error_state="none",
        created_at=timezone.now(),
    )
    text = words_of(lead.get(url(solution)))
    assert "rater 7" in text
    assert "imported" in text


def test_the_decision_with_its_reason(
    lead: Client, adjudicator: Client, rated: Solution, carol: User
):
    dispute = Dispute.objects.get(item__solution=rated)
    assert reverse("labeling:dispute", args=[dispute.pk]) in lead.get(url(rated)).content.decode()
    decide(
        dispute=dispute,
        by=carol,
        data=rating("correct", "correct", "correct"),
        reason="The last step is fine.",
        seen_version=dispute.version,
        idempotency_key=uuid.uuid4(),
    )
    text = words_of(lead.get(url(rated)))
    assert "The last step is fine." in text
    assert "Decided" in text


def test_an_engineer_is_not_sent_to_disputes(engineer: Client, rated: Solution):
    assert "/disputes/" not in engineer.get(url(rated)).content.decode()


def test_what_was_made_from_it(lead: Client, project: Project):
    item = make_injection_item(project)
    injection = item.solution.injection
    made = reverse("labeling:injection", args=[injection.pk])
    assert made in lead.get(url(injection.original)).content.decode()
    assert made in lead.get(url(injection.modified)).content.decode()


def test_nobody_has_rated_it(lead: Client, project: Project):
    text = words_of(lead.get(url(make_solution(project))))
    assert "Nobody has rated these steps yet." in text
    assert "Not in the queue" in text


def test_a_problem_without_steps(lead: Client, project: Project):
    assert "has no steps" in words_of(lead.get(url(make_solution(project, steps=()))))


def test_there_is_no_such_solution(lead: Client):
    assert lead.get("/solutions/123456/").status_code == 404
