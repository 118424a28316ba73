"""Counts for the pages about injections. `{% load injections %}`"""

from __future__ import annotations

from django import template

from labeling.models import Project
from modeljobs.selection import SourceCounts, count_sources

register = template.Library()


@register.simple_tag
def sources_of(project: Project) -> SourceCounts:
    """How many of a project's solutions could have an error put into them, and were seen."""
    return count_sources(project)
