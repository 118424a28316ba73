"""Guidelines as people write them: paragraphs, headings, lists, emphasis. `{% prose text %}`

A handful of marks of Markdown and no more: no HTML, no links, no images. Every piece of text is
escaped where it is put into an element; formulas are left alone for the script to render.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from django import template
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString

from labeling.mathtext import split_math

register = template.Library()

HEADING = re.compile(r"(#{1,3})\s+(.+)")
BULLET = re.compile(r"[-*]\s+(.+)")
NUMBERED = re.compile(r"\d{1,3}[.)]\s+(.+)")
EMPHASIS = re.compile(r"\*\*(?P<strong>[^*\n]+)\*\*|\*(?P<em>[^*\n]+)\*|`(?P<code>[^`\n]+)`")
# A formula stands as one of these while emphasis is looked for, so that its stars mean nothing.
PLACE = "\ue000"


@register.simple_tag
def prose(text: str) -> SafeString:
    """The text as elements, block by block."""
    blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace(PLACE, "").strip())
    return format_html_join("\n", "{}", ((block,) for raw in blocks for block in _blocks(raw)))


def _blocks(raw: str) -> Iterator[SafeString]:
    """The lines of one block: neighbours of one kind belong together."""
    # An indented line goes on with the item above it.
    joined = re.sub(r"\n[ \t]+(?![-*]\s|\d{1,3}[.)]\s)", " ", raw)
    for kind, group in groupby(joined.split("\n"), key=_kind):
        lines = list(group)
        if kind == "heading":
            for line in lines:
                # The page has an h1, and its cards h2.
                title = HEADING.sub(r"\2", line.strip())
                yield format_html("<h3 data-math>{}</h3>", _inline(title))
        elif kind in ("ul", "ol"):
            pattern = BULLET if kind == "ul" else NUMBERED
            texts = [pattern.sub(r"\1", line.strip()) for line in lines]
            items = format_html_join(
                "", "<li data-math>{}</li>", ((_inline(item),) for item in texts)
            )
            yield format_html("<{}>{}</{}>", kind, items, kind)
        else:
            # Lines were broken to fit an editor; the page breaks them anew.
            yield format_html("<p data-math>{}</p>", _inline(" ".join(lines)))


def _kind(line: str) -> str:
    stripped = line.strip()
    if HEADING.match(stripped):
        return "heading"
    if BULLET.match(stripped):
        return "ul"
    return "ol" if NUMBERED.match(stripped) else "p"


def _inline(text: str) -> SafeString:
    """Emphasis outside formulas; everything else as it was written, escaped."""
    formulas: list[str] = []
    cleared = ""
    for run in split_math(text):
        if run.kind == "text":
            cleared += run.source
        else:
            cleared += PLACE
            formulas.append(run.source)
    remaining = iter(formulas)

    def fill(piece: str) -> str:
        return "".join(next(remaining) if sign == PLACE else sign for sign in piece)

    parts: list[SafeString] = []
    position = 0
    for found in EMPHASIS.finditer(cleared):
        parts.append(conditional_escape(fill(cleared[position : found.start()])))
        tag = found.lastgroup or "em"
        parts.append(format_html("<{}>{}</{}>", tag, fill(found[tag]), tag))
        position = found.end()
    parts.append(conditional_escape(fill(cleared[position:])))
    return format_html_join("", "{}", ((part,) for part in parts))
