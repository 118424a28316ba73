"""The components: escaped, labelled, and complete."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django import forms
from django.core.paginator import Paginator
from django.template import Context, Template
from django.test import RequestFactory
from django.utils.translation import override
from pytest_django import Settings

from labeling.templatetags import workbench_ui


def render(source: str, **context: Any) -> str:
    return Template("{% load workbench_ui %}" + source).render(Context(context))


def test_text_for_mathematics_is_escaped() -> None:
    html = render("{% math text %}", text="<script>alert(1)</script> $x<y$")
    assert html == (
        '<span data-math dir="auto">&lt;script&gt;alert(1)&lt;/script&gt; $x&lt;y$</span>'
    )


def test_mathematics_stands_in_known_elements_only() -> None:
    with pytest.raises(ValueError, match="'script' is not one of"):
        workbench_ui.math("x", element="script")


def test_a_mark_speaks_unless_words_stand_beside_it() -> None:
    assert 'aria-label="−1, wrong"' in workbench_ui.mark(-1)
    assert 'aria-hidden="true"' in workbench_ui.mark(-1, label="")
    assert "#m-none" in workbench_ui.mark(None)


def test_the_words_of_a_mark_are_those_of_the_reader() -> None:
    english = workbench_ui.mark(-1)
    with override("zh-hans"):
        assert workbench_ui.mark(-1) != english
    assert workbench_ui.mark(-1) == english


def test_a_word_that_is_no_rating_stays_as_it_is() -> None:
    assert workbench_ui.rating_words("<b>") == "<b>"
    assert 'aria-label="&lt;b&gt;"' in workbench_ui.mark("<b>")


def test_icons_come_from_where_the_files_are(settings: Settings) -> None:
    assert 'href="/static/labeling/icons/sprite.svg#flag"' in workbench_ui.icon("flag")
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {
            "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
            "OPTIONS": {"base_url": "https://files.example.org/"},
        },
    }
    assert 'href="https://files.example.org/labeling/icons' in workbench_ui.icon("flag")


def test_progress_is_said_in_words() -> None:
    html = render("{% progress 1200 3000 label %}", label="Items done")
    assert ">1200 of 3000<" in html
    assert 'value="1200" max="3000"' in html
    assert 'aria-label="Items done: 1200 of 3000"' in html


@pytest.mark.parametrize(("value", "text"), [(1, "+1"), (0, "0"), (-1, "−1"), (None, "–")])
def test_signed(value: int | None, text: str) -> None:
    assert workbench_ui.signed(value) == text


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Mei Lin", "ML"), ("alice", "AL"), ("anna.b.kowalska", "AB"), ("x", "X"), ("", "?")],
)
def test_initials(name: str, letters: str) -> None:
    assert workbench_ui.initials(name) == letters


def test_an_icon_alone_has_a_name() -> None:
    assert 'role="img" aria-label="Simulated"' in workbench_ui.icon("chip", label="Simulated")
    assert 'aria-hidden="true"' in workbench_ui.icon("chip")


def test_blocks_keep_what_stands_in_them() -> None:
    html = render(
        '{% card title=title aside="3 left" %}<p>{{ text }}</p>{% endcard %}',
        title="A & B",
        text="<b>",
    )
    assert "A &amp; B" in html
    assert "<p>&lt;b&gt;</p>" in html


def test_a_question_names_what_it_does() -> None:
    html = render(
        '{% confirm_dialog id="cancel" title="Cancel this job?" verb="Cancel the job" %}'
        "Its 861 results stay.{% endconfirm_dialog %}"
    )
    assert 'id="cancel"' in html
    assert 'value="yes">Cancel the job<' in html
    assert 'value="no">Keep it<' in html


class Sample(forms.Form):
    name = forms.CharField(help_text="As others see it.")
    role = forms.ChoiceField(choices=[("a", "A")], widget=forms.RadioSelect)
    sure = forms.BooleanField(required=False)


def test_fields_have_labels_help_and_errors() -> None:
    form = Sample({"name": ""})
    html = render("{% form_body form %}", form=form)
    assert '<label class="field__label" for="id_name">' in html
    assert 'id="id_name_helptext">As others see it.' in html
    assert 'aria-invalid="true"' in html
    assert html.count("This field is required.") == 2
    assert "<fieldset" in html


def test_pages_keep_the_rest_of_the_address() -> None:
    page = Paginator(range(100), 10).get_page(2)
    request = RequestFactory().get("/?q=a%26b&page=2")
    html = render("{% pagination page %}", page=page, request=request)
    assert "?q=a%26b&amp;page=1" in html
    assert "?q=a%26b&amp;page=3" in html


def test_one_page_needs_no_links() -> None:
    page = Paginator(range(3), 10).get_page(1)
    assert render("{% pagination page %}", page=page).strip() == ""


@pytest.mark.parametrize(
    ("cookie", "attribute"),
    [("dark", ' data-theme="dark"'), ("system", ""), ('"><script>', "")],
)
def test_the_theme_of_a_cookie(cookie: str, attribute: str) -> None:
    request = SimpleNamespace(COOKIES={"theme": cookie})
    assert render("{% theme_attribute %}", request=request) == attribute


def test_strangers_see_no_account() -> None:
    html = render("{% account_menu %}")
    assert "data-theme-button" in html
    assert "account" not in html
