"""The components of the pages as template tags. `{% load workbench_ui %}`

Every component is a template under `templates/components/` with all its variables given, so that
a missing one is a mistake and not an empty string. Text that a person, a model or a data set wrote
goes through `{% math %}` or auto-escaping; nothing is marked safe that no template rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from django import forms, template
from django.core.files.storage import storages
from django.core.paginator import Page
from django.forms.boundfield import BoundField
from django.template.context import Context
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

register = template.Library()

SPRITE = "labeling/icons/sprite.svg"
SILENT = SafeString(' aria-hidden="true"')
THEMES = ("light", "dark")
MATH_ELEMENTS = ("span", "div", "p", "dd", "td", "th", "li")


# --- Pictures and small words -------------------------------------------------------------------


@register.simple_tag
def sprite_url() -> str:
    """The address of the icons, for scripts: `<html data-sprite="{% sprite_url %}">`."""
    return _find_url(storages["staticfiles"], SPRITE)


@lru_cache(maxsize=8)
def _find_url(storage: object, path: str) -> str:
    """The address of a static file, looked up once for each storage: a page asks 150 times."""
    return static(path)


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """An icon. Beside words it is silent; alone, it needs a label: `{% icon "flag" %}`."""
    return _draw(sprite_url(), name, label, "i", None)


@register.simple_tag
def mark(
    value: object, label: str | None = None, small: bool = False, machine: bool = False
) -> SafeString:
    """A rating as a picture: 1, 0, -1, "unsure", "none" (not yet) or "skip" (not judged).

    The words for listeners are those of the rating; `label=""` keeps it silent beside its words.
    """
    symbol = "none" if value is None else str(value)
    words = rating_words(symbol) if label is None else label
    classes = "mark" + (" mark--s" if small else "") + (" mark--machine" if machine else "")
    return _draw(sprite_url(), f"m-{symbol}", words, classes, symbol)


# The same few on every page, and on a page of work a hundred of them.
@lru_cache(maxsize=1024)
def _draw(sprite: str, name: str, label: str, classes: str, value: str | None) -> SafeString:
    return format_html(
        '<svg class="{}"{}{}><use href="{}#{}"/></svg>',
        classes,
        "" if value is None else format_html(' data-v="{}"', value),
        format_html(' role="img" aria-label="{}"', label) if label else SILENT,
        sprite,
        name,
    )


# Marked here, put into the reader's language where they are shown: one look-up for each.
RATING_WORDS = {
    "1": gettext_noop("+1, correct"),
    "0": gettext_noop("0, neutral"),
    "-1": gettext_noop("−1, wrong"),
    "unsure": gettext_noop("unsure"),
    "none": gettext_noop("not judged yet"),
    "skip": gettext_noop("not judged"),
}


@register.filter
def rating_words(value: object) -> str:
    """A rating in words: "+1, correct"."""
    symbol = str(value)
    return _(RATING_WORDS[symbol]) if symbol in RATING_WORDS else symbol


@register.filter
def signed(value: int | None) -> str:
    """A rating as a number with its sign, a true minus, and a dash where there is none."""
    if value is None:
        return "–"
    return f"+{value}" if value > 0 else str(value).replace("-", "−")


@register.simple_tag
def kbd(*keys: str) -> SafeString:
    """Keys as they stand on a keyboard: `{% kbd "J" "K" %}`."""
    return format_html_join("", '<kbd class="kbd">{}</kbd>', ((key,) for key in keys))


@register.simple_tag
def math(text: str, element: str = "span", css: str = "", lang: str = "") -> SafeString:
    """A text that may hold LaTeX, escaped, for the script to render: `{% math step.text %}`.

    The text stays as it was written until then, and where no script runs.
    """
    if element not in MATH_ELEMENTS:
        raise ValueError(f"{element!r} is not one of {', '.join(MATH_ELEMENTS)}.")
    return format_html(
        '<{} data-math dir="auto"{}{}>{}</{}>',
        element,
        format_html(' class="{}"', css) if css else "",
        format_html(' lang="{}"', lang) if lang else "",
        text,
        element,
    )


@register.simple_tag
def answer(text: str) -> SafeString:
    """A final answer, escaped: often a formula that nobody put between dollars."""
    return format_html('<span data-math="answer" dir="auto">{}</span>', text)


@register.inclusion_tag("components/_badge.html")
def badge(text: object, tone: str = "", icon: str = "") -> dict[str, Any]:
    """A word in a box. Tones: good okay bad unsure (judgements alone), machine accent was is."""
    return {"text": text, "tone": tone, "icon": icon}


@register.inclusion_tag("components/_progress.html")
def progress(done: int, total: int, label: str = "", words: bool = True) -> dict[str, Any]:
    """A bar and its words, "38 of 60"."""
    spoken = progress_words(done, total)
    return {"done": done, "total": total, "label": label, "words": words, "spoken": spoken}


def progress_words(done: int, total: int) -> str:
    """How much of how much, in words."""
    return _("%(done)s of %(total)s") % {"done": localize(done), "total": localize(total)}


@register.inclusion_tag("components/_tile.html")
def tile(label: str, value: object, detail: str = "", unit: str = "") -> dict[str, Any]:
    """One number with what it means and what was left out, inside `<dl class="tiles">`."""
    return {"label": label, "value": value, "detail": detail, "unit": unit}


# --- Pages and their parts ----------------------------------------------------------------------


@register.simple_block_tag(end_name="endpage_head")
def page_head(content: str, title: str, lead: str = "") -> SafeString:
    """The head of a desk page: title, a sentence, and its actions between the tags."""
    return render_to_string(
        "components/_page_head.html", {"title": title, "lead": lead, "actions": content}
    )


@register.simple_block_tag(end_name="endcard")
def card(
    content: str, title: str = "", aside: str = "", css: str = "", padded: bool = True, id: str = ""
) -> SafeString:
    """A card with a title: `{% card title=_("Queues") aside="3 left" %}…{% endcard %}`."""
    return render_to_string(
        "components/_card.html",
        {
            "title": title,
            "aside": aside,
            "css": css,
            "padded": padded,
            "id": id,
            "content": content,
        },
    )


@register.simple_block_tag(end_name="endbanner")
def banner(content: str, tone: str = "", icon: str = "info") -> SafeString:
    """The state of the world in a line: offline, no worker, new guidelines. Tones: warn, error."""
    return render_to_string(
        "components/_banner.html", {"tone": tone, "icon": icon, "content": content}
    )


@register.simple_block_tag(end_name="endscroll_table")
def scroll_table(content: str, label: str) -> SafeString:
    """Room for a wide table, which scrolls in its card and can be reached by keyboard."""
    return format_html(
        '<div class="scroll-x" tabindex="0" role="group" aria-label="{}">{}</div>', label, content
    )


@register.simple_block_tag(end_name="endconfirm_dialog")
def confirm_dialog(
    content: str, id: str, title: str, verb: str, danger: bool = True, keep: str = ""
) -> SafeString:
    """The question before what cannot be undone. A form asks it with `data-confirm="<id>"`."""
    return render_to_string(
        "components/_confirm_dialog.html",
        {
            "id": id,
            "title": title,
            "verb": verb,
            "keep": keep or _("Keep it"),
            "danger": danger,
            "content": content,
        },
    )


@register.inclusion_tag("components/_empty.html")
def empty_state(
    title: str, text: str = "", icon: str = "info", url: str = "", action: str = ""
) -> dict[str, Any]:
    """Nothing here: why, and what next."""
    return {"title": title, "text": text, "icon": icon, "url": url, "action": action}


@register.inclusion_tag("components/_tabs.html")
def tabs(items: Iterable[Mapping[str, Any]], label: str) -> dict[str, Any]:
    """Links between the parts of a page: items are {url, label, current?, count?}."""
    return {"items": [_nav_item(item) for item in items], "label": label}


@register.inclusion_tag("components/_nav.html", takes_context=True)
def main_nav(context: Context) -> dict[str, Any]:
    """The links of the bar at the top, from the context's `nav`: {url, label, current?, count?}."""
    items = context.get("nav") or ()
    return {
        "items": [_nav_item(item) for item in items],
        "label": context.get("nav_label") or _("Main"),
    }


def _nav_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "url": item["url"],
        "label": item["label"],
        "current": item.get("current", False),
        "count": item.get("count"),
    }


@register.inclusion_tag("components/_pagination.html", takes_context=True)
def pagination(context: Context, page: Page[Any], name: str = "page") -> dict[str, Any]:
    """Links to the pages before and after, keeping the other parameters of the address."""
    request = context.get("request")
    query = request.GET.copy() if request is not None else None

    def address(number: int) -> str:
        if query is None:
            return f"?{name}={number}"
        query[name] = str(number)
        return f"?{query.urlencode()}"

    return {
        "page": page,
        "previous": address(page.previous_page_number()) if page.has_previous() else "",
        "next": address(page.next_page_number()) if page.has_next() else "",
    }


# --- Forms --------------------------------------------------------------------------------------


@register.inclusion_tag("components/_field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A form field with its label, help and errors; the widget gets the look of its kind."""
    widget = bound.field.widget
    # ChoiceWidget is the base of radios and of lists of check boxes, and of plain selects too.
    grouped = isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple)
    kind = "group" if grouped else "check" if isinstance(widget, forms.CheckboxInput) else "input"
    classes = {"group": "checks", "check": "checkbox", "input": "input"}[kind]
    attrs: dict[str, str | bool] = {"class": f"{widget.attrs.get('class', '')} {classes}".strip()}
    return {"field": bound, "kind": kind, "control": bound.as_widget(attrs=attrs)}


@register.inclusion_tag("components/_form_body.html")
def form_body(form: forms.BaseForm) -> dict[str, Any]:
    """All fields of a form, with what is wrong with it as a whole."""
    return {"form": form}


# --- The frame ----------------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def theme_attribute(context: Context) -> SafeString | str:
    """`data-theme` for the html element, when the person chose one; else the system decides."""
    request = context.get("request")
    theme = request.COOKIES.get("theme", "") if request is not None else ""
    return format_html(' data-theme="{}"', theme) if theme in THEMES else ""


@register.simple_tag(takes_context=True)
def csrf_meta(context: Context) -> SafeString | str:
    """The token for scripts: the cookie itself is not readable by them."""
    value = context.get("csrf_token")
    # What Django's context processor says where there is no request.
    if not value or value == "NOTPROVIDED":
        return ""
    return format_html('<meta name="csrf-token" content="{}">', value)


@register.inclusion_tag("components/_messages.html", takes_context=True)
def flash_messages(context: Context) -> dict[str, Any]:
    """What the last request has to say, as banners."""
    tones = {"warning": "warn", "error": "error", "success": "", "info": "", "debug": ""}
    icons = {"warning": "warn", "error": "warn", "success": "done"}
    return {
        "banners": [
            {
                "text": str(message),
                "tone": tones.get(message.level_tag, ""),
                "icon": icons.get(message.level_tag, "info"),
            }
            for message in context.get("messages") or ()
        ]
    }


@register.inclusion_tag("components/_account.html", takes_context=True)
def account_menu(context: Context) -> dict[str, Any]:
    """The theme, and the button of the account's menu; for strangers only the theme."""
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return {"known": False, "name": "", "initials": ""}
    return {"known": True, "name": user.name, "initials": initials(user.name)}


@register.filter
def initials(name: str) -> str:
    """Two letters for a name: "Mei Lin" is ML, "alice" is AL."""
    words = name.replace(".", " ").replace("_", " ").replace("-", " ").split() or ["?"]
    letters = words[0][:2] if len(words) == 1 else "".join(word[0] for word in words[:2])
    return letters.upper()
