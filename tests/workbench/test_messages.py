"""The catalogues of translations: true to the code, fitting, compiled, and shown."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from functools import cache
from pathlib import Path

import polib
import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import translation

from labeling.models import AnnotationRevision, Assignment, Exposure, Membership, ReviewItem
from scripts import bootstrap
from scripts.extraction import (
    SENTENCE,
    Message,
    collect_messages,
    extract_from_python,
    extract_from_template,
    extract_sentences,
)
from scripts.messages import (
    find_misfits,
    find_names,
    find_problems,
    list_catalogues,
    update_catalogue,
)
from tests.labeling.factories import join, make_items, make_project, make_user
from tests.labeling.web.helpers import sign_in
from workbench import messages
from workbench.messages import compile_catalogue, compile_if_changed, translate_sentence
from workbench.templatetags.sentences import sentence

CHINESE = "zh-hans"
# What annotators see of the desk beside the workspace; all of components and registration.
ANNOTATORS_PAGES = (
    *("rate", "verify", "home", "work", "account", "submitted", "assignment_closed"),
    *("adjudicate", "dispute_closed", "guidelines", "taxonomy", "invitation"),
)
ANNOTATORS_MODULES = (
    *("labeling/templatetags/", "labeling/models/", "labeling/states.py"),
    *("labeling/services/assignments.py", "labeling/services/annotations.py"),
    *("labeling/web/people_forms.py", "labeling/web/views/review.py"),
    "labeling/web/views/account.py",
    "labeling/formats/lint/",
)


@cache
def collect():
    """Every string of the project; reading it all takes seconds."""
    return collect_messages()


@pytest.fixture(scope="module", params=list_catalogues(), ids=lambda path: path.parts[-3])
def catalogue(request) -> Path:
    path: Path = request.param
    return path


def is_for_annotators(name: str) -> bool:
    if name.startswith("templates/modeljobs/"):
        return False
    if not name.startswith("templates/labeling/"):
        return name.startswith(("templates/", *ANNOTATORS_MODULES))
    page = name.removeprefix("templates/labeling/").removesuffix(".html")
    return page.startswith("_") or page in ANNOTATORS_PAGES


# --- The catalogues of the project ----------------------------------------------------------------


def test_it_holds_every_string_and_no_other(catalogue):
    """Else `make messages` writes what is new; then it waits for a translation."""
    problems = find_problems(catalogue, collect())
    assert [text for text in problems if not text.endswith("is not translated.")] == []


def test_annotators_see_no_untranslated_string(catalogue):
    entries = polib.pofile(str(catalogue), encoding="utf-8")
    waiting = [
        entry.msgid
        for entry in entries
        if not entry.translated() and any(is_for_annotators(name) for name, _ in entry.occurrences)
    ]
    assert waiting == []


def test_it_is_compiled_as_it_stands(catalogue):
    """Else `make messages`, `make run` and `make test` compile it."""
    assert catalogue.with_suffix(".mo").read_bytes() == compile_catalogue(catalogue)


# --- Finding strings ------------------------------------------------------------------------------


def test_strings_of_python():
    source = """
from django.utils.translation import gettext as _, gettext_lazy, ngettext, pgettext
_("one")
gettext_lazy("two " "halves")
ngettext("{n} step", "{n} steps", 3)
# Translators: a button,
# not a state.
pgettext("verb", "Open")
print("no string")
"""
    assert list(extract_from_python(source, "a.py")) == [
        Message("one", files=["a.py"]),
        Message("two halves", files=["a.py"]),
        Message("{n} step", plural="{n} steps", files=["a.py"]),
        Message(
            "Open",
            context="verb",
            notes=["Translators: a button,", "not a state."],
            files=["a.py"],
        ),
    ]


def test_a_text_that_is_put_together_cannot_be_translated():
    source = 'from django.utils.translation import gettext as _\n_(f"{name} is gone")'
    with pytest.raises(ValueError, match="a.py:2"):
        list(extract_from_python(source, "a.py"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{% translate "Save" %}', Message("Save")),
        ('{% translate "Open" context "verb" as word %}', Message("Open", context="verb")),
        # As the tag looks it up: percent signs are doubled.
        ('{% translate "95 %" %}', Message("95 %%")),
        ('{{ name|default:_("nobody") }}', Message("nobody")),
        ('{% if name == _("nobody") %}{% endif %}', Message("nobody")),
        ('{% firstof _("first") %}', Message("first")),
        (
            "{% blocktranslate with name=user.name %}Hello, {{ name }}{% endblocktranslate %}",
            Message("Hello, %(name)s"),
        ),
        (
            "{% blocktranslate trimmed %}\n  two\n  lines\n{% endblocktranslate %}",
            Message("two lines"),
        ),
        (
            "{% blocktranslate count n=n asvar words %}{{ n }} step{% plural %}{{ n }} steps"
            "{% endblocktranslate %}",
            Message("%(n)s step", plural="%(n)s steps"),
        ),
        ('{% with a=1 %}{% if a %}{% translate "deep" %}{% endif %}{% endwith %}', Message("deep")),
    ],
)
def test_a_string_of_a_template(source, expected):
    expected.files = ["a.html"]
    assert extract_from_template("{% load i18n %}" + source, "a.html") == [expected]


def test_a_comment_holds_no_strings():
    source = '{% load i18n %}{% comment %}{% translate "no" %}{% endcomment %}'
    assert extract_from_template(source, "a.html") == []


def test_sentences_of_errors_and_gaps():
    sources = {
        "a.py": "class Gone(Conflict): ...\nclass Conflict(WorkbenchError): ...",
        "b.py": 'raise Gone(f"There is no step {n + 1}, {name!r}.")\n'
        'Gap("note", "Say why." if short else "Say more.")\n'
        'raise ValueError("for programmers")\nraise Gone(f"{a}: {b}")',
    }
    assert [(message.text, message.context) for message in extract_sentences(sources)] == [
        ("There is no step {0}, {1}.", SENTENCE),
        ("Say why.", SENTENCE),
        ("Say more.", SENTENCE),
    ]


# --- Keeping a catalogue --------------------------------------------------------------------------

HEAD = (
    'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
    '"Plural-Forms: nplurals=1; plural=0;\\n"\n\n'
)


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    path = tmp_path / "xx" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    path.write_text(HEAD + 'msgid "old"\nmsgstr "alt"\n\nmsgid "kept"\nmsgstr "behalten"\n')
    return path


def test_an_update_keeps_adds_and_drops(draft):
    found = [Message("kept", files=["a.py"]), Message("new", files=["b.html"])]
    assert update_catalogue(draft, found) == (1, ["'old' (alt)"])
    entries = {entry.msgid: entry for entry in polib.pofile(str(draft))}
    assert list(entries) == ["kept", "new"]
    assert entries["kept"].msgstr == "behalten"
    assert entries["new"].occurrences == [("b.html", "")]
    assert find_problems(draft, {message.key: message for message in found}) == [
        "'new' is not translated."
    ]


def test_an_update_that_changes_nothing_writes_nothing(draft):
    found = [Message("kept", files=["a.py"])]
    update_catalogue(draft, found)
    os.utime(draft, (1, 1))
    update_catalogue(draft, found)
    assert draft.stat().st_mtime == 1


def build_entry(text, translated, **more):
    return polib.POEntry(msgid=text, msgstr=translated, **more)


@pytest.mark.parametrize(
    ("entry", "message", "n_problems"),
    [
        (build_entry("%(n)s of %(m)s", "%(m)s, %(n)s"), Message("%(n)s of %(m)s"), 0),
        (build_entry("%(n)s left", "left"), Message("%(n)s left"), 1),
        (build_entry("{name} is here", "{nom}"), Message("{name} is here"), 1),
        (build_entry("why", ""), Message("why"), 1),
        (build_entry("why", "darum", flags=["fuzzy"]), Message("why"), 1),
        (
            build_entry("%(a)s %%", "%(a)s %", flags=["python-format"]),
            Message("%(a)s %%"),
            1,
        ),
        (
            build_entry("one", "", msgid_plural="%(n)s", msgstr_plural={0: "%(n)s"}),
            Message("one", plural="%(n)s"),
            0,
        ),
        (
            build_entry("one", "", msgid_plural="%(n)s", msgstr_plural={0: ""}),
            Message("one", plural="%(n)s"),
            1,
        ),
        (build_entry("one", "eins"), Message("one", plural="many"), 1),
    ],
)
def test_what_does_not_fit_is_told(entry, message, n_problems):
    assert len(find_misfits(entry, message, 1)) == n_problems


def test_names_to_fill_in():
    assert find_names("%(a)s, %(b)d, {0}, 100 %%") == {"%(a)s", "%(b)d", "{0}"}


# --- Compiling ------------------------------------------------------------------------------------


def test_what_changed_is_compiled_once(draft):
    compiled = draft.with_suffix(".mo")
    assert compile_if_changed([draft.parents[2]]) == [compiled]
    assert [entry.msgstr for entry in polib.mofile(str(compiled))] == ["behalten", "alt"]
    assert compile_if_changed([draft.parents[2]]) == []
    later = compiled.stat().st_mtime_ns + 1_000_000_000
    draft.write_text(draft.read_text().replace("alt", "ur"))
    os.utime(draft, ns=(later, later))
    assert compile_if_changed([draft.parents[2]]) == [compiled]


def test_a_newer_source_that_says_the_same_is_not_written_again(draft):
    compile_if_changed([draft.parents[2]])
    later = draft.with_suffix(".mo").stat().st_mtime_ns + 1_000_000_000
    os.utime(draft, ns=(later, later))
    assert compile_if_changed([draft.parents[2]]) == []


def test_where_nothing_can_be_written_what_is_there_stays(draft, monkeypatch):
    def refuse(target, content):
        raise PermissionError(target)

    monkeypatch.setattr(messages, "replace_file", refuse)
    assert compile_if_changed([draft.parents[2]]) == []


def test_the_bootstrap_knows_what_is_to_be_compiled(draft, monkeypatch):
    monkeypatch.setattr(bootstrap, "LOCALE", draft.parents[2])
    assert bootstrap.has_new_messages()
    compile_if_changed([draft.parents[2]])
    assert not bootstrap.has_new_messages()


# --- What the core says ---------------------------------------------------------------------------


@pytest.fixture
def sentences(draft, settings):
    """German for two sentences with values, and for one without."""
    draft.write_text(
        HEAD
        + 'msgctxt "sentence"\nmsgid "There is no step {0} in {1}."\n'
        + 'msgstr "In {1} gibt es keinen Schritt {0}."\n\n'
        + 'msgctxt "sentence"\nmsgid "Step %(step)d is %(share)d %% blank."\n'
        + 'msgstr "Schritt %(step)d ist zu %(share)d %% leer."\n\n'
        + 'msgctxt "sentence"\nmsgid "Say why."\nmsgstr "Warum?"\n'
    )
    folder = draft.parents[2]
    shutil.move(folder / "xx", folder / "de")
    compile_if_changed([folder])
    settings.LOCALE_PATHS = [folder]
    messages.read_patterns.cache_clear()
    with translation.override("de"):
        yield
    messages.read_patterns.cache_clear()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Say why.", "Warum?"),
        ("There is no step 7 in 'a {0} b'.", "In 'a {0} b' gibt es keinen Schritt 7."),
        ("Step 3 is 50 % blank.", "Schritt 3 ist zu 50 % leer."),
        ("Nobody translated this.", "Nobody translated this."),
        ("There is no step", "There is no step"),
    ],
)
@pytest.mark.usefixtures("sentences")
def test_a_sentence_is_shown_in_the_readers_language(said, shown):
    assert translate_sentence(said) == shown
    assert sentence(said) == shown


def test_in_english_a_sentence_stays_as_it_is():
    with translation.override("en"):
        assert translate_sentence("There is no step 7.") == "There is no step 7."


def test_a_refusal_in_chinese():
    with translation.override(CHINESE):
        assert translate_sentence("Step 3 is not judged yet.") == "步骤 3 尚未判断。"


# --- Pages ----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_browser_that_prefers_chinese_gets_it(client: Client):
    response = client.get(reverse("login"), headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.5"})
    page = response.content.decode()
    assert 'lang="zh-hans"' in page.lower()
    assert "没有账号，或忘记了密码？" in page
    assert "No account" not in page


@pytest.mark.django_db
def test_other_browsers_get_english(client: Client):
    page = client.get(reverse("login"), headers={"accept-language": "fr"}).content.decode()
    assert 'lang="en"' in page
    assert "No account, or the password is lost?" in page


@pytest.fixture
def work(db) -> tuple[Client, ReviewItem]:
    """An annotator who chose Chinese, and an item that waits."""
    project = make_project(make_user("alice"))
    bob = make_user("bob")
    join(project, bob, Membership.Role.ANNOTATOR)
    (item,) = make_items(project, 1)
    client = sign_in(bob)
    client.cookies[django_settings.LANGUAGE_COOKIE_NAME] = CHINESE
    return client, item


def start(client: Client, item: ReviewItem) -> Assignment:
    client.post(reverse("labeling:work", args=[item.project.slug]))
    return Assignment.objects.get()


def test_the_workspace_in_chinese(work):
    client, item = work
    page = client.get(reverse("labeling:assignment", args=[start(client, item).pk]))
    text = page.content.decode()
    for words in ("步骤概览", "首个错误", "跳过此条目", "提交"):
        assert words in text
    assert "Steps at a glance" not in text
    # The words of the scripts come with the page.
    found = re.search(r'<script id="strings" type="application/json">(.*?)</script>', text)
    assert found is not None
    assert json.loads(found[1])["saving"] == "正在保存"


def test_a_judgement_keeps_the_language_that_it_was_made_in(work):
    client, item = work
    assignment = start(client, item)
    data = {
        "lease_token": str(assignment.lease_token),
        "version": "0",
        "idempotency_key": str(uuid.uuid4()),
        "action": "submit",
        **{f"rating-{position}": "1" for position in range(item.solution.n_steps)},
    }
    client.post(reverse("labeling:assignment", args=[assignment.pk]), data)
    assert AnnotationRevision.objects.get().language == CHINESE
    assert set(Exposure.objects.values_list("language", flat=True)) == {CHINESE}
