"""Saying, answering, settling, withdrawing; and the rule as a query, held to the rule."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling.comment_rules import MAX_TEXT
from labeling.models import Assignment, AuditEvent, Comment, Membership, Mention
from labeling.selectors.comments import (
    ThreadFilters,
    count_open_flags,
    count_unseen,
    find_comment,
    find_item,
    get_panel,
    list_comments,
    list_mentions,
    list_threads,
    readable_by,
    view_comment,
    with_names,
)
from labeling.services.assignments import claim_item, skip
from labeling.services.comments import (
    add_comment,
    mark_seen,
    reopen,
    reply,
    resolve,
    withdraw,
)
from labeling.services.members import remove_member
from tests.labeling.factories import enqueue, join, make_project, make_solution, make_user
from workbench.errors import Conflict, InvalidInput, NotAllowed, NotFound


@pytest.fixture
def item(project):
    return enqueue(make_solution(project))


@pytest.fixture
def held(item, bob, erin):
    """The item in the hands of both reviewers."""
    return {person: claim_item(user=person, item=item) for person in (bob, erin)}


def say(item, by, text="Is this a rounding?", **more):
    return add_comment(item=item, by=by, text=text, idempotency_key=uuid.uuid4(), **more)


def answer(to, by, text="No.", **more):
    return reply(to=to, by=by, text=text, idempotency_key=uuid.uuid4(), **more)


def texts(item, person):
    return [one.text for thread in get_panel(item, person).threads for one in thread.comments]


def named(comment):
    return {mention.person.username for mention in comment.mentions.select_related("person")}


def test_it_works(item, held, bob, alice):
    comment = say(item, bob, "Is $0.33$ a mistake?\r\nOr not?", position=1)
    assert (comment.voice, comment.kind, comment.position) == ("peer", "comment", 1)
    assert texts(item, bob) == texts(item, alice) == ["Is $0.33$ a mistake?\nOr not?"]


# --- Blinding -----------------------------------------------------------------------------------


def test_a_reviewer_learns_nothing_from_another(item, held, bob, erin, alice, carol):
    first = say(item, bob, "Step 2 is wrong.")
    answer(first, alice, "I think so too.")
    say(item, carol, "They will differ.")
    assert texts(item, erin) == []
    with pytest.raises(NotFound):
        find_comment(erin, first.pk)
    # Whom the lead answered sees the answer, and nobody else does.
    assert texts(item, bob) == ["Step 2 is wrong.", "I think so too."]


def test_it_opens_when_the_item_is_settled(item, held, bob, erin, alice):
    first = say(item, bob, "Step 2 is wrong.")
    say(item, alice, "Both are slow.")
    Assignment.objects.update(state="submitted")
    assert texts(item, erin) == []
    item.state = "decided"
    item.save()
    assert texts(item, erin) == ["Step 2 is wrong."]
    # Opened again, it is blind again.
    item.state = "disputed"
    item.save()
    assert texts(item, erin) == []
    assert find_comment(alice, first.pk) == first


def test_what_is_meant_for_everyone_reaches_the_reviewers(item, held, bob, erin, alice):
    say(item, alice, "Take $n$ as a whole number.", audience="everyone")
    assert texts(item, bob) == texts(item, erin) == ["Take $n$ as a whole number."]


def test_a_lead_who_holds_the_item_is_a_reviewer_of_it(item, alice, bob, erin):
    claim_item(user=bob, item=item)
    flag = say(item, bob, "Step 2 is wrong.", reason="guidelines")
    held = claim_item(user=alice, item=item)
    assert texts(item, alice) == []
    assert count_open_flags(item.project, alice) == 0
    with pytest.raises(NotAllowed):
        say(item, alice, "Look at step 2!", audience="everyone")
    assert say(item, alice, "Mine.").voice == "peer"
    skip(assignment=held, lease_token=held.lease_token, reason="I lead")
    assert count_open_flags(item.project, alice) == 1
    assert find_comment(alice, flag.pk) == flag


def test_a_role_that_is_given_later_opens_nothing_that_was_said_before(
    item, held, bob, erin, alice
):
    say(item, bob, "Step 2 is wrong.")
    join(item.project, bob, Membership.Role.LEAD)
    assert texts(item, erin) == []


def test_the_query_says_what_the_rule_says(project, item, held, alice, bob, carol, erin, frank):
    """Every reader, every kind of comment, in every state of the item and of its assignments."""
    other = enqueue(make_solution(project, "other"))
    outsider = make_user("outsider")
    boss = make_user("boss", is_superuser=True)
    for where in (item, other):
        for person in (alice, bob, carol, erin, frank):
            first = say(where, person)
            if person in (alice, carol):
                say(where, person, audience="everyone")
                say(where, person, names=[bob.pk, frank.pk])
                answer(first, person, names=[erin.pk])
            else:
                say(where, person, names=[alice.pk], reason="other")
                withdraw(comment=say(where, person), by=person)
    for state in ("waiting", "disputed", "agreed", "decided", "discarded"):
        for hold in ("open", "submitted", "expired", "skipped"):
            item.state = other.state = state
            item.save()
            other.save()
            Assignment.objects.filter(annotator=erin).update(state=hold)
            for person in (alice, bob, carol, erin, frank, boss):
                for where in (item, other):
                    # Somebody who never had the item and cannot browse has no page of it.
                    by_rule = {
                        one.id for row in get_panel(where, person).threads for one in row.comments
                    }
                    by_query = set(
                        readable_by(person).filter(item=where).values_list("pk", flat=True)
                    )
                    assert by_query == by_rule, (person.username, state, hold)
            assert not readable_by(outsider).exists()


def test_a_former_member_reads_nothing(item, held, bob, alice):
    say(item, alice, "Well done.", names=[bob.pk])
    remove_member(membership=Membership.objects.get(user=bob), by=alice)
    assert not readable_by(bob).exists()
    assert count_unseen(bob) == 0


def test_whoever_never_had_the_item_cannot_speak_of_it(item, bob, dave, frank):
    for person in (bob, dave):
        with pytest.raises(NotFound):
            find_item(person, item.pk)
    assert find_item(frank, item.pk) == item
    claim_item(user=bob, item=item)
    assert find_item(bob, item.pk) == item


# --- Names --------------------------------------------------------------------------------------


def test_names_are_birds_where_the_project_hides_them(item, held, bob, alice):
    say(item, bob)
    bird = Membership.objects.get(user=bob).pseudonym

    def author_for(person):
        (thread,) = get_panel(item, person).threads
        return thread.comments[0].author

    assert author_for(alice) == bird
    assert author_for(bob) == "bob"
    type(item.project).objects.update(hide_names=False)
    item.project.refresh_from_db()
    assert author_for(alice) == "bob"


def test_a_reviewer_names_leads_and_no_others(item, held, bob, erin, carol, alice):
    birds = dict(Membership.objects.values_list("user__username", "pseudonym"))
    assert [one.name for one in get_panel(item, bob).nameable] == [birds["alice"]]
    text = f"@{birds['erin']} @{birds['carol']} @{birds['alice']} look"
    assert named(say(item, bob, text)) == {"alice"}
    for person in (erin, carol):
        with pytest.raises(InvalidInput):
            say(item, bob, names=[person.pk])


def test_a_user_name_tells_nothing_where_names_are_hidden(item, held, bob, alice):
    # A reviewer could try names until one is taken, and know whose bird it is.
    assert named(say(item, bob, "@alice?")) == set()
    assert named(say(item, alice, "@bob, @ERIN.")) == {"bob", "erin"}
    type(item.project).objects.update(hide_names=False)
    item.project.refresh_from_db()
    assert named(say(item, bob, "@alice?")) == {"alice"}


def test_an_answer_is_addressed_to_whom_it_answers(item, held, bob, alice, carol):
    first = say(item, bob)
    assert named(answer(first, alice)) == {"bob"}
    asked = say(item, carol, "Why?", names=[bob.pk])
    # A reviewer may not name an adjudicator, but answers one who spoke to them.
    assert named(answer(asked, bob, "Because.")) == {"carol"}
    assert named(answer(first, bob, "Thanks.")) == set()


def test_nobody_falls_out_of_a_conversation(item, held, bob, erin, alice, carol):
    first = say(item, bob)
    one = answer(first, alice, "One.")
    # A second word after one's own, and another's after that, reach who asked too.
    two = answer(one, alice, "Two.")
    assert named(two) == {"bob"}
    assert named(answer(two, carol, "Three.")) == {"alice", "bob"}
    assert len(texts(item, bob)) == 4
    assert texts(item, erin) == []


def test_an_answer_to_one_reviewer_goes_to_no_other(item, held, bob, erin, alice):
    asked = say(item, alice, names=[bob.pk, erin.pk])
    his = answer(asked, bob, "Step 2 is wrong.")
    assert named(his) == {"alice"}
    assert named(answer(his, alice, "Right.")) == {"bob"}
    assert texts(item, erin) == ["Is this a rounding?"]


def test_everyone_hears_an_answer_only_where_everyone_heard_the_question(item, held, bob, alice):
    private, public = say(item, bob), say(item, alice, audience="everyone")
    with pytest.raises(InvalidInput):
        answer(private, alice, "Step 2 is right.", audience="everyone")
    assert answer(public, alice, "Really.", audience="everyone").audience == "everyone"
    assert answer(answer(public, bob, "Step 2?"), alice, "Yes.").audience == "desk"


# --- What may be said ---------------------------------------------------------------------------


def test_sent_twice_is_said_once(item, bob, held):
    key = uuid.uuid4()
    one, two = (
        add_comment(item=item, by=bob, text=text, idempotency_key=key) for text in ("a", "b")
    )
    assert one == two
    assert Comment.objects.get().text == "a"


def test_sent_twice_at_once_is_said_once(item, bob, held, monkeypatch):
    key = uuid.uuid4()
    first = add_comment(item=item, by=bob, text="a", idempotency_key=key)
    looks = iter([None, first])
    # The other request's row is not there yet when this one looks for it.
    monkeypatch.setattr("labeling.services.comments._find_said", lambda by, key: next(looks))
    assert add_comment(item=item, by=bob, text="a", idempotency_key=key) == first
    assert Comment.objects.count() == 1


def test_two_people_may_have_one_key(item, held, bob, erin):
    key = uuid.uuid4()
    for person in (bob, erin):
        add_comment(item=item, by=person, text="a", idempotency_key=key)
    assert Comment.objects.count() == 2


@pytest.mark.parametrize("text", ["", " \r\n\t", "\x00", "x" * (MAX_TEXT + 1)])
def test_too_little_and_too_much(item, held, bob, text):
    with pytest.raises(InvalidInput) as refused:
        say(item, bob, text)
    assert refused.value.extra["field"] == "text"


def test_a_step_that_is_not_there(item, held, bob):
    for position in (-1, 3):
        with pytest.raises(InvalidInput):
            say(item, bob, position=position)


def test_a_reason_that_is_not_there(item, held, bob):
    with pytest.raises(InvalidInput):
        say(item, bob, reason="boredom")


def test_an_audience_that_is_not_there(item, held, alice):
    with pytest.raises(InvalidInput):
        say(item, alice, audience="world")


@pytest.mark.parametrize(
    "broken",
    [
        {"text": ""},
        {"kind": "flag"},
        {"reason": "other"},
        {"voice": "peer", "audience": "everyone"},
        {"voice": "ghost"},
        {"resolved_at": timezone.now()},
    ],
    ids=lambda broken: "-".join(broken),
)
def test_the_database_refuses(item, held, bob, broken):
    comment = say(item, bob)
    with pytest.raises(IntegrityError), transaction.atomic():
        Comment.objects.filter(pk=comment.pk).update(**broken)


# --- Settling and withdrawing -------------------------------------------------------------------


def test_a_lead_settles_and_undoes_it_on_record(item, held, bob, alice):
    flag = say(item, bob, "This is wrong.", reason="problem")
    settled = resolve(comment=flag, by=alice)
    assert (settled.resolved_by, count_open_flags(item.project, alice)) == (alice, 0)
    with pytest.raises(Conflict):
        resolve(comment=flag, by=alice)
    assert reopen(comment=flag, by=alice).resolved_at is None
    with pytest.raises(Conflict):
        reopen(comment=flag, by=alice)
    events = AuditEvent.objects.filter(verb__startswith="comment.").order_by("pk")
    assert [event.verb for event in events] == ["comment.resolved", "comment.reopened"]
    assert all("wrong" not in str(event.detail) for event in events)


def test_a_reviewer_settles_their_own_question_but_no_flag(item, held, bob, alice):
    question, flag = say(item, bob), say(item, bob, reason="other")
    theirs = say(item, alice, audience="everyone")
    assert resolve(comment=question, by=bob).resolved_by == bob
    for comment in (flag, theirs):
        with pytest.raises(NotAllowed):
            resolve(comment=comment, by=bob)


def test_an_answer_is_not_settled_by_itself(item, held, bob, alice):
    with pytest.raises(InvalidInput):
        resolve(comment=answer(say(item, bob), alice), by=alice)


def test_what_is_withdrawn_is_kept_and_hidden(item, held, bob, alice):
    flag = say(item, bob, "Oh no.", reason="technical", names=[alice.pk])
    with pytest.raises(NotAllowed):
        withdraw(comment=flag, by=alice)
    withdraw(comment=flag, by=bob)
    again = withdraw(comment=flag, by=bob).withdrawn_at
    assert again is not None
    assert Comment.objects.get().text == "Oh no."
    assert texts(item, alice) == [""]
    assert texts(item, bob) == ["Oh no."]
    # It waits for nobody any more, and its words are not to be found.
    assert count_unseen(alice) == count_open_flags(item.project, alice) == 0
    found = list_threads(item.project, alice, ThreadFilters(state="all", text="Oh"))
    assert not found.exists()


# --- Comments to oneself ------------------------------------------------------------------------


def test_who_is_named_is_told_until_they_have_seen_it(item, held, bob, alice):
    say(item, alice, "Well spotted.", names=[bob.pk])
    assert count_unseen(bob) == count_unseen(bob, item_id=item.pk) == 1
    (mention,) = list_mentions(bob)
    assert mark_seen(person=alice, mention_ids=[mention.pk]) == 0
    assert mark_seen(person=bob, mention_ids=[mention.pk]) == 1
    seen_at = Mention.objects.get().seen_at
    assert mark_seen(person=bob) == 0
    assert Mention.objects.get().seen_at == seen_at
    assert count_unseen(bob) == 0
    assert list_mentions(bob).count() == 1


def test_whoever_answers_has_seen_it(item, held, bob, alice):
    first, other = (say(item, alice, names=[bob.pk]) for _ in range(2))
    answer(first, bob)
    assert [mention.comment for mention in list_mentions(bob, unseen_only=True)] == [other]


def test_what_is_said_of_an_item_in_hand_waits(item, bob, erin, alice):
    claim_item(user=bob, item=item)
    say(item, bob, "Step 2 is wrong.", names=[alice.pk])
    mine = claim_item(user=alice, item=item)
    assert count_unseen(alice) == 0
    assert mark_seen(person=alice) == 0
    skip(assignment=mine, lease_token=mine.lease_token, reason="I lead")
    assert count_unseen(alice) == 1


def test_an_archived_project_calls_nobody(item, held, bob, alice):
    say(item, alice, names=[bob.pk])
    type(item.project).objects.update(archived_at=timezone.now())
    assert count_unseen(bob) == 0


# --- Lists --------------------------------------------------------------------------------------


def test_threads_by_state_kind_reason_and_words(item, held, bob, alice):
    project = item.project
    flag = say(item, bob, "No type fits.", reason="taxonomy")
    question = say(item, bob, "Is it rounded?")
    done = resolve(comment=say(item, bob, "Solved."), by=bob)
    answer(flag, alice)

    def find(**filters):
        return set(list_threads(project, alice, ThreadFilters(**filters)))

    assert find() == {flag, question}
    assert find(kind="flag") == find(reason="taxonomy") == find(text="TYPE") == {flag}
    assert find(state="resolved") == {done}
    assert find(state="all") == {flag, question, done}
    assert find(reason="problem") == find(item=item.pk + 1) == set()
    rows: Any = list_threads(project, alice, ThreadFilters())
    assert {row.pk: row.n_replies for row in rows} == {flag.pk: 1, question.pk: 0}


def test_comments_by_the_state_of_their_thread(item, held, bob, alice):
    first = say(item, bob)
    later = answer(first, alice)
    other = say(item, bob, "Another.")
    resolve(comment=first, by=alice)

    def find(state):
        return set(list_comments(item.project, alice, ThreadFilters(state=state)))

    assert find("open") == {other}
    assert find("resolved") == {first, later}
    assert find("all") == {first, later, other}


def test_one_project_does_not_show_in_another(item, held, bob, alice):
    say(item, bob)
    second = make_project(alice, "second")
    assert not list_threads(second, alice, ThreadFilters()).exists()


def test_a_row_knows_its_step_and_whom_it_names(item, held, bob, alice):
    say(item, alice, names=[bob.pk], position=2)
    view = view_comment(with_names(Comment.objects.all()).get(), bob)
    assert (view.step, view.named, view.names_reader) == (3, ("bob",), True)
