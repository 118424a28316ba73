"""Who may read which comment: the whole table, and who may be named."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from labeling.comment_rules import (
    Reader,
    Said,
    find_handles,
    make_handle,
    may_name,
    may_reach,
    pick_voice,
    show_comment,
)


def said(voice="peer", **fields):
    values: dict[str, Any] = {"is_own": False, "audience": "desk", "names_reader": False}
    return Said(voice=voice, **(values | fields))


def reader(**fields):
    values = {"decides": False, "knows_item": True, "is_judging": False, "is_settled": False}
    return Reader(**(values | fields))


PEER = said()
NAMING = said(names_reader=True)
DESK = said("desk")
TO_READER = said("desk", names_reader=True)
TO_ALL = said("desk", audience="everyone")

JUDGING = reader(is_judging=True)
SUBMITTED = reader()
SETTLED = reader(is_settled=True)
STRANGER = reader(knows_item=False)
STRANGER_LATER = reader(knows_item=False, is_settled=True)
LEAD = reader(decides=True)
LEAD_JUDGING = reader(decides=True, is_judging=True)
# An item may be settled while somebody still holds a place of it.
LATE = reader(is_judging=True, is_settled=True)

TABLE = [
    #                 PEER   NAMING DESK   TO_READER TO_ALL
    ("judging", JUDGING, "---oo"),
    ("submitted", SUBMITTED, "---oo"),
    ("settled", SETTLED, "oo-oo"),
    ("stranger", STRANGER, "---o-"),
    ("stranger, settled", STRANGER_LATER, "---o-"),
    ("lead", LEAD, "ooooo"),
    ("lead who judges", LEAD_JUDGING, "---oo"),
    ("settled while held", LATE, "---oo"),
]


@pytest.mark.parametrize(("who", "whose", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_others_words(who, whose, expected):
    comments = (PEER, NAMING, DESK, TO_READER, TO_ALL)
    got = "".join("o" if show_comment(one, whose) == "open" else "-" for one in comments)
    assert got == expected


@pytest.mark.parametrize(("who", "whose", "_expected"), TABLE, ids=[row[0] for row in TABLE])
def test_ones_own_words_are_always_there(who, whose, _expected):
    for voice, withdrawn in itertools.product(("desk", "peer"), (True, False)):
        assert show_comment(said(voice, is_own=True, is_withdrawn=withdrawn), whose) == "open"


def test_what_was_withdrawn_is_there_without_its_words():
    assert show_comment(said(is_withdrawn=True), LEAD) == "withdrawn"
    # And it is hidden from whom it would be hidden as it stood.
    assert show_comment(said(is_withdrawn=True), JUDGING) == "hidden"


def test_no_reviewer_reads_a_peer_before_the_item_is_settled():
    flags = (True, False)
    for names, withdrawn, knows, judging in itertools.product(flags, flags, flags, flags):
        comment = said(names_reader=names, is_withdrawn=withdrawn)
        whose = Reader(decides=False, knows_item=knows, is_judging=judging, is_settled=False)
        assert show_comment(comment, whose) == "hidden"


@pytest.mark.parametrize(
    ("decides", "reviews", "voice"),
    [(True, False, "desk"), (True, True, "peer"), (False, True, "peer"), (False, False, "peer")],
)
def test_a_lead_who_reviews_the_item_speaks_as_a_peer(decides, reviews, voice):
    assert pick_voice(decides=decides, reviews=reviews) == voice


def test_a_peer_names_leads_alone():
    roles = ("lead", "adjudicator", "annotator", "engineer")
    assert [may_name("peer", role) for role in roles] == [True, False, False, False]
    assert all(may_name("desk", role) for role in roles)


def test_only_the_desk_speaks_to_everyone():
    assert may_reach("desk", "everyone")
    assert not may_reach("peer", "everyone")
    assert may_reach("peer", "desk")


@pytest.mark.parametrize(
    ("text", "handles"),
    [
        ("Ask @alice.", ("alice",)),
        ("@Alice and @bob, then @alice again", ("alice", "bob")),
        ("(@godwit-2)", ("godwit-2",)),
        ("write to a@b.org", ()),
        (r"$x \@foo$ and @@x", ()),
        ("@ nobody", ()),
        ("@名前 sees it", ("名前",)),
    ],
)
def test_handles(text, handles):
    assert find_handles(text) == handles


def test_a_name_of_two_words_has_one_handle():
    assert make_handle("Godwit 2") == "godwit-2"
    assert find_handles("@Godwit-2") == (make_handle("Godwit 2"),)
