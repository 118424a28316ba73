"""Machine evidence on pages that browse a project. `{% load evidence %}{% solution_evidence %}`"""

from __future__ import annotations

from django import template
from django.template.context import Context
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from labeling import panels

register = template.Library()


@register.simple_tag(takes_context=True)
def solution_evidence(context: Context) -> SafeString:
    """What every panel has to say of the context's `solution`."""
    rendered = (
        (panel.render_solution(solution=context["solution"], user=context["user"]),)
        for panel in panels.list_panels()
    )
    return format_html_join("\n", "{}", rendered)
