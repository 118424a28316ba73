"""Keys as people read them. `{% load keys %}` `{{ "shift+j"|key_sign }}` is ⇧J."""

from __future__ import annotations

from django import template

register = template.Library()

SIGNS = {
    "arrowdown": "↓",
    "arrowup": "↑",
    "arrowleft": "←",
    "arrowright": "→",
    "enter": "↵",
    "escape": "Esc",
    "delete": "Del",
    "shift": "⇧",
    "mod": "Ctrl",
}


@register.filter
def key_sign(key: str) -> str:
    """A key as it stands on a keyboard; `keySign` in help.js says the same."""
    parts = [key] if len(key) == 1 else key.split("+")
    return "".join(SIGNS.get(part, part.upper() if len(part) == 1 else part) for part in parts)
