"""Colours reach their contrast in both themes, from tokens.css (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from itertools import product

import pytest

from tests.js.conftest import STATIC

CSS = (STATIC / "labeling" / "css" / "tokens.css").read_text(encoding="utf-8")
SURFACES = ("ground", "surface", "sunken", "raised", "current", "hover")
INKS = ("ink", "ink-2", "ink-3")
TINTED = ("accent", "good", "okay", "bad", "unsure", "machine", "was", "is")
TEXT = [
    *product((*INKS, *TINTED, "accent-strong"), SURFACES),
    *((role, f"{role}-soft") for role in TINTED),
    # Badges, hints and banners carry plain text on a tint.
    *product(("ink",), (f"{role}-soft" for role in TINTED)),
    *product(("on-accent",), ("accent", "accent-strong")),
    *product(("ink-2",), ("accent-soft", "okay-soft", "bad-soft", "machine-soft")),
]
EDGES = [
    *product(("line-strong", "focus"), SURFACES),
    # The glyph of a mark on its disc, square or diamond.
    *product(("on-mark",), ("good", "okay", "bad", "machine")),
]
THEMES = {"light": 0, "dark": 1}


def read_tokens() -> dict[str, tuple[str, str]]:
    found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", CSS)
    return {name: (light, dark) for name, light, dark in found}


TOKENS = read_tokens()


def luminance(color: str) -> float:
    """WCAG's relative luminance of #rrggbb."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_known_values() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "surface"), TEXT)
def test_text_can_be_read(text: str, surface: str, theme: str) -> None:
    index = THEMES[theme]
    assert contrast(TOKENS[text][index], TOKENS[surface][index]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("edge", "surface"), EDGES)
def test_edges_can_be_seen(edge: str, surface: str, theme: str) -> None:
    index = THEMES[theme]
    assert contrast(TOKENS[edge][index], TOKENS[surface][index]) >= 3.0


def test_colours_have_values_in_tokens_alone() -> None:
    for name in ("base", "pages", "math", "workspace"):
        css = (STATIC / "labeling" / "css" / f"{name}.css").read_text(encoding="utf-8")
        # A backdrop dims the page in both themes alike.
        css = css.replace("rgb(10 12 16 / 38%)", "")
        assert re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(", css) == [], name
