"""The pages of comments: on an item, over a project, to oneself; as forms and as fragments."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Comment, Membership, Mention
from labeling.services.assignments import claim_item
from labeling.services.comments import add_comment, reply, resolve
from tests.labeling.factories import enqueue, make_injection_item, make_solution
from tests.labeling.web.helpers import (
    ATTACK,
    check_html,
    count_queries,
    make_rated,
    make_verified,
    read,
    sign_in,
    words_of,
)


@pytest.fixture
def item(project):
    return enqueue(make_solution(project))


@pytest.fixture
def held(item, bob):
    return claim_item(user=bob, item=item)


@pytest.fixture
def desk(project):
    return reverse("labeling:comments", args=[project.slug])


@pytest.fixture
def mine(held):
    """The page of bob's assignment."""
    return reverse("labeling:assignment-comments", args=[held.pk])


@pytest.fixture
def whole(item):
    """The page of the item, for those who browse."""
    return reverse("labeling:item-comments", args=[item.pk])


def say(item, by, text="Is this a rounding?", **more):
    return add_comment(item=item, by=by, text=text, idempotency_key=uuid.uuid4(), **more)


def html_of(response):
    """What came back, whatever its status."""
    return response.content.decode()


def form(action="add", **more):
    return {"action": action, "key": str(uuid.uuid4()), **more}


def test_it_works(annotator: Client, lead: Client, mine, desk, alice):
    sent = form(text="Is $1+1=2$ a step?", position="1", reason="guidelines", names=[alice.pk])
    answer = annotator.post(mine, sent)
    comment = Comment.objects.get()
    assert answer["Location"] == f"{mine}#comment-{comment.pk}"
    assert (comment.position, comment.reason, comment.kind) == (1, "guidelines", "flag")
    assert "step 2" in words_of(annotator.get(mine))
    assert "The guidelines leave it open" in words_of(lead.get(desk))
    assert "Is $1+1=2$ a step?" in words_of(lead.get(reverse("labeling:comments-to-you")))


def test_who_may_open(everyone: dict[str, Client], mine, whole, desk):
    roles = ("lead", "annotator", "adjudicator", "engineer", "outsider", "nobody")

    def statuses(address):
        return [everyone[role].get(address).status_code for role in roles]

    assert statuses(mine) == [404, 200, 404, 404, 404, 302]
    assert statuses(whole) == [200, 403, 200, 200, 404, 302]
    assert statuses(desk) == [200, 403, 200, 403, 404, 302]
    assert statuses(reverse("labeling:comments-to-you")) == [200, 200, 200, 200, 200, 302]


def test_no_page_takes_a_post_without_its_token(mine, whole, desk, bob, alice):
    for person, address in ((bob, mine), (alice, whole), (alice, desk)):
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(person)
        assert strict.post(address, form(text="x")).status_code == 403


# --- On an item ---------------------------------------------------------------------------------


def test_another_reviewer_sees_no_trace(item, held, mine, bob, erin, annotator: Client):
    theirs = reverse("labeling:assignment-comments", args=[claim_item(user=erin, item=item).pk])
    annotator.post(mine, form(text="Step 2 is wrong.", reason="problem"))
    first = Comment.objects.get()
    client = sign_in(erin)
    assert "Step 2 is wrong." not in read(client.get(theirs))
    for action in ("reply", "resolve", "withdraw"):
        refused = client.post(theirs, form(action, comment=first.pk, text="x"))
        assert refused.status_code == 404
        assert "Step 2 is wrong." not in html_of(refused)
    assert "Step 2 is wrong." not in read(client.get(reverse("labeling:comments-to-you")))


def test_a_comment_of_another_item_is_not_answered_here(item, whole, lead: Client, alice):
    other = say(enqueue(make_solution(item.project, "other")), alice)
    assert lead.post(whole, form("reply", comment=other.pk, text="x")).status_code == 404


def test_a_thread_from_question_to_undo(mine, whole, annotator: Client, lead: Client):
    annotator.post(mine, form(text="Is it rounded?"))
    first = Comment.objects.get()
    lead.post(whole, form("reply", comment=first.pk, text="It is."))
    assert "It is." in words_of(annotator.get(mine))
    assert Mention.objects.get().person.username == "bob"
    lead.post(whole, form("resolve", comment=first.pk))
    assert "Resolved by" in words_of(annotator.get(mine))
    lead.post(whole, form("reopen", comment=first.pk))
    assert "Resolved by" not in words_of(annotator.get(mine))
    annotator.post(mine, form("withdraw", comment=first.pk))
    words = words_of(lead.get(whole))
    assert "This was withdrawn." in words
    assert "Is it rounded?" not in words


def test_a_form_sent_twice_counts_once(mine, annotator: Client):
    sent = form(text="Once.")
    assert [annotator.post(mine, sent).status_code for _ in range(2)] == [302, 302]
    assert Comment.objects.count() == 1


def test_everybody_is_reached_by_the_desk_alone(mine, whole, annotator: Client, lead: Client):
    assert 'name="everyone"' not in read(annotator.get(mine))
    refused = annotator.post(mine, form(text="Hear!", everyone="on"))
    assert refused.status_code == 403
    lead.post(whole, form(text="Hear!", everyone="on"))
    assert "Hear!" in words_of(annotator.get(mine))


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ""},
        {"text": "x" * 4001},
        {"text": "x", "position": "77"},
        {"text": "x", "position": "one"},
        {"text": "x", "names": ["me"]},
        {"text": "x", "names": ["999"]},
        {"text": "x", "reason": "boredom"},
        {"text": "x", "action": "shout"},
        {"text": "x", "key": "1"},
        {"text": "x\x00"},
    ],
    ids=lambda wrong: "-".join(wrong),
)
def test_a_refused_form_keeps_its_words(mine, annotator: Client, wrong):
    page = annotator.post(mine, form() | wrong)
    assert page.status_code == 400
    html = html_of(page)
    check_html(html)
    assert 'role="alert"' in html
    assert wrong["text"].strip("\x00") in html
    assert not Comment.objects.exists()


def test_a_refused_answer_keeps_its_words_where_they_were(mine, annotator: Client, item, alice):
    first = say(item, alice, audience="everyone")
    page = annotator.post(mine, form("reply", comment=first.pk, text="x" * 4001))
    html = html_of(page)
    check_html(html)
    assert html.count("x" * 4001) == 1
    assert '<details class="reply" open>' in html


def test_a_fragment_is_the_panel_alone(mine, annotator: Client):
    html = read(annotator.get(f"{mine}?fragment=panel"))
    assert html.lstrip().startswith('<div class="comments"')
    answer = annotator.post(f"{mine}?fragment=panel", form(text="Quick."))
    assert answer.status_code == 200
    assert f'data-done="{Comment.objects.get().pk}"' in read(answer)
    refused = annotator.post(f"{mine}?fragment=panel", form(text=" "))
    assert refused.status_code == 400
    assert "data-refusal" in html_of(refused)


def test_hostile_text_is_text(item, mine, whole, desk, bob, alice, held, annotator, lead):
    User = type(bob)
    User.objects.filter(pk=bob.pk).update(display_name=ATTACK)
    Membership.objects.filter(user=alice).update(pseudonym="<b>Wren</b>")
    annotator.post(mine, form(text=f"{ATTACK} $x<y$ \u202e evil", names=[alice.pk]))
    lead.post(whole, form("reply", comment=Comment.objects.get().pk, text=ATTACK))
    for client, address in (
        (annotator, mine),
        (annotator, reverse("labeling:comments-to-you")),
        (lead, whole),
        (lead, f"{desk}?state=all"),
        (lead, f"{desk}?state=all&q=%3Cscript%3E"),
        (lead, reverse("labeling:comments-to-you") + "?state=all"),
    ):
        html = read(client.get(address))
        assert ATTACK in check_html(html)
        assert ATTACK not in html
        assert "<b>Wren" not in html


# --- On the pages of what is judged -------------------------------------------------------------


def test_the_pages_of_a_solution_and_an_injection_hold_the_thread(project, bob, erin, alice, lead):
    solution = make_rated(project, [bob, erin])
    injection = make_verified(project, [bob, erin])
    (rated,) = solution.review_items.all()
    (verified,) = injection.modified.review_items.all()
    say(rated, bob, "Of the steps.")
    say(verified, erin, "Of the claim.")
    steps = words_of(lead.get(reverse("labeling:solution", args=[solution.pk])))
    assert "Of the steps." in steps
    assert "Of the claim." in words_of(lead.get(reverse("labeling:injection", args=[injection.pk])))
    dispute = rated.disputes.get()
    page = read(lead.get(reverse("labeling:dispute", args=[dispute.pk])))
    check_html(page)
    assert f"/items/{rated.pk}/comments/?fragment=panel" in page


def test_what_a_lead_holds_is_blind_on_the_solutions_page_too(item, held, bob, alice, lead):
    say(item, bob, "Step 2 is wrong.")
    page = reverse("labeling:solution", args=[item.solution_id])
    assert "Step 2 is wrong." in words_of(lead.get(page))
    claim_item(user=alice, item=item)
    assert "Step 2 is wrong." not in words_of(lead.get(page))


def test_a_long_thread_asks_no_more(item, held, mine, bob, alice, annotator, lead):
    page = reverse("labeling:solution", args=[item.solution_id])
    first = say(item, bob, names=[alice.pk])
    few = count_queries(annotator, mine), count_queries(lead, page)
    for _index in range(8):
        reply(to=first, by=alice, text="And?", idempotency_key=uuid.uuid4())
        say(item, alice, audience="everyone", names=[bob.pk])
    assert (count_queries(annotator, mine), count_queries(lead, page)) == few


# --- Over a project -----------------------------------------------------------------------------


def test_the_list_begins_with_open_flags(desk, item, held, bob, alice, lead: Client):
    say(item, bob, "No type fits.", reason="taxonomy")
    say(item, bob, "A question.")
    resolve(comment=say(item, bob, "Solved."), by=bob)
    for query, there in (
        ("", "No type fits."),
        ("?state=open&kind=comment", "A question."),
        ("?state=resolved&kind=", "Solved."),
        ("?state=open&kind=flag&reason=taxonomy", "No type fits."),
        ("?state=nonsense&kind=nonsense&reason=nonsense", "No type fits."),
    ):
        words = words_of(lead.get(f"{desk}{query}"))
        for text in ("No type fits.", "A question.", "Solved."):
            assert (text in words) == (text == there), query
    nav = lead.get(desk).context["nav"]
    assert {entry["label"]: entry["count"] for entry in nav}["Comments"] == 1


def test_it_is_empty_with_a_reason(desk, lead: Client):
    assert "No flag is open" in words_of(lead.get(desk))
    assert "Nothing fits this filter" in words_of(lead.get(f"{desk}?state=open&kind=flag&q=x"))
    assert "There is nothing here yet" in words_of(lead.get(f"{desk}?state=resolved"))
    assert "Nothing new" in words_of(lead.get(reverse("labeling:comments-to-you")))


def test_a_flag_is_settled_from_the_list(desk, item, held, bob, lead: Client):
    flag = say(item, bob, reason="other")
    sent = {"comment": flag.pk, "state": "open", "kind": "flag", "q": "round", "reason": "other"}
    answer = lead.post(desk, sent | {"action": "resolve"})
    assert answer["Location"] == f"{desk}?state=open&kind=flag&q=round&reason=other"
    flag.refresh_from_db()
    assert flag.resolved_at is not None
    assert "resolved already" in words_of(lead.post(desk, sent, follow=True))
    lead.post(desk, sent | {"action": "reopen"})
    flag.refresh_from_db()
    assert flag.resolved_at is None
    for wrong in ("", "x", "9" * 30, str(flag.pk + 1)):
        assert lead.post(desk, {"comment": wrong}).status_code == 404


def test_an_injections_comment_leads_to_the_injection(project, bob, desk, lead: Client):
    item = make_injection_item(project)
    claim_item(user=bob, item=item)
    flag = say(item, bob, reason="other")
    address = reverse("labeling:injection", args=[item.solution.injection.pk])
    assert f"{address}#comment-{flag.pk}" in read(lead.get(desk))


def test_a_long_list_asks_no_more(desk, item, held, bob, alice, lead: Client):
    say(item, bob, reason="other", names=[alice.pk])
    to_you = reverse("labeling:comments-to-you")
    few = count_queries(lead, desk), count_queries(lead, to_you)
    for index in range(8):
        more = enqueue(make_solution(item.project, f"more-{index}"))
        claim_item(user=bob, item=more)
        first = say(more, bob, reason="other", names=[alice.pk])
        reply(to=first, by=bob, text="Hm.", idempotency_key=uuid.uuid4())
    assert (count_queries(lead, desk), count_queries(lead, to_you)) == few


# --- To oneself ---------------------------------------------------------------------------------


def test_new_comments_are_counted_at_the_top(item, held, bob, alice, annotator: Client):
    home = reverse("labeling:home")
    assert "new comment to you" not in read(annotator.get(home))
    say(item, alice, names=[bob.pk])
    assert 'aria-label="1 new comment to you"' in read(annotator.get(home))
    assert 'href="/comments/"' in read(annotator.get(home))


def test_opening_one_marks_it_as_read(item, held, mine, bob, alice, annotator: Client):
    comment = say(item, alice, names=[bob.pk])
    to_you = reverse("labeling:comments-to-you")
    mention = Mention.objects.get()
    answer = annotator.post(to_you, {"action": "open", "id": mention.pk})
    assert answer["Location"] == f"{mine}#comment-{comment.pk}"
    assert "Nothing new" in words_of(annotator.get(to_you))
    assert "Is this a rounding?" in words_of(annotator.get(f"{to_you}?state=all"))


def test_reading_the_list_marks_nothing(item, held, bob, alice, annotator: Client):
    say(item, alice, names=[bob.pk])
    annotator.get(reverse("labeling:comments-to-you"))
    assert Mention.objects.get().seen_at is None


def test_marking_as_read(item, held, bob, alice, annotator: Client, lead: Client):
    to_you = reverse("labeling:comments-to-you")
    for _index in range(3):
        say(item, alice, names=[bob.pk])
    first, *others = Mention.objects.order_by("pk")
    # Nobody marks what was written to somebody else.
    assert lead.post(to_you, {"action": "seen", "id": first.pk}).status_code == 404
    annotator.post(to_you, {"action": "seen", "id": first.pk})
    assert Mention.objects.filter(seen_at__isnull=True).count() == len(others)
    assert "marked as read" in words_of(annotator.post(to_you, {"action": "seen-all"}, follow=True))
    assert not Mention.objects.filter(seen_at__isnull=True).exists()


def test_one_on_an_item_that_one_cannot_open_is_read_where_it_stands(
    item, bob, alice, annotator: Client
):
    say(item, alice, "Would you like this one?", names=[bob.pk])
    to_you = reverse("labeling:comments-to-you")
    words = words_of(annotator.get(to_you))
    assert "Would you like this one?" in words
    assert "Open and answer" not in words
    mention = Mention.objects.get()
    answer = annotator.post(to_you, {"action": "open", "id": mention.pk})
    assert answer["Location"] == to_you
