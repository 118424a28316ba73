"""What is known against an original, on the pages that show it. `{% load reports %}`"""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import Context

from labeling.selectors.reports import find_report

register = template.Library()


@register.inclusion_tag("labeling/_source_report.html", takes_context=True)
def source_report(context: Context, original_id: int) -> dict[str, Any]:
    """A line that says that a solution was reported as wrong, or found so; nothing where not.

    `{% source_report solution.pk %}` on a page with `project` and `can`, for those who browse it.
    """
    return {
        "report": find_report(original_id),
        "project": context["project"],
        "can": context["can"],
    }
