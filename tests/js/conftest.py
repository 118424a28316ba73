"""A small site for the scripts and pages: static files, made-up pages, and answers of the API.

The modules run in real Chromium under the policy that the server sets. Nothing here needs the
database: pages are rendered from records, and the API answers what a test tells it to.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "labeling" / "static"
KATEX = STATIC / "vendor" / "katex" / "katex.mjs"
# What the settings make of CONTENT_SECURITY_POLICY; tests/workbench checks that header itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css"}
SPRITE = "/static/labeling/icons/sprite.svg"
BLANK = f"<!doctype html><html lang='en' data-sprite='{SPRITE}'><title>t</title><body>"

# A machine that runs everything at once may be slow; what never comes still fails.
PATIENCE_MS = 20_000

Answer = tuple[int, Any]


@pytest.fixture(scope="session", autouse=True)
def patience() -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    sync_api.expect.set_options(timeout=PATIENCE_MS)


class Site:
    """Pages by path, API answers by method and path, and what was asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.pages: dict[str, str] = {"/blank": BLANK}
        self.answers: dict[str, Callable[[Any], Answer]] = {}
        self.calls: list[tuple[str, Any]] = []

    def bodies(self, call: str) -> list[Any]:
        """What was sent with each request, like "PUT /api/draft/", oldest first."""
        return [body for name, body in self.calls if name == call]


def _make_handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: a test's output is its assertions."""

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            file = STATIC / path.removeprefix("/static/")
            if path.startswith("/static/") and file.is_file():
                kind = TYPES.get(file.suffix, "image/svg+xml")
                self._send(200, kind, file.read_bytes())
            elif path in site.pages:
                self._send(200, "text/html; charset=utf-8", site.pages[path].encode())
            elif f"GET {self.path}" in site.answers:
                self._answer()
            else:
                self._send(404, "text/html", b"<title>nothing here</title>")

        def do_POST(self) -> None:
            if self.path == "/work":
                # The queue's page: it takes the next item and leads to it.
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(303)
                self.send_header("Location", "/next")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def do_PATCH(self) -> None:
            self._answer()

        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            name = f"{self.command} {self.path}"
            body = json.loads(raw) if raw.startswith(b"{") else raw.decode()
            site.calls.append((name, body))
            status, data = site.answers.get(name, lambda _body: (200, {}))(body)
            body = b"" if status == 204 else json.dumps(data).encode()
            self._send(status, "application/json", body)

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            # A page that was closed takes no more.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body)

    return Handler


@pytest.fixture
def site() -> Iterator[Site]:
    """The site, with a blank page and nothing else.

    Each test has its own: a page that closes sends its last draft, and it must not reach the next.
    """
    if not KATEX.is_file():
        pytest.fail(f"{KATEX} is not there; `make run` or `make test` puts it there.")
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(site))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def run(site: Site, open_page: Callable[..., Any]) -> Callable[..., Any]:
    """Runs the body of an async function on a blank page; `load(name)` gives a module.

    `run("const { keyOf } = await load('keyboard'); return keyOf(args);", {"key": "a"})`
    """
    page = open_page(base_url=site.url)
    page.goto("/blank")
    # The arrow function is made by the debugger, which the page's policy does not bind.
    load = "const load = (name) => import(`/static/labeling/js/${name}.js`);"

    def evaluate(body: str, args: Any = None) -> Any:
        return page.evaluate(f"async (args) => {{ {load} {body} }}", args)

    evaluate.page = page  # type: ignore[attr-defined]
    return evaluate


@pytest.fixture
def show(site: Site, open_page: Callable[..., Any]) -> Callable[..., Any]:
    """Renders a template, opens it, and returns the page when its script has taken over.

    The page's clock is ours: the rest of keys at the start of an item is over at once.
    """
    from django.contrib.auth import get_user_model
    from django.template.loader import render_to_string
    from django.test import RequestFactory

    def open_template(
        template: str, context: dict[str, Any], *, path: str = "/page", **options: Any
    ) -> Any:
        request = RequestFactory().get(path)
        request.user = get_user_model()(username="mei", display_name="Mei Lin")
        site.pages[path] = render_to_string(template, context, request)
        site.pages.setdefault("/next", "<!doctype html><title>next item</title>")
        page = open_page(base_url=site.url, **options)
        page.clock.install()
        page.goto(path)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("[aria-current='step']")
            page.clock.fast_forward(300)
        return page

    return open_template
