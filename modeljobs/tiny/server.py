"""An OpenAI-compatible HTTP server over a tiny model, on this machine alone.

`/v1/models`, `/v1/completions` and `/v1/chat/completions`, without streaming. Of vLLM's additions
it knows prompts as token ids, `top_k`, `return_token_ids` and `include_stop_str_in_output`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from modeljobs.tiny.model import TinyModel
from modeljobs.tiny.runtime import Batcher, ContextOverflow, Generation
from modeljobs.tiny.sampling import SamplingPlan, TokenScore
from modeljobs.tiny.tokenizer import Tokenizer, encode_chat

BODY_LIMIT = 4 * 1024 * 1024
# As OpenAI's API has it where a completion's length is left open.
COMPLETION_TOKENS = 16
ANSWERS_LIMIT = 256
ALTERNATIVES_LIMIT = 64


class BadRequest(Exception):
    """The request is refused; the message is what the client reads."""

    def __init__(self, message: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Question:
    """A request's body, read and checked."""

    prompts: tuple[tuple[int, ...], ...]
    plan: SamplingPlan
    is_chat: bool
    returns_ids: bool


class TinyServer:
    """Serves one model. `port` 0 takes a free one; `url` says which it is.

    Binds the local address only: there is neither a key nor a limit on who asks.
    """

    def __init__(self, model: TinyModel, *, port: int = 0, slots: int = 16) -> None:
        self.model = model
        self.model_name = f"tiny-{model.name}"
        self.batcher = Batcher(model, slots=slots)
        self._numbers = count(1)
        server = self

        class Handler(_Handler):
            owner = server

        self._http = _QuietServer(("127.0.0.1", port), Handler)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def serve_forever(self) -> None:
        """Answer until `close` is called from another thread, or the process is interrupted."""
        self._http.serve_forever(poll_interval=0.1)

    def start(self) -> None:
        """Answer in a thread of its own, for tests."""
        self._thread = threading.Thread(target=self.serve_forever, name="tiny-server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self.batcher.close()

    def list_models(self) -> dict[str, Any]:
        shape = self.model.shape
        entry = {
            "id": self.model_name,
            "object": "model",
            "created": 0,
            "owned_by": "prm-workbench",
            "max_model_len": shape.context_length,
        }
        return {"object": "list", "data": [entry]}

    def answer(self, body: Mapping[str, Any], *, is_chat: bool) -> dict[str, Any]:
        """The reply to one request, or BadRequest."""
        question = read_question(body, self.model, self.model_name, is_chat=is_chat)
        try:
            futures = [
                self.batcher.submit(list(prompt), question.plan) for prompt in question.prompts
            ]
        except ContextOverflow as error:
            raise BadRequest(str(error), code="context_length_exceeded") from None
        except ValueError as error:
            raise BadRequest(str(error)) from None
        answers = [future.result() for future in futures]
        return self._build_reply(question, answers)

    def _build_reply(
        self, question: Question, answers: Sequence[Sequence[Generation]]
    ) -> dict[str, Any]:
        tokenizer = self.model.tokenizer
        choices = [
            _build_choice(tokenizer, question, prompt, answer)
            for prompt, given in zip(question.prompts, answers, strict=True)
            for answer in given
        ]
        for index, choice in enumerate(choices):
            choice["index"] = index
        prompt_tokens = sum(len(prompt) for prompt in question.prompts)
        made = sum(len(answer.token_ids) for given in answers for answer in given)
        kind, prefix = (
            ("chat.completion", "chatcmpl")
            if question.is_chat
            else (
                "text_completion",
                "cmpl",
            )
        )
        reply: dict[str, Any] = {
            "id": f"{prefix}-{next(self._numbers)}",
            "object": kind,
            "created": int(time.time()),
            "model": self.model_name,
            "choices": choices,
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": made,
                "total_tokens": prompt_tokens + made,
            },
        }
        if question.returns_ids and question.is_chat:
            reply["prompt_token_ids"] = list(question.prompts[0])
        return reply


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    # Many clients may knock at once; the usual backlog of five would turn them away.
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    owner: TinyServer
    protocol_version = "HTTP/1.1"
    # A client that falls silent must not hold its thread for ever.
    timeout = 120

    def do_GET(self) -> None:  # noqa: N802 (the name is http.server's)
        if self.path.rstrip("/") == "/v1/models":
            self._send(200, self.owner.list_models())
        else:
            self._refuse(BadRequest(f"There is nothing at {self.path}.", status=404))

    def do_POST(self) -> None:  # noqa: N802
        try:
            body = self._read_body()
            if self.path not in ("/v1/completions", "/v1/chat/completions"):
                raise BadRequest(f"There is nothing at {self.path}.", status=404)
            reply = self.owner.answer(body, is_chat=self.path == "/v1/chat/completions")
        except BadRequest as error:
            self._refuse(error)
        else:
            self._send(200, reply)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests hold people's texts; nothing of them is written down."""

    def _read_body(self) -> dict[str, Any]:
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            self.close_connection = True
            raise BadRequest("The request does not say how long it is.", status=411) from None
        if not 0 <= length <= BODY_LIMIT:
            self.close_connection = True
            raise BadRequest(f"The request is larger than {BODY_LIMIT:,} bytes.", status=413)
        try:
            body = json.loads(self.rfile.read(length))
        except (ValueError, RecursionError):
            raise BadRequest("The request is not JSON.") from None
        if not isinstance(body, dict):
            raise BadRequest("The request is not a JSON object.")
        return body

    def _refuse(self, error: BadRequest) -> None:
        kind = "NotFoundError" if error.status == 404 else "BadRequestError"
        shown = {"message": error.message, "type": kind, "param": None, "code": error.code}
        self._send(error.status, {"error": shown})

    def _send(self, status: int, document: Mapping[str, Any]) -> None:
        raw = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@contextmanager
def run_server(model: TinyModel, *, slots: int = 16) -> Iterator[TinyServer]:
    """A server on a free port, for as long as the block runs."""
    server = TinyServer(model, slots=slots)
    server.start()
    try:
        yield server
    finally:
        server.close()


def read_question(
    body: Mapping[str, Any], model: TinyModel, model_name: str, *, is_chat: bool
) -> Question:
    """What a request asks for, or BadRequest with what is wrong about it."""
    wanted = body.get("model", model_name)
    if wanted not in (model_name, model.name):
        raise BadRequest(f"The model {wanted!r} does not exist.", status=404)
    if body.get("stream"):
        raise BadRequest("This server does not stream.")
    prompts = _read_chat(body, model.tokenizer) if is_chat else _read_prompts(body, model.tokenizer)
    return Question(
        prompts=prompts,
        plan=_read_plan(body, is_chat=is_chat),
        is_chat=is_chat,
        returns_ids=_read(body, "return_token_ids", bool, default=False),
    )


def _read_chat(body: Mapping[str, Any], tokenizer: Tokenizer) -> tuple[tuple[int, ...], ...]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("'messages' is a list with at least one message.")
    pairs: list[tuple[str, str]] = []
    for message in messages:
        if not isinstance(message, dict):
            raise BadRequest("Each of 'messages' is an object.")
        role, content = message.get("role"), message.get("content")
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise BadRequest("Each message has a role and a content that is a string.")
        pairs.append((role, content))
    return (tuple(encode_chat(tokenizer, pairs)),)


def _read_prompts(body: Mapping[str, Any], tokenizer: Tokenizer) -> tuple[tuple[int, ...], ...]:
    """A text, a list of token ids, or a list of either."""
    prompt = body.get("prompt")
    if isinstance(prompt, str):
        return (tuple(tokenizer.encode(prompt)),)
    if not isinstance(prompt, list) or not prompt or len(prompt) > ANSWERS_LIMIT:
        raise BadRequest("'prompt' is a text, a list of token ids, or a list of these.")
    if all(isinstance(one, str) for one in prompt):
        return tuple(tuple(tokenizer.encode(one)) for one in prompt)
    lists = prompt if all(isinstance(one, list) for one in prompt) else [prompt]
    for ids in lists:
        if not all(type(one) is int and 0 <= one < len(tokenizer) for one in ids):
            raise BadRequest(f"Token ids are whole numbers from 0 to {len(tokenizer) - 1}.")
    return tuple(tuple(ids) for ids in lists)


def _read_plan(body: Mapping[str, Any], *, is_chat: bool) -> SamplingPlan:
    stop = body.get("stop") or []
    stops = (stop,) if isinstance(stop, str) else tuple(stop) if isinstance(stop, list) else None
    if stops is None or not all(isinstance(one, str) and one for one in stops):
        raise BadRequest("'stop' is a text or a list of texts.")
    limit = _read(body, "max_tokens", int, default=None)
    if is_chat:
        limit = _read(body, "max_completion_tokens", int, default=limit)
    elif limit is None:
        limit = COMPLETION_TOKENS
    plan = SamplingPlan(
        temperature=_read(body, "temperature", float, default=1.0),
        top_p=_read(body, "top_p", float, default=1.0),
        top_k=_read(body, "top_k", int, default=0),
        max_tokens=limit,
        n=_read(body, "n", int, default=1),
        seed=_read(body, "seed", int, default=None),
        stop=stops,
        include_stop=_read(body, "include_stop_str_in_output", bool, default=False),
        logprobs=_read_alternatives(body, is_chat=is_chat),
    )
    problems = {
        "temperature": plan.temperature >= 0,
        "top_p": 0 < plan.top_p <= 1,
        "n": 1 <= plan.n <= ANSWERS_LIMIT,
        "max_tokens": limit is None or limit >= 1,
        "seed": plan.seed is None or plan.seed >= 0,
        "logprobs": plan.logprobs is None or 0 <= plan.logprobs <= ALTERNATIVES_LIMIT,
    }
    for name, is_good in problems.items():
        if not is_good:
            raise BadRequest(f"{name!r} is out of range: {body.get(name)!r}.")
    return plan


def _read_alternatives(body: Mapping[str, Any], *, is_chat: bool) -> int | None:
    """Chats say whether they want log-probabilities, and apart from it how many."""
    if not is_chat:
        made: int | None = _read(body, "logprobs", int, default=None)
        return made
    if not _read(body, "logprobs", bool, default=False):
        return None
    many: int = _read(body, "top_logprobs", int, default=0)
    return many


def _read(body: Mapping[str, Any], name: str, kind: type, *, default: Any) -> Any:
    value = body.get(name)
    if value is None:
        return default
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise BadRequest(f"{name!r} is not of the type {kind.__name__}: {value!r}.")
    return value


def _build_choice(
    tokenizer: Tokenizer, question: Question, prompt: Sequence[int], answer: Generation
) -> dict[str, Any]:
    choice: dict[str, Any] = {
        "finish_reason": answer.finish_reason,
        "stop_reason": answer.stop_reason,
    }
    if question.is_chat:
        choice["message"] = {"role": "assistant", "content": answer.text}
        choice["logprobs"] = _write_chat_scores(tokenizer, answer.scores)
    else:
        choice["text"] = answer.text
        choice["logprobs"] = _write_scores(tokenizer, answer.scores)
    if question.returns_ids:
        choice["token_ids"] = list(answer.token_ids)
        if not question.is_chat:
            choice["prompt_token_ids"] = list(prompt)
    return choice


def _write_scores(
    tokenizer: Tokenizer, scores: Sequence[TokenScore] | None
) -> dict[str, Any] | None:
    """The shape of completions: parallel lists. The token itself is among its alternatives."""
    if scores is None:
        return None
    tokens = [tokenizer.decode([score.token_id]) for score in scores]
    offsets = [0]
    for token in tokens:
        offsets.append(offsets[-1] + len(token))
    return {
        "tokens": tokens,
        "token_logprobs": [score.logprob for score in scores],
        "top_logprobs": [
            {tokenizer.decode([number]): logprob for number, logprob in score.top}
            | {token: score.logprob}
            for token, score in zip(tokens, scores, strict=True)
        ],
        "text_offset": offsets[:-1],
    }


def _write_chat_scores(
    tokenizer: Tokenizer, scores: Sequence[TokenScore] | None
) -> dict[str, Any] | None:
    """The shape of chats: a list of objects."""
    if scores is None:
        return None
    return {
        "content": [
            _write_chat_token(tokenizer, score.token_id, score.logprob)
            | {
                "top_logprobs": [
                    _write_chat_token(tokenizer, number, logprob) for number, logprob in score.top
                ]
            }
            for score in scores
        ]
    }


def _write_chat_token(tokenizer: Tokenizer, number: int, logprob: float) -> dict[str, Any]:
    return {
        "token": tokenizer.decode([number]),
        "logprob": logprob,
        "bytes": list(tokenizer.bytes_of(number)),
    }
