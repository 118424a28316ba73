"""Live parts: nodes of the server's part, no scripts, no request while it is pointless."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.js.conftest import Site

pytestmark = pytest.mark.browser

REFRESH = """
const { refresh } = await load("live");
const part = document.createElement("section");
part.dataset.live = "/part";
const field = document.createElement("input");
field.id = "kept";
part.append(field);
document.body.append(part);
field.focus();
const done = await refresh(part);
"""


def test_it_works(run: Callable[..., Any], site: Site) -> None:
    site.pages["/part"] = (
        "<p>outside</p><section data-live='/part'><b>861 of 1,200</b><input id='kept'></section>"
    )
    body = REFRESH + "return [part.innerText.trim(), done, document.activeElement.id];"
    assert run(body) == ["861 of 1,200", False, "kept"]


def test_the_server_ends_it(run: Callable[..., Any], site: Site) -> None:
    site.pages["/part"] = "<section data-live='/part' data-live-done>Done</section>"
    body = REFRESH + "return [done, part.hasAttribute('data-live-done')];"
    assert run(body) == [True, True]


def test_a_script_in_the_part_does_not_run(run: Callable[..., Any], site: Site) -> None:
    site.pages["/part"] = "<section data-live='/part'><script>window.ran = 1</script>x</section>"
    body = REFRESH + "return window.ran ?? 0;"
    assert run(body) == 0


def test_its_mathematics_is_rendered(run: Callable[..., Any], site: Site) -> None:
    site.pages["/part"] = "<section data-live='/part'><p data-math>so $x$</p></section>"
    body = REFRESH + "return part.querySelectorAll('math').length;"
    assert run(body) == 1


def test_an_error_leaves_what_was_there(run: Callable[..., Any], site: Site) -> None:
    body = """
    const { refresh } = await load("live");
    const part = document.createElement("section");
    part.dataset.live = "/nothing";
    part.textContent = "before";
    return [await refresh(part).catch((error) => error.message), part.textContent];
    """
    assert run(body) == ["404", "before"]


@pytest.mark.parametrize(("took", "pause"), [(0, 1000), (100, 1000), (500, 4500), (60_000, 30_000)])
def test_a_slow_server_is_asked_less_often(run: Callable[..., Any], took: int, pause: int) -> None:
    body = f"const {{ findPause }} = await load('live'); return findPause(1000, {took});"
    assert run(body) == pause
