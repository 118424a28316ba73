"""All that is in force, to be read; rulings; and the sign that something is new."""

from __future__ import annotations

from typing import Any

import pytest
from django.template import Context, Template
from django.test import Client
from django.urls import reverse

from labeling.models import GuidelineReading, Project, Ruling, User
from labeling.ruling_examples import EXAMPLES
from labeling.selectors.guidance import find_edition
from labeling.services.guidance import make_ruling, note_reading, withdraw_ruling
from labeling.services.projects import publish_guidelines
from tests.labeling.factories import make_project, make_user
from tests.labeling.web.helpers import ATTACK, check_html, count_queries, words_of

CHINESE = {"Accept-Language": "zh-hans"}


@pytest.fixture
def panel(project: Project) -> str:
    return reverse("labeling:guidelines-panel", args=[project.slug])


@pytest.fixture
def read_url(project: Project) -> str:
    return reverse("labeling:guidelines-read", args=[project.slug])


@pytest.fixture
def url(project: Project) -> str:
    return reverse("labeling:rulings", args=[project.slug])


def rule(project: Project, by: User, question: str = "Is it rounded?", **more: Any) -> Ruling:
    words = {"answer": "No.", **more}
    return make_ruling(project=project, by=by, question=question, **words)


def publish(project: Project, by: User, text: str, **more: Any) -> None:
    publish_guidelines(
        project=project, by=by, text=text, seen_version=project.guideline_version, **more
    )


def edition_of(project: Project) -> dict[str, int]:
    """What the form of the page would send."""
    seen = find_edition(project)
    return {
        "version": seen.version,
        "last_ruling": seen.last_ruling,
        "last_withdrawn": seen.last_withdrawn,
    }


# --- All that is in force -------------------------------------------------------------------------


def test_it_works(annotator: Client, panel: str, project: Project, alice: User):
    publish(project, alice, "Be **exact**.")
    rule(project, alice, error_type="deception")
    text = words_of(annotator.get(panel))
    assert "Guidelines, version 2" in text
    assert "You have not marked these guidelines as read yet." in text
    assert "Is it rounded?" in text
    assert "Deception deception" in text
    assert "I have read this" in text


def test_beside_the_work_it_is_a_part_of_a_page(annotator: Client, panel: str):
    html = annotator.get(panel, {"fragment": "panel"}).content.decode()
    assert "<html" not in html
    assert html.count("data-guidance") == 1
    check_html(html)


def test_everybody_in_the_project_reads_it(everyone: dict[str, Client], panel: str, url: str):
    statuses = {role: client.get(panel).status_code for role, client in everyone.items()}
    assert statuses == {
        **dict.fromkeys(("lead", "annotator", "adjudicator", "engineer"), 200),
        "outsider": 404,
        "nobody": 302,
    }
    assert {role: client.get(url).status_code for role, client in everyone.items()} == statuses


def test_marking_it_as_read(annotator: Client, panel: str, read_url: str, project, alice, bob):
    publish(project, alice, "Be exact.")
    response = annotator.post(read_url, edition_of(project))
    assert response.headers["Location"] == panel
    assert GuidelineReading.objects.get().person == bob
    text = words_of(annotator.get(panel))
    assert "You read all of this, version 2" in text
    assert "I have read this" not in text


def test_what_changed_since(annotator: Client, panel: str, project, alice: User, bob: User):
    publish(project, alice, "Be exact.")
    gone = rule(project, alice, "Gone?")
    note_reading(project=project, person=bob, seen=find_edition(project))
    publish(project, alice, "Be exact and kind.")
    withdraw_ruling(ruling=gone, by=alice)
    rule(project, alice, "Fresh?", error_type="circular")
    response = annotator.get(panel)
    text = words_of(response)
    assert "What changed since you last read it" in text
    assert "You read version 2 on" in text
    assert "New rulings Fresh?" in text
    assert "Withdrawn rulings Gone?" in text
    assert '<ins class="is">' in response.content.decode()


def test_a_version_that_says_the_same_in_ones_language(
    annotator: Client, panel: str, project: Project, alice: User, bob: User
):
    publish(project, alice, "Be exact.")
    note_reading(project=project, person=bob, seen=find_edition(project))
    publish(project, alice, "Be exact.", translations={"zh-hans": "要严谨。"})
    assert "in which the words that you read are the same" in words_of(annotator.get(panel))
    assert "要严谨。" in annotator.get(panel, headers=CHINESE).content.decode()


def test_what_came_meanwhile_is_not_marked_as_read(
    annotator: Client, read_url: str, project: Project, alice: User
):
    seen = edition_of(project)
    rule(project, alice)
    response = annotator.post(f"{read_url}?fragment=panel", seen)
    assert response.status_code == 409
    text = check_html(response.content.decode())
    assert "The guidelines changed while you read them." in text
    # The part that comes back is the new one.
    assert "Is it rounded?" in text
    assert not GuidelineReading.objects.exists()


@pytest.mark.parametrize("junk", ["", "x", "-1", "9" * 30, "²"])
def test_an_edition_nobody_was_shown(junk, annotator: Client, read_url: str):
    sent = {"version": junk, "last_ruling": junk, "last_withdrawn": junk}
    assert annotator.post(read_url, sent).status_code == 409
    assert not GuidelineReading.objects.exists()


def test_a_search_without_script(annotator: Client, panel: str, project: Project, alice: User):
    publish(project, alice, "Round nothing.\n\nBe kind.")
    text = words_of(annotator.get(panel, {"q": "round nothing"}))
    assert "1 place says that" in text
    assert "Be kind." not in text
    nothing = words_of(annotator.get(panel, {"q": "no such words"}))
    assert "Nothing says that." in nothing
    assert "I have read this" not in nothing


def test_a_text_that_is_not_translated_says_so(
    annotator: Client, panel: str, project: Project, alice: User
):
    publish(project, alice, "", translations={"zh-hans": "要严谨。"})
    text = words_of(annotator.get(panel))
    assert "Not translated into English yet: shown in 简体中文." in text


def test_hostile_words_are_words(annotator: Client, panel: str, url: str, project, alice: User):
    publish(project, alice, ATTACK)
    rule(project, alice, ATTACK, answer=ATTACK, error_type="deception")
    for address in (panel, url, reverse("labeling:taxonomy", args=[project.slug])):
        html = annotator.get(address).content.decode()
        check_html(html)
        assert "<img" not in html


def test_it_costs_the_same_with_many_rulings(
    annotator: Client, panel: str, url: str, project: Project, alice: User
):
    rule(project, alice, "First?")
    few = [count_queries(annotator, address) for address in (panel, url)]
    for number in range(8):
        rule(project, alice, f"Question {number}?", error_type="circular")
    assert [count_queries(annotator, address) for address in (panel, url)] == few


# --- Rulings --------------------------------------------------------------------------------------


def test_a_lead_makes_a_ruling(lead: Client, annotator: Client, url: str, project: Project):
    sent = {
        "action": "make",
        "error_type": "circular",
        "question": "Is a guess a circle?",
        "answer": "Not if it is tested.",
        "question_zh_hans": "猜测算循环论证吗？",
        "answer_zh_hans": "经过检验就不算。",
    }
    response = lead.post(url, sent)
    ruling = Ruling.objects.get()
    assert response.headers["Location"] == f"{url}#ruling-{ruling.pk}"
    assert ruling.translations["zh-hans"]["question"] == "猜测算循环论证吗？"
    text = words_of(annotator.get(url))
    assert "Is a guess a circle? Circular logic Not if it is tested." in text
    assert "Withdraw" not in text
    assert "猜测算循环论证吗？" in annotator.get(url, headers=CHINESE).content.decode()
    # It stands on the card of its type.
    taxonomy = reverse("labeling:taxonomy", args=[project.slug])
    assert "Is a guess a circle?" in words_of(annotator.get(taxonomy))


def test_a_ruling_in_another_language_alone(lead: Client, url: str):
    lead.post(url, {"action": "make", "question_zh_hans": "算吗？", "answer_zh_hans": "算。"})
    ruling = Ruling.objects.get()
    assert ruling.question == "算吗？"
    assert "Not translated yet: shown in 简体中文." in words_of(lead.get(url))
    chinese = lead.get(url, headers=CHINESE)
    assert not chinese.context["lines"][0].is_fallback


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({}, "in one language at least"),
        ({"question": "Why?"}, "has a question and an answer"),
        ({"question": "Why?", "answer": "So.", "answer_zh_hans": "是。"}, "a question and an"),
        (
            {"question": "Why?", "answer": "So.", "error_type": "nothing"},
            "not one of the available",
        ),
        ({"question": "x" * 301, "answer": "So."}, "at most 300 characters"),
    ],
)
def test_what_is_refused_stays_in_the_form(sent, sentence, lead: Client, url: str):
    response = lead.post(url, {"action": "make", **sent})
    assert response.status_code == 400
    html = response.content.decode()
    assert sentence in check_html(html)
    assert sent.get("question", "") in html
    assert not Ruling.objects.exists()


def test_a_second_answer_is_refused(lead: Client, url: str, project: Project, alice: User):
    rule(project, alice)
    sent = {"action": "make", "question": "Is it rounded?", "answer": "Yes."}
    response = lead.post(url, sent)
    assert response.status_code == 400
    assert "has a ruling already" in check_html(response.content.decode())


def test_a_withdrawal_can_be_undone_at_once(lead: Client, url: str, project, alice: User):
    ruling = rule(project, alice)
    response = lead.post(url, {"action": "withdraw", "ruling": ruling.pk})
    after = lead.get(response.headers["Location"])
    assert "Withdrawn: Is it rounded? Undo" in words_of(after)
    assert "<del>" in after.content.decode()
    lead.post(url, {"action": "restore", "ruling": ruling.pk})
    ruling.refresh_from_db()
    assert ruling.withdrawn_at is None
    assert "The ruling is in force again." in words_of(lead.get(url))


def test_withdrawn_ones_stay_with_their_day(annotator: Client, url: str, project, alice: User):
    ruling = withdraw_ruling(ruling=rule(project, alice), by=alice)
    text = words_of(annotator.get(url))
    assert "Is it rounded?" in text
    assert "Withdrawn on" in text
    assert "Undo" not in text
    panel = annotator.get(reverse("labeling:guidelines-panel", args=[project.slug]))
    assert f"ruling-{ruling.pk}" not in panel.content.decode()


@pytest.mark.parametrize("action", ["make", "withdraw", "restore", "other"])
def test_only_leads_make_and_withdraw(action, annotator: Client, url: str, project, alice: User):
    ruling = rule(project, alice)
    sent = {"action": action, "ruling": ruling.pk, "question": "Mine?", "answer": "Yes."}
    assert annotator.post(url, sent).status_code == 403
    ruling.refresh_from_db()
    assert (Ruling.objects.count(), ruling.withdrawn_at) == (1, None)


@pytest.mark.parametrize("number", ["", "x", "0", "9" * 30])
def test_there_is_no_such_ruling(number, lead: Client, url: str):
    assert lead.post(url, {"action": "withdraw", "ruling": number}).status_code == 404


def test_a_ruling_of_another_project_is_none(lead: Client, url: str, alice: User):
    other = rule(make_project(alice, "other"), alice)
    assert lead.post(url, {"action": "withdraw", "ruling": other.pk}).status_code == 404
    theirs = rule(make_project(make_user("zoe"), "theirs"), alice)
    assert lead.post(url, {"action": "withdraw", "ruling": theirs.pk}).status_code == 404


def test_rulings_are_found_by_words_and_by_type(annotator: Client, url: str, project, alice):
    rule(project, alice, "Rounded?")
    rule(project, alice, "Assumed?", error_type="circular")
    assert "Assumed?" not in words_of(annotator.get(url, {"q": "ROUNDED"}))
    assert "Rounded?" not in words_of(annotator.get(url, {"error_type": "circular"}))
    assert "Assumed?" not in words_of(annotator.get(url, {"error_type": "-"}))
    assert "No ruling fits" in words_of(annotator.get(url, {"q": "nothing of the kind"}))
    # What is no type is not filtered by.
    assert "Rounded?" in words_of(annotator.get(url, {"error_type": "x" * 99}))


def test_the_first_rulings_are_offered(lead: Client, annotator: Client, url: str):
    text = words_of(lead.get(url))
    for words in EXAMPLES.values():
        assert words["en"]["question"] in text
    assert "Is a rounding a mistake?" not in words_of(annotator.get(url))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_taken_over_as_it_is(name, lead: Client, url: str):
    form = lead.get(url, {"example": name}).context["form"]
    sent = {field.html_name: field.value() or "" for field in form}
    lead.post(url, {"action": "make", **sent})
    ruling = Ruling.objects.get()
    assert ruling.question == EXAMPLES[name]["en"]["question"]
    assert ruling.translations == {"zh-hans": dict(EXAMPLES[name]["zh-hans"])}


def test_a_page_that_leads_here_fills_in_what_it_knows(lead: Client, url: str):
    asked = {"question": "May one guess?", "error_type": "circular"}
    form = lead.get(url, asked).context["form"]
    assert (form["question"].value(), form["error_type"].value()) == ("May one guess?", "circular")
    chinese = lead.get(url, asked, headers=CHINESE).context["form"]
    assert chinese["question_zh_hans"].value() == "May one guess?"


def test_outsiders_learn_nothing(outsider: Client, url: str, panel: str, read_url: str):
    assert outsider.post(url, {"action": "make"}).status_code == 404
    assert outsider.post(read_url, {"version": "1"}).status_code == 404
    assert outsider.get(read_url).status_code == 405


# --- The sign that something is new ---------------------------------------------------------------


def show_unread(project: object, user: object) -> str:
    template = Template("{% load guidance %}{% guidelines_unread project user as now %}[{{ now }}]")
    return template.render(Context({"project": project, "user": user}))


def test_a_page_of_work_knows_its_project_by_the_address(project: Project, alice: User, bob: User):
    publish(project, alice, "Be exact.")
    address = reverse("labeling:guidelines", args=[project.slug])
    assert show_unread({"guidelines_url": address}, bob) == "[new]"
    assert show_unread(project, bob) == "[new]"
    note_reading(project=project, person=bob, seen=find_edition(project))
    assert show_unread(project, bob) == "[]"


@pytest.mark.parametrize("known", [{}, {"guidelines_url": ""}, {"guidelines_url": "/nowhere/"}])
def test_where_no_project_is_known_nothing_is_new(known, bob: User):
    assert show_unread(known, bob) == "[]"


def test_nobody_and_strangers_have_nothing_to_read(project: Project):
    assert show_unread(project, "") == "[]"
    assert show_unread(project, User(username="new")) == "[]"


def test_the_guidelines_page_leads_to_what_is_new(
    annotator: Client, project: Project, alice: User, bob: User
):
    publish(project, alice, "Be exact.")
    address = reverse("labeling:guidelines", args=[project.slug])
    assert "Read all of it, and say so" in words_of(annotator.get(address))
    note_reading(project=project, person=bob, seen=find_edition(project))
    rule(project, alice)
    assert "Read what changed" in words_of(annotator.get(address))
