"""The next item's page, drawn before anybody is given the item.

It is the page that a claim would bring, with stand-ins where the claim's own values go: the
assignment's number, which is in its addresses, its lease, and how much is done. A browser that has
it names the digest of what it was drawn from with the submission; where the item that is then
claimed would be drawn from the same, those values are all that the answer needs to bring.

Nothing is taken, logged or shown by drawing it. What chance decides with the claim, whether a
machine's labels stand beside the steps, is in no such page: where they do, the page is another one.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from django.utils import timezone
from django.utils.translation import get_language

from labeling.models import Assignment, ReviewItem
from labeling.selectors.comments import count_open
from labeling.selectors.guidance import find_unread
from labeling.selectors.review import get_workspace
from labeling.services.assignments import peek_next
from labeling.templatetags.workbench_ui import progress_words
from labeling.web.workspace_context import build_context

# What a claim brings, and what follows from it.
VALUES = ("assignment", "urls", "progress")
# As long as no number of an assignment is, and not to be guessed by a text that would hold it.
STAND_INS = (10**14, 10**15)


class Ahead(NamedTuple):
    """What the next page is drawn from, what to know it by, and what stands in for its values."""

    context: dict[str, Any]
    digest: str
    stand_ins: dict[str, str]


def look_ahead(held: Assignment) -> Ahead | None:
    """The page of the item that comes after this one; None where there is none to be had by now."""
    item = peek_next(held=held)
    if item is None:
        return None
    low, high = STAND_INS
    nobodys = Assignment(
        pk=low + secrets.randbelow(high - low),
        project=held.project,
        item=item,
        annotator=held.annotator,
        lease_token=uuid.uuid4(),
        lease_expires_at=timezone.now(),
    )
    if held.project.proposal_method and item.task == ReviewItem.Task.RATE_STEPS:
        # As if chance kept the machine's word back: nobody sees from here that there was one.
        nobodys.proposal = Assignment.Proposal.BLIND
    workspace = get_workspace(nobodys)
    if workspace.draft_version:
        # Somebody who has worked on it before goes on from there: that page is drawn when it comes.
        return None
    context = build_context(workspace, gaps=[])
    stand_ins = {"id": str(nobodys.pk), "lease_token": str(nobodys.lease_token)}
    return Ahead(context, digest_page(context, nobodys), stand_ins)


def digest_page(context: Mapping[str, Any], assignment: Assignment) -> str:
    """The same for two pages that differ in the values of a claim alone.

    What a template asks for itself, while it is drawn, is asked for here as well.
    """
    user = assignment.annotator
    drawn = {name: part for name, part in context.items() if name not in VALUES}
    drawn["reader"] = [user.pk, user.name, user.is_staff, get_language()]
    drawn["unread"] = find_unread(assignment.project.slug, user)
    drawn["comments"] = count_open(assignment.item_id, user)
    packed = orjson.dumps(drawn, default=str, option=orjson.OPT_SORT_KEYS)
    # Where machine evidence is opened, say.
    nobodys = packed.replace(b"/assignments/%d/" % assignment.pk, b"/assignments//")
    return hashlib.blake2b(nobodys, digest_size=16).hexdigest()


def pick_values(context: Mapping[str, Any]) -> dict[str, Any]:
    """What takes the place of the stand-ins."""
    done, total = context["progress"]["done"], context["progress"]["total"]
    return {
        "assignment": context["assignment"],
        "progress": {"done": done, "total": total, "words": progress_words(done, total)},
    }
