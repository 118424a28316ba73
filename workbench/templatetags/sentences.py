"""What the core says, in the reader's language."""

from __future__ import annotations

from django import template

from workbench.messages import translate_sentence

register = template.Library()


@register.filter
def sentence(text: object) -> str:
    """`{{ lint.message|sentence }}`: the translation where there is one. Escaped like any text."""
    return translate_sentence(str(text))
