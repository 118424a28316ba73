"""What no template and no script may do: the content security policy, and hostile text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.js.conftest import ROOT, STATIC

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((STATIC / "labeling" / "js").glob("*.js"))
SPRITE = (STATIC / "labeling" / "icons" / "sprite.svg").read_text(encoding="utf-8")
COMMENT = re.compile(r"\{% comment %\}.*?\{% endcomment %\}", re.DOTALL)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_templates_hold_nothing_inline(path: Path) -> None:
    html = COMMENT.sub("", path.read_text(encoding="utf-8"))
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", html) == []
    assert re.findall(r"<style\b", html) == []
    assert re.findall(r"\sstyle\s*=", html) == []
    assert re.findall(r"\son[a-z]+\s*=\s*[\"']", html) == []
    assert re.findall(r"javascript:", html) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_templates_escape_everything(path: Path) -> None:
    html = path.read_text(encoding="utf-8")
    assert re.findall(r"\|\s*safe\b|autoescape off", html) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    html = COMMENT.sub("", path.read_text(encoding="utf-8"))
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", html) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_scripts_make_no_html_from_text(path: Path) -> None:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    forbidden = (
        r"\b(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write|createContextualFragment|"
        r"\beval\(|new Function|setAttribute\(\s*[\"']style|\.srcdoc\b|javascript:"
    )
    assert re.findall(forbidden, code) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_scripts_say_how_they_are_used(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("/** ")


@pytest.mark.parametrize("path", [*TEMPLATES, *SCRIPTS], ids=name_of)
def test_icons_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    used = re.findall(r'{% icon "([\w-]+)"', text) + re.findall(r'\bicon\("([\w-]+)"\)', text)
    used += re.findall(r'icon="([\w-]+)"', text) + re.findall(r'iconName: "([\w-]+)"', text)
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', SPRITE))
    assert set(used) - drawn == set()


def test_words_of_scripts_are_in_the_catalogue() -> None:
    """Every key that a script asks for, and every key that it may put together, has its words."""
    from labeling.templatetags.script_words import script_words

    known = set(script_words())
    asked: set[str] = set()
    for path in SCRIPTS:
        code = path.read_text(encoding="utf-8")
        asked |= set(re.findall(r"\bt\(\s*\"([\w-]+)\"", code))
        asked |= set(re.findall(r"\"(group_\w+)\"", code))
    assert asked - known == set()
    assert {f"rating_{value}" for value in ("1", "0", "-1", "unsure", "none", "skip")} <= known


def test_every_key_binding_has_words() -> None:
    from labeling.templatetags.script_words import script_words

    known = set(script_words())
    for path in SCRIPTS:
        code = path.read_text(encoding="utf-8")
        for identifier, rest in re.findall(r"\bkey\(\"(\w+)\", ([^\n]*(?:\n\s+[^\n]*)?)", code):
            own_word = re.search(r"\"((?:rating|verdict|accept|reject|bad)[\w-]*)\"\s*\)", rest)
            assert own_word or f"key_{identifier}" in known, f"{identifier} in {path.name}"
