from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Project, Taxonomy, User
from labeling.services.projects import publish_taxonomy
from labeling.taxonomies.loader import pack_taxonomy, parse_taxonomy
from labeling.web.taxonomy_forms import TaxonomyEditor
from tests.labeling.factories import make_injection_item
from tests.labeling.web.helpers import check_html, words_of


@pytest.fixture
def url(project: Project) -> str:
    return reverse("labeling:taxonomy", args=[project.slug])


def sent(project: Project, **changes: Any) -> dict[str, Any]:
    """What the editor would send if nothing but the changes were changed."""
    project.refresh_from_db()
    editor = TaxonomyEditor(parse_taxonomy(project.taxonomy.content), seen=project.taxonomy_id)
    data: dict[str, Any] = {"action": "publish"}
    forms = [
        editor.title,
        editor.dimensions.management_form,
        editor.types.management_form,
        *editor.dimensions.forms,
        *editor.types.forms,
    ]
    for form in forms:
        for bound in form:
            value = bound.value()
            if value is True:
                data[bound.html_name] = "on"
            elif value not in (None, False):
                data[bound.html_name] = value
    data.update(changes)
    return {name: value for name, value in data.items() if value is not None}


def test_it_works(lead: Client, url: str, project: Project):
    text = words_of(lead.get(url))
    assert "Redundancy redundency" in text
    assert "Simplicity" in text


def test_an_edit_is_the_next_version(lead: Client, url: str, project: Project):
    before = project.taxonomy
    response = lead.post(
        url,
        sent(project, **{"types-0-name_en": "Superfluous", "types-0-definition_en": "Not needed."}),
    )
    assert response.headers["Location"] == url
    project.refresh_from_db()
    assert (project.taxonomy.version, project.taxonomy.project) == (before.version + 1, project)
    first = parse_taxonomy(project.taxonomy.content).types[0]
    assert (first.name_in("en"), first.definition_in("en")) == ("Superfluous", "Not needed.")
    # The Chinese texts, and the version before, are as they were.
    assert first.name_in("zh-hans") == "冗余"
    before.refresh_from_db()
    assert parse_taxonomy(before.content).types[0].name_in("en") == "Redundancy"
    assert "is in force" in words_of(lead.get(url))


def test_nothing_changed_gives_the_same_content(lead: Client, url: str, project: Project):
    before = dict(project.taxonomy.content)
    lead.post(url, sent(project))
    project.refresh_from_db()
    after = dict(project.taxonomy.content)
    assert after.pop("version") == before.pop("version") + 1
    assert after == before


def test_texts_in_other_languages_are_kept(lead: Client, url: str, project: Project, alice: User):
    content = pack_taxonomy(parse_taxonomy(project.taxonomy.content))
    content["types"][0]["name"]["fr"] = "Redondance"
    publish_taxonomy(project=project, by=alice, content=content, seen_taxonomy=project.taxonomy_id)
    lead.post(url, sent(project, **{"types-0-name_zh": "多余"}))
    project.refresh_from_db()
    names = parse_taxonomy(project.taxonomy.content).types[0].name.by_language
    assert dict(names) == {"en": "Redundancy", "zh-Hans": "多余", "fr": "Redondance"}


def test_another_type(lead: Client, url: str, project: Project):
    n = len(parse_taxonomy(project.taxonomy.content).types)
    response = lead.post(url, sent(project, action="add_type"))
    assert response.status_code == 200
    check_html(response.content.decode())
    assert f'name="types-{n}-code"' in response.content.decode()
    # Nothing is stored by asking for a row.
    assert not Taxonomy.objects.filter(project=project).exists()
    lead.post(
        url,
        sent(
            project,
            **{
                "types-TOTAL_FORMS": n + 1,
                f"types-{n}-code": "units",
                f"types-{n}-dimension": "soundness",
                f"types-{n}-name_en": "Units",
                f"types-{n}-definition_en": "Metres are added to seconds.",
                f"types-{n}-validity": "wrong",
                f"types-{n}-is_error": "on",
            },
        ),
    )
    project.refresh_from_db()
    made = parse_taxonomy(project.taxonomy.content).find_type("units")
    assert made is not None
    assert (made.dimension, str(made.validity)) == ("soundness", "wrong")


def test_a_type_taken_away(lead: Client, url: str, project: Project):
    lead.post(url, sent(project, **{"types-0-DELETE": "on"}))
    project.refresh_from_db()
    assert parse_taxonomy(project.taxonomy.content).find_type("redundency") is None


def test_another_order(lead: Client, url: str, project: Project):
    codes = parse_taxonomy(project.taxonomy.content).codes
    lead.post(url, sent(project, **{"types-0-ORDER": "99"}))
    project.refresh_from_db()
    assert parse_taxonomy(project.taxonomy.content).codes == (*codes[1:], codes[0])


def test_dimensions(lead: Client, url: str, project: Project):
    response = lead.post(url, sent(project, action="add_dimension"))
    assert 'name="dimensions-3-id"' in response.content.decode()
    lead.post(
        url,
        sent(
            project,
            **{
                "dimensions-TOTAL_FORMS": 4,
                "dimensions-3-id": "style",
                "dimensions-3-name_en": "Style",
            },
        ),
    )
    project.refresh_from_db()
    dimensions = parse_taxonomy(project.taxonomy.content).dimensions
    assert [dimension.id for dimension in dimensions][-1] == "style"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"types-0-code": "no spaces"}, "it is marked below"),
        ({"types-0-name_en": ""}, "it is marked below"),
        ({"types-0-code": "circular"}, "stands twice"),
        ({"types-0-dimension": "nowhere"}, "is not a dimension here"),
        ({"dimensions-0-DELETE": "on"}, "is not a dimension here"),
    ],
)
def test_what_is_refused_stays_in_the_form(change, word, lead: Client, url: str, project: Project):
    response = lead.post(url, sent(project, **change))
    assert response.status_code == 400
    assert word in check_html(response.content.decode())
    assert not Taxonomy.objects.filter(project=project).exists()


def test_without_any_type(lead: Client, url: str, project: Project):
    n = len(parse_taxonomy(project.taxonomy.content).types)
    response = lead.post(url, sent(project, **{f"types-{i}-DELETE": "on" for i in range(n)}))
    assert response.status_code == 400
    assert not Taxonomy.objects.filter(project=project).exists()


def test_another_window_was_faster(lead: Client, url: str, project: Project, alice: User):
    mine = sent(project)
    publish_taxonomy(
        project=project,
        by=alice,
        content=pack_taxonomy(parse_taxonomy(project.taxonomy.content)),
        seen_taxonomy=project.taxonomy_id,
    )
    response = lead.post(url, mine)
    assert response.status_code == 400
    assert "changed in another window" in response.content.decode()
    assert Taxonomy.objects.filter(project=project).count() == 1


def test_another_taxonomy_is_put_in_force(lead: Client, url: str, project: Project):
    basic = Taxonomy.objects.get(slug="basic", project=None)
    response = lead.post(url, {"action": "use", "taxonomy": basic.pk})
    assert response.headers["Location"] == url
    project.refresh_from_db()
    assert project.taxonomy == basic


def test_a_taxonomy_of_another_project_is_none(
    lead: Client, url: str, project: Project, dave: User
):
    from tests.labeling.factories import make_project

    other = make_project(dave, "other")
    theirs = publish_taxonomy(
        project=other,
        by=dave,
        content=pack_taxonomy(parse_taxonomy(other.taxonomy.content)),
        seen_taxonomy=other.taxonomy_id,
    )
    before = project.taxonomy_id
    lead.post(url, {"action": "use", "taxonomy": theirs.pk})
    project.refresh_from_db()
    assert project.taxonomy_id == before
    assert "Choose one of the taxonomies" in words_of(lead.get(url))


def test_reviewers_read_and_do_not_edit(annotator: Client, url: str, project: Project):
    text = words_of(annotator.get(url, {"edit": ""}))
    assert "Redundancy" in text
    assert "Publish" not in text
    assert annotator.post(url, {"action": "use", "taxonomy": "1"}).status_code == 403


def test_in_chinese(annotator: Client, url: str):
    response = annotator.get(url, headers={"Accept-Language": "zh-hans"})
    assert "冗余" in response.content.decode()


def test_a_type_leads_to_its_injections(lead: Client, url: str, project: Project):
    make_injection_item(project)
    assert "?error_type=deception" in lead.get(url).content.decode()


def test_nonsense_is_refused_and_not_an_error(lead: Client, url: str, project: Project):
    response = lead.post(url, {"action": "publish", "types-TOTAL_FORMS": "x"})
    assert response.status_code == 400


def test_the_titles_are_in_the_readers_language(lead: Client, url: str, project: Project):
    html = lead.get(url, headers={"Accept-Language": "zh-hans"}).content.decode()
    assert "PRMBench 九类" in html
    # What another is chosen by, too.
    assert "基础 1" in html
    assert "PRMBench, nine types" not in html
    assert "Basic 1" not in html


def test_a_new_project_chooses_in_the_readers_language(lead: Client):
    page = lead.get(reverse("labeling:project-new"), headers={"Accept-Language": "zh-hans"})
    assert "PRMBench 九类" in page.content.decode()
