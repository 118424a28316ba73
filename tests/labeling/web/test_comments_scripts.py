"""What the script adds to comments, in a real browser, under the policy that is in force."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import expect

from labeling.models import Comment, Dispute, Project, ReviewItem, User
from labeling.services.assignments import claim_item
from labeling.services.comments import add_comment
from tests.e2e.people import await_item
from tests.labeling.factories import enqueue, make_solution
from tests.labeling.web.helpers import ATTACK, make_rated

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATIENCE_MS = 10_000


@pytest.fixture
def window(open_page: Callable[..., Page], live_server: Any) -> Callable[..., Page]:
    """Opens a window in which this person is signed in."""

    def make(person: User, **options: Any) -> Page:
        client = Client()
        client.force_login(person)
        page = open_page(base_url=live_server.url, **options)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}]
        )
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        return page

    return make


@pytest.fixture
def item(project: Project, bob: User) -> ReviewItem:
    item = enqueue(make_solution(project))
    claim_item(user=bob, item=item)
    return item


def say(item: ReviewItem, by: User, text: str = "Is it rounded?", **more: Any) -> Comment:
    return add_comment(item=item, by=by, text=text, idempotency_key=uuid.uuid4(), **more)


def test_a_thread_goes_on_without_leaving_the_page(window, item, bob, alice):
    say(item, bob, f"Is $\\frac{{1}}{{3}}$ {ATTACK}?")
    page = window(alice)
    page.goto(f"/solutions/{item.solution_id}/")
    page.evaluate("window.stays = true")
    page.locator("summary", has_text="Answer").click()
    page.get_by_label("Your answer").fill("It is, $x<y$.")
    page.get_by_role("button", name="Send the answer").click()
    page.locator(".thread .comment", has_text="It is,").wait_for()
    # It came with its mathematics, and without any element of theirs.
    page.locator(".thread .comment__text math").first.wait_for()
    assert page.locator(".comment__text img, .comment__text script").count() == 0
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("Resolved by alice.").wait_for()
    page.get_by_role("button", name="Open it again").click()
    page.get_by_role("button", name="Resolve").wait_for()
    assert page.evaluate("window.stays")


def test_a_click_twice_is_one_comment(window, item, alice):
    page = window(alice)
    page.goto(f"/items/{item.pk}/comments/")
    page.get_by_label("Your words").fill("Once.")
    page.get_by_role("button", name="Send", exact=True).dblclick()
    page.locator(".thread", has_text="Once.").wait_for()
    page.reload()
    assert page.locator(".thread").count() == 1


def test_offline_the_words_stay_and_are_sent_later(window, item, alice):
    page = window(alice)
    page.goto(f"/items/{item.pk}/comments/")
    page.get_by_label("Your words").fill("Not lost.")
    page.context.set_offline(True)
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_text("It could not be sent.").wait_for()
    assert page.get_by_label("Your words").input_value() == "Not lost."
    page.context.set_offline(False)
    page.get_by_role("button", name="Send", exact=True).click()
    page.locator(".thread", has_text="Not lost.").wait_for()
    assert Comment.objects.count() == 1


def test_what_is_being_written_elsewhere_outlives_an_answer(window, item, bob, alice):
    say(item, bob)
    page = window(alice)
    page.goto(f"/items/{item.pk}/comments/")
    page.get_by_label("Your words").fill("Half a thought")
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("Resolved by alice.").wait_for()
    assert page.get_by_label("Your words").input_value() == "Half a thought"


def test_the_panel_opens_beside_a_decision(window, project, bob, erin, carol):
    solution = make_rated(project, [bob, erin])
    dispute = Dispute.objects.get(item__solution=solution)
    say(dispute.item, bob, "About step 3.")
    page = window(carol)
    page.goto(f"/disputes/{dispute.pk}/")
    page.get_by_role("button", name="Comments").click()
    panel = page.locator("#comments-panel")
    panel.get_by_text("About step 3.").wait_for()
    # It is about the step that one is at.
    current = page.locator("[aria-current=step]").get_attribute("data-position")
    assert panel.get_by_label("About").input_value() == current
    panel.get_by_label("Your words").fill("e 1 2 3: all keys are words here")
    panel.get_by_role("button", name="Send", exact=True).click()
    panel.locator(".thread", has_text="all keys are words").wait_for()
    page.keyboard.press("Escape")
    panel.wait_for(state="hidden")


def test_without_script_everything_is_a_form(window, item, bob, alice):
    say(item, bob, names=[alice.pk])
    page = window(alice, java_script_enabled=False)
    page.goto("/comments/")
    page.get_by_role("button", name="Open and answer").click()
    page.locator("summary", has_text="Answer").click()
    page.get_by_label("Your answer").fill("It is.")
    page.get_by_role("button", name="Send the answer").click()
    page.locator(".comment", has_text="It is.").wait_for()
    assert page.url.endswith(f"#comment-{Comment.objects.latest('pk').pk}")


# --- Beside one's work ----------------------------------------------------------------------------


@pytest.fixture
def desk(window, item, bob) -> Page:
    """Bob at the item that he holds; his keys act."""
    page: Page = window(bob)
    held = item.assignments.get(annotator=bob)
    page.goto(f"/assignments/{held.pk}/")
    await_item(page)
    return page


def find_words(page: Page) -> Any:
    return page.locator("#comments-panel [data-comment-words]")


def test_a_comment_on_a_step_by_key_alone(desk, item, bob):
    desk.keyboard.press("j")
    desk.keyboard.press("c")
    # Nothing typed at once is lost, nor is any of it a key of the page.
    desk.keyboard.type("1 e 3: is this rounded?")
    expect(find_words(desk)).to_have_value("1 e 3: is this rounded?")
    expect(find_words(desk)).to_be_focused()
    assert desk.get_by_label("About").input_value() == "1"
    desk.keyboard.press("Control+Enter")
    desk.locator(".thread", has_text="is this rounded?").wait_for()
    [said] = Comment.objects.all()
    assert (said.item, said.author, said.position) == (item, bob, 1)
    # The next one is about the step too, unless one says otherwise.
    assert desk.get_by_label("About").input_value() == "1"
    desk.keyboard.press("Escape")
    expect(desk.locator("#comments-panel")).to_be_hidden()
    expect(desk.locator("#step-2")).to_be_focused()
    assert desk.locator("[name^=rating-]:checked").count() == 0


def test_keys_go_on_beside_the_panel(desk):
    desk.get_by_role("button", name="Comments").first.click()
    find_words(desk).wait_for()
    desk.locator("#step-1").focus()
    desk.keyboard.press("1")
    expect(desk.locator("[name=rating-0][value='1']")).to_be_checked()
    # The key leads into the panel, about the step that one is at by now.
    desk.keyboard.press("c")
    expect(find_words(desk)).to_be_focused()
    assert desk.get_by_label("About").input_value() == "1"


def test_what_is_not_sent_is_kept_in_the_browser(desk, item, window, bob, alice):
    desk.keyboard.press("c")
    find_words(desk).wait_for()
    desk.get_by_label("About").select_option("2")
    desk.get_by_label("Flag it for the leads").select_option("problem")
    find_words(desk).fill("Half a thought")
    desk.keyboard.press("Escape")
    desk.reload()
    await_item(desk)
    desk.keyboard.press("c")
    expect(find_words(desk)).to_have_value("Half a thought")
    assert desk.get_by_label("About").input_value() == "2"
    assert desk.get_by_label("Flag it for the leads").input_value() == "problem"
    desk.get_by_role("button", name="Send", exact=True).click()
    desk.locator(".thread", has_text="Half a thought").wait_for()
    expect(find_words(desk)).to_have_value("")
    desk.reload()
    await_item(desk)
    desk.keyboard.press("c")
    desk.locator(".thread", has_text="Half a thought").wait_for()
    expect(find_words(desk)).to_have_value("")
    assert Comment.objects.get().reason == "problem"


def test_what_is_kept_is_nobody_elses(desk, item, alice):
    desk.keyboard.press("c")
    find_words(desk).wait_for()
    find_words(desk).fill("Between bob and his browser")
    client = Client()
    client.force_login(alice)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    url = desk.url.split("/assignments")[0]
    desk.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": url}])
    desk.goto(f"/items/{item.pk}/comments/")
    expect(desk.get_by_label("Your words")).to_have_value("")


def test_an_answer_that_was_lost_on_its_way_counts_once(desk):
    """The server took the comment, but its answer never came; it is sent again after a reload."""
    desk.keyboard.press("c")
    find_words(desk).wait_for()
    find_words(desk).fill("Once")

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    desk.route("**/comments/?fragment=panel", lose, times=1)
    desk.get_by_role("button", name="Send", exact=True).click()
    desk.get_by_text("It could not be sent.").wait_for()
    assert Comment.objects.count() == 1
    desk.reload()
    await_item(desk)
    desk.keyboard.press("c")
    expect(find_words(desk)).to_have_value("Once")
    desk.get_by_role("button", name="Send", exact=True).click()
    expect(find_words(desk)).to_have_value("")
    assert Comment.objects.count() == 1


def test_what_is_written_while_it_is_sent_is_not_lost(desk):
    desk.keyboard.press("c")
    find_words(desk).wait_for()
    find_words(desk).fill("One")

    def answer_late(route: Any) -> None:
        response = route.fetch()
        find_words(desk).press_sequentially(" and more")
        route.fulfill(response=response)

    desk.route("**/comments/?fragment=panel", answer_late, times=1)
    desk.keyboard.press("Control+Enter")
    desk.locator(".thread", has_text="One").wait_for()
    expect(find_words(desk)).to_have_value("One and more")
    expect(find_words(desk)).to_be_focused()
    assert Comment.objects.get().text == "One"


def test_a_refused_comment_has_the_cursor_again(desk):
    desk.keyboard.press("c")
    find_words(desk).wait_for()
    find_words(desk).fill("   ")
    desk.keyboard.press("Control+Enter")
    desk.locator("[data-refusal]").get_by_role("alert").wait_for()
    expect(find_words(desk)).to_be_focused()
    assert not Comment.objects.exists()


def test_a_panel_that_cannot_be_loaded_keeps_what_was_typed(desk):
    desk.context.set_offline(True)
    desk.keyboard.press("c")
    desk.keyboard.type("Soon")
    desk.get_by_text("The comments could not be loaded.").wait_for()
    desk.keyboard.press("Escape")
    desk.context.set_offline(False)
    desk.keyboard.press("c")
    expect(find_words(desk)).to_have_value("Soon")


def test_the_button_says_how_many_threads_are_open(desk, item, bob, erin, alice):
    assert "open" not in desk.locator(".topbar").inner_text()
    say(item, bob)
    # What a peer of his says is not his to read while he judges, nor to count.
    erin_item = claim_item(user=erin, item=item)
    assert erin_item.pk
    say(item, erin)
    say(item, alice, audience="everyone")
    desk.reload()
    await_item(desk)
    button = desk.locator(".topbar").get_by_role("button", name="Comments")
    assert button.locator(".badge").inner_text() == "2"
    assert "2 open" in (button.text_content() or "")


def test_panels_open_one_at_a_time(desk):
    desk.keyboard.press("c")
    find_words(desk).wait_for()
    desk.locator("#step-1").focus()
    desk.keyboard.press("g")
    expect(desk.locator("#guidelines-panel")).to_be_visible()
    expect(desk.locator("#comments-panel")).to_be_hidden()
