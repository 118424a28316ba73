"""Check that every link between the project's own pages leads somewhere.

Reads README.md, CONTRIBUTING.md, CHANGELOG.md and docs/*.md: a relative link must name a file
that exists, and a fragment must be a heading of that file, written as a code host writes it.
Links to other sites are left alone: what they say is not ours to test.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")
FENCE = re.compile(r"^\s*(```|~~~)")
CODE = re.compile(r"`[^`]*`")


def read_prose(path: Path) -> list[tuple[int, str]]:
    """Numbered lines outside fenced code."""
    lines, fenced = [], False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            lines.append((number, line))
    return lines


def build_anchor(heading: str) -> str:
    """The fragment that a heading gets: lower case, no punctuation, hyphens for spaces."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def find_anchors(path: Path) -> set[str]:
    """The fragments of a page; a heading that comes again gets a number."""
    anchors: set[str] = set()
    counts: dict[str, int] = {}
    for _, line in read_prose(path):
        if match := HEADING.match(line):
            anchor = build_anchor(match.group(1))
            seen = counts.get(anchor, 0)
            counts[anchor] = seen + 1
            anchors.add(f"{anchor}-{seen}" if seen else anchor)
    return anchors


def find_problems(page: Path, *, root: Path) -> list[str]:
    """Each link of a page that leads nowhere, as a line for people."""
    problems = []
    for number, line in read_prose(page):
        for target in LINK.findall(CODE.sub("", line)):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            name, _, fragment = target.partition("#")
            file = (page.parent / unquote(name)).resolve() if name else page
            place = f"{page.relative_to(root)}:{number}"
            if not file.exists():
                problems.append(f"{place}: {target} does not exist")
            elif not file.is_relative_to(root):
                problems.append(f"{place}: {target} lies outside the project")
            elif fragment and file.suffix == ".md" and fragment not in find_anchors(file):
                problems.append(f"{place}: {target} names no heading of that page")
    return problems


def main() -> int:
    """Print what is wrong; the exit status says whether anything is."""
    pages = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    problems = [problem for page in pages for problem in find_problems(page, root=ROOT)]
    for problem in problems:
        print(problem)
    print(f"Links in {len(pages)} pages: {len(problems) or 'no'} problems.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
