"""Who may read which comment, and name whom: pure rules.

What is said of an item must not tell a reviewer what another one judged. So a comment has a voice:
of the desk, which leads and adjudicates, or of a peer, who reviews. The voice is fixed when it is
written, since roles change; a lead who reviews the item speaks of it as a peer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Voice = Literal["desk", "peer"]
Audience = Literal["desk", "everyone"]
Shown = Literal["hidden", "withdrawn", "open"]

# Roles as they are stored, and the states of an item in which its reviewers have had their say.
LEAD: Final = "lead"
SETTLED: Final = frozenset({"agreed", "decided", "discarded"})
MAX_TEXT: Final = 4_000
MAX_NAMED: Final = 20

HANDLE: Final = re.compile(r"(?<![\w@.+/\\-])@(\w[\w.+-]*)")


@dataclass(frozen=True, slots=True)
class Said:
    """What the rule asks of a comment, as one reader has it before them."""

    is_own: bool
    voice: Voice
    audience: Audience
    names_reader: bool
    is_withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """Where a person stands towards an item.

    `decides`: leads or adjudicates in its project. `knows_item`: browses the project, or was given
    the item once. `is_judging`: holds it now, whatever their role. `is_settled`: its reviewers
    agreed, or it was decided or discarded.
    """

    decides: bool
    knows_item: bool
    is_judging: bool
    is_settled: bool


def show_comment(said: Said, reader: Reader) -> Shown:
    """Whether a comment is there at all for this reader, and whether its words are.

    1. One's own is always there.
    2. The desk's is there for whom it names, and for all who know the item where it is meant for
       everyone; what the desk says to itself never opens to reviewers.
    3. Whoever judges the item now sees no more than that, leads too.
    4. Others who lead or adjudicate see everything; others who know the item see what peers said
       once it is settled.
    """
    if said.is_own:
        return "open"
    if not _is_there(said, reader):
        return "hidden"
    return "withdrawn" if said.is_withdrawn else "open"


def _is_there(said: Said, reader: Reader) -> bool:
    meant_for_all = said.audience == "everyone" and reader.knows_item
    if said.voice == "desk" and (said.names_reader or meant_for_all):
        return True
    if reader.is_judging:
        return False
    if reader.decides:
        return True
    return said.voice == "peer" and reader.is_settled and reader.knows_item


def pick_voice(*, decides: bool, reviews: bool) -> Voice:
    """As whom a person speaks of an item: who reviews it too is a peer of its reviewers."""
    return "desk" if decides and not reviews else "peer"


def may_name(voice: Voice, role: str) -> bool:
    """The desk names anybody; a peer names leads, never somebody who may judge the same item."""
    return voice == "desk" or role == LEAD


def may_reach(voice: Voice, audience: Audience) -> bool:
    """Only the desk speaks to everyone who works on an item."""
    return audience == "desk" or voice == "desk"


def make_handle(name: str) -> str:
    """What stands after the @ for a name: "Godwit 2" is @godwit-2."""
    return "-".join(name.casefold().split())


def find_handles(text: str) -> tuple[str, ...]:
    """What `@…` names in a text, each once, in small letters; a full stop after it is none of it.

    An address such as a@b.org names nobody, nor does a command of LaTeX.
    """
    found = (name.rstrip(".+-").casefold() for name in HANDLE.findall(text))
    return tuple(dict.fromkeys(found))
