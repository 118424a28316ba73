"""A handful of marks of Markdown, and no HTML."""

from __future__ import annotations

import pytest

from labeling.templatetags.prose import prose


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One.\n\nTwo.", "<p data-math>One.</p>\n<p data-math>Two.</p>"),
        ("A line\nbroken.", "<p data-math>A line broken.</p>"),
        ("# Title", "<h3 data-math>Title</h3>"),
        ("- a\n- b", "<ul><li data-math>a</li><li data-math>b</li></ul>"),
        ("1. a\n2) b", "<ol><li data-math>a</li><li data-math>b</li></ol>"),
        ("- a\n  goes on\n- b", "<ul><li data-math>a goes on</li><li data-math>b</li></ul>"),
        ("So:\n- a", "<p data-math>So:</p>\n<ul><li data-math>a</li></ul>"),
        ("**a** and *b*", "<p data-math><strong>a</strong> and <em>b</em></p>"),
        ("`x`", "<p data-math><code>x</code></p>"),
        ("", "<p data-math></p>"),
    ],
)
def test_blocks_and_emphasis(text, html):
    assert prose(text) == html


def test_everything_is_escaped():
    assert prose("<b>&</b> **<i>**") == (
        "<p data-math>&lt;b&gt;&amp;&lt;/b&gt; <strong>&lt;i&gt;</strong></p>"
    )


def test_stars_inside_a_formula_mean_nothing():
    assert prose("$a*b*c$ and *d*") == "<p data-math>$a*b*c$ and <em>d</em></p>"


def test_a_formula_inside_emphasis():
    assert prose("**never $x*y$**") == "<p data-math><strong>never $x*y$</strong></p>"


def test_the_sign_that_stands_for_a_formula_cannot_be_smuggled_in():
    assert prose("\ue000 $x$ \ue000") == "<p data-math>$x$</p>"


def test_a_lone_star_is_a_star():
    assert prose("2 * 3") == "<p data-math>2 * 3</p>"


def test_windows_line_ends():
    assert prose("a\r\n\r\nb") == "<p data-math>a</p>\n<p data-math>b</p>"
