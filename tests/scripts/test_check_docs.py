"""The check of links between the project's pages."""

from __future__ import annotations

import pytest

from scripts.check_docs import build_anchor, find_anchors, find_problems


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Two commands", "two-commands"),
        ("`make run`, and then?", "make-run-and-then"),
        ("See [the guide](guide.md)", "see-the-guide"),
    ],
)
def test_anchor_of_a_heading(heading, anchor):
    assert build_anchor(heading) == anchor


def test_headings_that_come_again_are_numbered(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Keys\n## Keys\n```\n# not a heading\n```\n")
    assert find_anchors(page) == {"keys", "keys-1"}


def test_good_links_are_no_problem(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "other.md").write_text("# Here\n")
    page = tmp_path / "README.md"
    page.write_text(
        "# Top\n[a](docs/other.md#here) [b](#top) [c](https://site.example/x) [d](docs)\n"
        "`[e](none.md)`\n```\n[f](none.md)\n```\n"
    )
    assert find_problems(page, root=tmp_path) == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("none.md", "none.md does not exist"),
        ("#none", "#none names no heading"),
        ("other.md#none", "other.md#none names no heading"),
        ("../outside.md", "../outside.md lies outside the project"),
    ],
)
def test_each_kind_of_broken_link(tmp_path, link, problem):
    root = tmp_path / "project"
    root.mkdir()
    (root / "other.md").write_text("# Here\n")
    (tmp_path / "outside.md").write_text("")
    page = root / "README.md"
    page.write_text(f"# Top\n\n[x]({link})\n")
    (found,) = find_problems(page, root=root)
    assert found.startswith(f"README.md:3: {problem}")
