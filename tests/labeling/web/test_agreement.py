from __future__ import annotations

import csv
import io

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Annotation, Project, User
from labeling.selectors import agreement as selector
from tests.labeling.factories import enqueue, make_solution, rating
from tests.labeling.web.helpers import (
    check_html,
    make_rated,
    make_verified,
    read,
    read_stream,
    submit_as,
    words_of,
)


@pytest.fixture
def url(project: Project) -> str:
    return reverse("labeling:agreement", args=[project.slug])


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    # Intervals are tested with the metrics; here they need only be there.
    build = selector.build_report
    monkeypatch.setattr(
        "labeling.web.views.agreement.build_report",
        lambda project, **options: build(project, draws=1000, **options),
    )


def fill(project: Project, people: list[User], *, agree: int, differ: int) -> None:
    for index in range(agree):
        item = enqueue(make_solution(project, f"agree-{index}"), overlap=len(people))
        for person in people:
            submit_as(person, item, rating("correct", "wrong", "correct"), active_ms=9000)
    for index in range(differ):
        make_rated(project, people, f"differ-{index}")


def test_it_works(lead: Client, url: str, project: Project, bob: User, erin: User):
    fill(project, [bob, erin], agree=3, differ=1)
    text = words_of(lead.get(url))
    # Of 12 steps both judged, 11 got the same rating: 92 %.
    assert "Same rating 92 %" in text
    # Of 4 solutions, 3 have the same first error.
    assert "First error, exact 75 %" in text
    assert "Judged by 2 or more 4 of 4 items judged" in text
    assert "Open disputes 1" in text


def test_every_plot_has_its_table(lead: Client, url: str, project: Project, bob: User, erin: User):
    fill(project, [bob, erin], agree=3, differ=1)
    html = read(lead.get(url))
    assert html.count("<summary>As a table</summary>") == html.count('class="plot') == 2


def test_every_number_is_a_door(lead: Client, url: str, project: Project, bob: User, erin: User):
    fill(project, [bob, erin], agree=3, differ=1)
    html = read(lead.get(url))
    items = reverse("labeling:agreement-items", args=[project.slug])
    low, high = sorted([bob.pk, erin.pk])
    assert f'href="{items}?first={low}&amp;second={high}"' in html
    assert f'href="{items}?kind=existence"' in html
    assert reverse("labeling:disputes", args=[project.slug]) in html


def test_too_few_in_common_says_only(
    lead: Client, url: str, project: Project, bob: User, erin: User
):
    fill(project, [bob, erin], agree=2, differ=1)
    html = read(lead.get(url))
    # 9 steps in common, and 10 are the least.
    assert "only 9" in html
    assert 'class="few"' in html


def test_undefined_is_a_dash_with_its_reason(
    lead: Client, url: str, project: Project, bob: User, erin: User
):
    for index in range(3):
        item = enqueue(make_solution(project, f"same-{index}"))
        for person in (bob, erin):
            submit_as(person, item, rating("correct", "correct", "correct"))
    text = words_of(lead.get(url))
    assert "Alpha, ordinal – All ratings are of one category" in text
    assert "Same rating 100 %" in text


def test_nobody_has_judged_anything(lead: Client, url: str):
    text = words_of(lead.get(url))
    assert "Nobody has judged anything yet" in text
    assert "Same rating" not in text


def test_one_person_alone(lead: Client, url: str, project: Project, bob: User):
    item = enqueue(make_solution(project))
    submit_as(bob, item, rating("correct", "correct", "wrong"))
    text = words_of(lead.get(url))
    assert "Only one person has rated" in text
    assert "No two people have judged the same thing yet." in text


def test_verdicts_alone(lead: Client, url: str, project: Project, bob: User, erin: User):
    make_verified(project, [bob, erin])
    text = words_of(lead.get(url))
    assert "Same verdict 100 %" in text
    # 2 of 2 verdicts accept.
    assert "Claims accepted 100 %" in text
    assert "nominal alpha of verdicts" in text
    assert "Verdicts given" in text


def test_two_categories_have_no_ordinal_alpha(
    lead: Client, url: str, project: Project, bob: User, erin: User
):
    Project.objects.update(rating_view="binary")
    project.refresh_from_db()
    fill(project, [bob, erin], agree=3, differ=1)
    text = words_of(lead.get(url))
    assert "Alpha, ordinal" not in text
    assert "AC1" in text


def test_the_simulated_are_said_to_be(
    lead: Client, url: str, project: Project, bob: User, erin: User
):
    fill(project, [bob, erin], agree=2, differ=0)
    Annotation.objects.filter(annotator=bob).update(kind="simulated")
    bob.is_simulated = True
    bob.save()
    text = words_of(lead.get(url))
    assert "1 of the reviewers is simulated" in text
    text = words_of(lead.get(url, {"people": "1"}))
    assert "is simulated" not in text
    assert "Only one person has rated" in text


def test_the_annotators_table(lead: Client, url: str, project: Project, bob: User, erin: User):
    fill(project, [bob, erin], agree=3, differ=1)
    people = lead.get(url).context["raters"]
    assert [person.items for person in people] == [4, 4]
    # 11 of 12 comparisons agree, for either.
    assert [round(person.agreement, 4) for person in people] == [0.9167, 0.9167]
    assert [person.compared for person in people] == [12, 12]
    # Three items of 9 s and 3 steps took 3 s a step; the fourth recorded no time.
    assert [person.seconds for person in people] == [3.0, 3.0]


def test_names_only_where_they_are_not_hidden(
    lead: Client, url: str, project: Project, bob: User, erin: User
):
    fill(project, [bob, erin], agree=2, differ=0)
    assert "erin" not in words_of(lead.get(url))
    Project.objects.update(hide_names=False)
    assert "erin" in words_of(lead.get(url))


def test_the_table_to_take_away(lead: Client, project: Project, bob: User, erin: User):
    fill(project, [bob, erin], agree=3, differ=1)
    response = lead.get(reverse("labeling:agreement-csv", args=[project.slug]))
    rows = list(csv.DictReader(io.StringIO(read_stream(response))))
    by_name = {(row["of"], row["figure"], row["first"] != ""): row for row in rows}
    same = by_name["steps", "percent_agreement", False]
    assert float(same["value"]) == pytest.approx(11 / 12)
    assert same["n"] == "12"
    assert by_name["steps", "kappa", True]["first"] != ""
    assert by_name["items", "disagree_on_existence", False]["value"] == "1"


def test_an_undefined_figure_has_no_value_in_the_table(
    lead: Client, project: Project, bob: User, erin: User
):
    item = enqueue(make_solution(project))
    for person in (bob, erin):
        submit_as(person, item, rating("correct", "correct", "correct"))
    response = lead.get(reverse("labeling:agreement-csv", args=[project.slug]))
    rows = list(csv.DictReader(io.StringIO(read_stream(response))))
    [alpha] = [row for row in rows if row["figure"] == "alpha_ordinal"]
    assert alpha["value"] == ""
    assert alpha["undefined_because"].startswith("All ratings are of one category")


# --- The items behind a number ------------------------------------------------------------------


@pytest.fixture
def items_url(project: Project) -> str:
    return reverse("labeling:agreement-items", args=[project.slug])


def test_items_of_a_pair(lead: Client, items_url: str, project: Project, bob: User, erin: User):
    fill(project, [bob, erin], agree=2, differ=1)
    pair = {"first": str(bob.pk), "second": str(erin.pk)}
    response = lead.get(items_url, pair)
    check_html(read(response))
    assert [differ for _item, differ, _dispute in response.context["rows"]] == [False, False, True]
    rows = lead.get(items_url, pair | {"differ": "1"}).context["rows"]
    assert [differ for _item, differ, _dispute in rows] == [True]


def test_items_of_a_kind(lead: Client, items_url: str, project: Project, bob: User, erin: User):
    fill(project, [bob, erin], agree=1, differ=2)
    response = lead.get(items_url, {"kind": "existence"})
    assert "Disagreement: Existence" in words_of(response)
    assert len(response.context["rows"]) == 2
    dispute = response.context["rows"][0][2]
    assert reverse("labeling:dispute", args=[dispute]) in response.content.decode()


def test_no_item_fits(lead: Client, items_url: str):
    assert "No item fits" in words_of(lead.get(items_url, {"kind": "type"}))


@pytest.mark.parametrize("query", ["", "first=1", "first=x&second=y", "first=²&second=3"])
def test_neither_pair_nor_kind(query, lead: Client, items_url: str):
    assert lead.get(f"{items_url}?{query}").status_code == 404


def test_a_kind_that_is_none(lead: Client, items_url: str):
    assert lead.get(items_url, {"kind": "<b>"}).status_code == 200
