"""What there is to be read: `{% load guidance %}`

`{% guidelines_unread project user as unread %}` `{{ taxonomy|taxonomy_title }}`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.urls import Resolver404, resolve

from labeling.models import Project, Taxonomy, User
from labeling.selectors.guidance import Unread, find_unread, name_taxonomy

register = template.Library()


@register.simple_tag
def guidelines_unread(project: Project | Mapping[str, Any], user: object) -> Unread:
    """Is there something that the person has not marked as read? "new", "changed" or "".

    `project` is one, or what a page of work knows of one, with its `guidelines_url`.
    """
    if not isinstance(user, User) or user.pk is None:
        return ""
    if isinstance(project, Project):
        return find_unread(project.slug, user)
    try:
        slug = resolve(project["guidelines_url"]).kwargs["slug"]
    except (KeyError, Resolver404):
        return ""
    return find_unread(slug, user)


@register.filter
def taxonomy_title(taxonomy: Taxonomy) -> str:
    """The title of a taxonomy in the reader's language."""
    return name_taxonomy(taxonomy)
