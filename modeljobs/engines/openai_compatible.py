"""Any server that speaks OpenAI's HTTP API: chat completions, completions, models.

The server's word is not trusted: its replies are bounded in size and time, checked in shape, and
never followed elsewhere. Proxies named in the environment are not used, because the list of
allowed hosts would then say nothing about who reads the prompts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from modeljobs.engines.base import (
    EMPTY,
    Capabilities,
    CompletionRequest,
    EnginePermanent,
    EngineReply,
    EngineTransient,
)
from modeljobs.engines.keys import Secret, check_host, resolve_key, show_origin
from modeljobs.engines.rates import RateLimit, estimate_tokens, share_limit
from modeljobs.engines.wire import BadReply, build_body, clean_text, read_models, read_reply

__all__ = ["OpenAICompatibleEngine", "ServedModel", "ServerSettings", "resolve_key"]

# What a failing server has to say is read up to here, and shown up to there.
ERROR_BODY_BYTES = 65_536
ERROR_SHOWN_CHARACTERS = 300
# For short questions, such as for a text's tokens, while all slots wait for answers.
SPARE_CONNECTIONS = 16
TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
# Words by which servers say that the prompt is longer than the model's context.
OVERFLOW_WORDS = (
    *("context length", "context_length", "context window", "context size", "maximum context"),
    *("max_model_len", "maximum model length"),
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the server is and how to treat it. `key_name` names an environment variable's key.

    `timeout_s` is for the whole exchange; `extra_body` is added to every request as it stands.
    """

    base_url: str
    model: str
    key_name: str = ""
    revision: str = ""
    timeout_s: float = 600.0
    connect_timeout_s: float = 10.0
    max_concurrency: int = 64
    max_response_bytes: int = 32 * 1024 * 1024
    uses_max_completion_tokens: bool = False
    context_length: int | None = None
    extra_body: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    # What the server knows beyond the common API: vLLM's fields (see `wire.build_body`).
    returns_token_ids: bool = False
    continues_final_message: bool = False
    # Whether a request's form is sent: "off", or "json_schema" as `response_format`.
    structured_output: str = "off"
    # What may be asked within any minute, by this process; None is no bound.
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @property
    def limit_field(self) -> str:
        """What this server calls the bound on the answer's length in chats."""
        return "max_completion_tokens" if self.uses_max_completion_tokens else "max_tokens"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that a server offers, and its context length where the server says."""

    name: str
    context_length: int | None = None


class OpenAICompatibleEngine:
    """Asks one model of one server. To be made, used and closed within one event loop."""

    kind = "openai_compatible"

    def __init__(
        self,
        settings: ServerSettings,
        *,
        environ: Mapping[str, str],
        limit: RateLimit | None = None,
    ) -> None:
        """`limit` is a bound of its own; without it, the process's own for this server and key."""
        self._settings = settings
        url = check_host(settings.base_url, environ)
        self._key: Secret | None = resolve_key(settings.key_name, settings.base_url, environ)
        self._origin = show_origin(url)
        self._base = _add_version(url)
        self._slots = asyncio.Semaphore(settings.max_concurrency)
        self._limit = limit or share_limit(
            (self._origin, settings.key_name, settings.model),
            requests_per_minute=settings.requests_per_minute,
            tokens_per_minute=settings.tokens_per_minute,
        )
        headers = {
            # A compressed reply could be far larger than what was counted on the wire.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": "prm-workbench",
        }
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        # True once the server refused a request for its schema alone.
        self._refuses_schema = False
        self._client = httpx.AsyncClient(
            headers=headers,
            follow_redirects=False,
            trust_env=False,
            verify=_read_authorities(environ.get("SSL_CERT_FILE", "")),
            timeout=httpx.Timeout(
                settings.timeout_s, connect=settings.connect_timeout_s, pool=None
            ),
            limits=httpx.Limits(max_connections=settings.max_concurrency + SPARE_CONNECTIONS),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(server={self._origin!r}, model={self.name!r})"

    @property
    def name(self) -> str:
        return self._settings.model

    @property
    def revision(self) -> str:
        return self._settings.revision

    @property
    def is_scripted(self) -> bool:
        return False

    @property
    def capabilities(self) -> Capabilities:
        """What the API defines; a server may fall short of it, and only a call will tell."""
        return Capabilities(
            logprobs=True,
            n=True,
            token_ids=self._settings.returns_token_ids,
            chat=True,
            completions=True,
            json_schema=self._holds_to_schema,
            context_length=self._settings.context_length,
        )

    @property
    def _holds_to_schema(self) -> bool:
        return self._settings.structured_output == "json_schema" and not self._refuses_schema

    def describe(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "revision": self.revision,
            "is_scripted": False,
            "base_url": str(self._base),
            "key_name": self._settings.key_name,
            "extra_body": dict(self._settings.extra_body),
            "structured_output": "refused"
            if self._refuses_schema
            else self._settings.structured_output,
        }

    async def complete(self, request: CompletionRequest) -> EngineReply:
        """The answer. One that came without the log-probabilities asked for has None for them: what
        that means is for whoever asked to say.

        A server that refuses the form is asked without it, then and from then on.
        """
        holds_to_schema = request.form is not None and self._holds_to_schema
        try:
            return await self._ask(request, holds_to_schema=holds_to_schema)
        except EnginePermanent as error:
            if not (holds_to_schema and error.code == "bad_request"):
                raise
        reply = await self._ask(request, holds_to_schema=False)
        # Only now is it known that the form was what it refused.
        self._refuses_schema = True
        return reply

    async def _ask(self, request: CompletionRequest, *, holds_to_schema: bool) -> EngineReply:
        settings = self._settings
        path = "chat/completions" if request.messages else "completions"
        body = build_body(
            request,
            model=settings.model,
            limit_field=settings.limit_field,
            extra=settings.extra_body,
            prompt_ids=await self._encode_prompt(request),
            returns_token_ids=settings.returns_token_ids,
            continues_final_message=settings.continues_final_message,
            holds_to_schema=holds_to_schema,
        )
        async with self._slots, self._wait_for_turn(request) as report:
            started = time.monotonic()
            document = await self._exchange("POST", path, content=json.dumps(body).encode())
            latency_ms = round((time.monotonic() - started) * 1000)
        try:
            reply = read_reply(document, request=request, latency_ms=latency_ms)
        except BadReply as error:
            raise self._refuse_reply(str(error)) from None
        report(reply)
        return reply

    async def _encode_prompt(self, request: CompletionRequest) -> tuple[int, ...] | None:
        """The raw prompt's tokens, or None to send its text. All of it must have come as tokens:
        this server cannot be asked for the rest.
        """
        if not (self._settings.returns_token_ids and request.pieces):
            return None
        ids: list[int] = []
        for piece in request.pieces:
            if piece.token_ids is None:
                return None
            ids += piece.token_ids
        return tuple(ids)

    @contextlib.asynccontextmanager
    async def _wait_for_turn(
        self, request: CompletionRequest
    ) -> AsyncIterator[Callable[[EngineReply], None]]:
        """Wait until the server may be asked; the function takes what the request really cost."""
        limit = self._limit
        if limit is None:
            yield lambda reply: None
            return
        async with limit.hold(estimate_tokens(request)) as place:

            def report(reply: EngineReply) -> None:
                if reply.prompt_tokens is not None and reply.completion_tokens is not None:
                    limit.correct(place, reply.prompt_tokens + reply.completion_tokens)

            yield report

    async def list_models(self) -> tuple[ServedModel, ...]:
        """The models that the server says it has."""
        document = await self._exchange("GET", "models")
        try:
            return tuple(ServedModel(*found) for found in read_models(document))
        except BadReply as error:
            raise self._refuse_reply(str(error)) from None

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _exchange(self, verb: str, path: str, *, content: bytes | None = None) -> Any:
        """The parsed body of a good answer. A path that begins with / is the server's own, beside
        the versioned API.
        """
        if path.startswith("/"):
            above = self._base.path.rstrip("/").rpartition("/")[0]
            url = self._base.copy_with(path=f"{above}{path}")
        else:
            url = self._base.copy_with(path=f"{self._base.path}{path}")
        limit = self._settings.max_response_bytes
        async with (
            self._translate_errors(),
            self._client.stream(verb, url, content=content) as response,
        ):
            if response.status_code != 200:
                raw, _ = await _read_up_to(response, ERROR_BODY_BYTES)
                raise self._explain_status(response, raw)
            encoding = response.headers.get("content-encoding", "identity")
            if encoding != "identity":
                shown = self._show(encoding)
                raise self._refuse_reply(f"is encoded as {shown} though nobody asked for it")
            raw, is_whole = await _read_up_to(response, limit)
        if not is_whole:
            raise EnginePermanent(
                f"The reply of {self._origin} is larger than {limit:,} bytes and was not read on. "
                "Ask for fewer tokens, or raise the engine's reply size limit.",
                code="reply_too_large",
            )
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            shown = self._show(raw.decode("utf-8", "replace"))
            raise self._refuse_reply(f"is not JSON: {shown}") from None

    @contextlib.asynccontextmanager
    async def _translate_errors(self) -> AsyncIterator[None]:
        """Failures of the connection become ours; what they say is shown with the key masked."""
        seconds = self._settings.timeout_s
        try:
            # httpx bounds each read; a server that drips one byte at a time needs a bound on all.
            async with asyncio.timeout(seconds):
                yield
        except (TimeoutError, httpx.TimeoutException) as error:
            what = "connect" if isinstance(error, httpx.ConnectTimeout) else "answer"
            within = self._settings.connect_timeout_s if what == "connect" else seconds
            raise EngineTransient(
                f"The server {self._origin} did not {what} within {within:g} seconds.",
                code="timeout",
            ) from None
        except httpx.TransportError as error:
            shown = self._show(str(error) or type(error).__name__)
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise EnginePermanent(
                    f"The certificate of {self._origin} is not to be trusted: {shown}. Name your "
                    "own authority's file in SSL_CERT_FILE if it is yours.",
                    code="bad_certificate",
                ) from None
            raise EngineTransient(
                f"The connection to {self._origin} failed: {shown}.", code="connection"
            ) from None

    def _explain_status(
        self, response: httpx.Response, raw: bytes
    ) -> EnginePermanent | EngineTransient:
        """The error that an answer other than 200 stands for."""
        status = response.status_code
        if 300 <= status < 400:
            target = self._show(response.headers.get("location", ""))
            return EnginePermanent(
                f"The server {self._origin} answered {status} and points to {target}. Redirects "
                "are not followed: set the base URL to the address that answers.",
                code="redirect",
                status=status,
            )
        said = self._show(_find_message(raw))
        if status in TRANSIENT_STATUSES or status >= 500:
            return EngineTransient(
                f"The server {self._origin} answered {status}: {said}.",
                code="rate_limited" if status == 429 else "server_error",
                status=status,
                retry_after=parse_retry_after(
                    response.headers.get("retry-after", ""), date=response.headers.get("date", "")
                ),
            )
        fixes = {
            401: ("wrong_key", " Check the engine's key."),
            403: ("wrong_key", " Check the engine's key and what it may be used for."),
            404: ("not_found", " Check the base URL and the model's name."),
        }
        code, fix = fixes.get(status, ("bad_request", ""))
        if any(word in said.lower() for word in OVERFLOW_WORDS):
            code, fix = "context_overflow", " Ask for fewer tokens, or use a longer context."
        return EnginePermanent(
            f"The server {self._origin} refused the request with {status}: {said}.{fix}",
            code=code,
            status=status,
        )

    def _refuse_reply(self, what: str) -> EnginePermanent:
        return EnginePermanent(f"The reply of {self._origin} {what}.", code="bad_reply")

    def _show(self, text: str) -> str:
        """A server's words as part of a message: one line, bounded, with the key masked."""
        line = " ".join("".join(c if c.isprintable() else " " for c in clean_text(text)).split())
        # Masked before it is cut, so that no half of a key survives the cutting.
        masked = self._key.redact(line) if self._key else line
        if len(masked) > ERROR_SHOWN_CHARACTERS:
            masked = masked[:ERROR_SHOWN_CHARACTERS] + "…"
        return repr(masked) if masked else "(nothing)"


def parse_retry_after(value: str, *, date: str = "") -> float | None:
    """Seconds to wait by a Retry-After header: a number, or a date; None where it is neither.

    A date is read against the reply's own Date header, so that a wrong clock here does not matter.
    """
    value = value.strip()
    try:
        seconds = float(value)
    except ValueError:
        until, since = _parse_date(value), _parse_date(date) or datetime.now(UTC)
        if until is None:
            return None
        seconds = (until - since).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _parse_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _add_version(url: httpx.URL) -> httpx.URL:
    """The address with `/v1/` at its end, unless its path ends in some version already."""
    parts = [part for part in url.path.split("/") if part]
    if not parts or not (parts[-1][0] == "v" and parts[-1][1:].isdigit()):
        parts.append("v1")
    return url.copy_with(path="/" + "/".join(parts) + "/")


def _read_authorities(path: str) -> ssl.SSLContext | bool:
    """Whose certificates to believe: the operator's file, or the usual authorities."""
    if not path:
        return True
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise EnginePermanent(
            f"The file {path!r} named in SSL_CERT_FILE cannot be read: {error.strerror}.",
            code="bad_certificate",
        ) from None


async def _read_up_to(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """The body, and whether that was all of it."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > limit:
            chunks.append(chunk[: len(chunk) - (size - limit)])
            return b"".join(chunks), False
        chunks.append(chunk)
    return b"".join(chunks), True


def _find_message(raw: bytes) -> str:
    """What the server says is wrong: its JSON's message where it has one, else its body."""
    text = raw.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        while isinstance(found, dict) and name in found:
            found = found[name]
    return found if isinstance(found, str) else text
