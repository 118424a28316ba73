"""GenPRM end to end: the shipped tiny model, the real worker and the real sandbox, in a browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Watch
from tests.e2e.conftest import Demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

# The demo's job has 16 solutions, each step judged four times over.
DONE_MS = 240_000
RUN_MS = 90_000


def test_steps_are_verified_and_their_code_can_be_run_again(demo: Demo, browser: Browser):
    context = browser.new_context(base_url=demo.system.url, storage_state=demo.session)
    watch = Watch()
    watch.follow(context)
    page = context.new_page()
    page.goto("/projects/demo/jobs/")
    page.get_by_role("link", name=re.compile("Verify steps with GenPRM")).last.click()
    page.evaluate("globalThis.sameDocument = true")
    expect(page.get_by_text("tiny arithmetic model").first).to_be_visible()
    expect(page.get_by_text("16 of 16")).to_be_visible(timeout=DONE_MS)
    # It was watched: nothing was loaded anew.
    assert page.evaluate("globalThis.sameDocument") is True
    expect(page.get_by_text("Nothing has failed.")).to_be_visible()

    page.get_by_role("link", name="All items").click()
    page.locator("a[href^='/job-items/']").first.click()
    step = page.locator("main")
    expect(step.get_by_text("Checked with Python, run in the sandbox.").first).to_be_visible()
    expect(step.get_by_text(re.compile("mean P\\(Yes\\)")).first).to_be_visible()
    editor = page.locator("[data-trial]").first
    editor.locator("xpath=ancestor::details[1]").locator("summary").first.click()
    editor.locator("[data-trial-code]").fill("print(6 * 7, 'by a person')")
    editor.locator("[data-trial-run]").click()
    expect(page.get_by_text("42 by a person").first).to_be_visible(timeout=RUN_MS)
    assert watch.take() == []
    context.close()
