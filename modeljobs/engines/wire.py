"""OpenAI's JSON: requests written, replies read and checked. No network here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modeljobs.engines.base import Completion, CompletionRequest, EngineReply, TokenLogprob
from modeljobs.engines.pooling import PoolingReply

# Fields that say what is asked of whom, or what of the exchange stands in the reply's text; `extra`
# must not change them behind the record's back.
OWN_FIELDS = frozenset(
    {
        *("model", "messages", "prompt", "stream", "n", "echo"),
        *("include_stop_str_in_output", "continue_final_message", "add_generation_prompt"),
    }
)
# What a database's integer column holds.
COUNT_LIMIT = 2**31 - 1
# Half of a surrogate pair cannot be written as UTF-8, and PostgreSQL stores no NUL.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class BadReply(ValueError):
    """The reply has not the shape that the API defines; the message goes on "The reply of X …"."""


def clean_text(text: str) -> str:
    """The text with what no database can store replaced by U+FFFD."""
    return UNSTORABLE.sub("\ufffd", text)


def build_body(
    request: CompletionRequest,
    *,
    model: str,
    limit_field: str,
    extra: Mapping[str, Any],
    prompt_ids: Sequence[int] | None = None,
    returns_token_ids: bool = False,
    continues_final_message: bool = False,
    holds_to_schema: bool = False,
) -> dict[str, Any]:
    """The request's JSON. Settings that are None are left to the server.

    `prompt_ids` are the raw prompt's tokens, where they are known. Two are for servers that know
    vLLM's fields: to name the sampled tokens, and to go on from a last turn by the assistant as it
    stands; others begin a turn of their own behind it, or refuse it. With `holds_to_schema` the
    request's form, if it has one, goes along as `response_format`.
    """
    sampling = request.sampling
    body: dict[str, Any] = {k: v for k, v in extra.items() if k not in OWN_FIELDS}
    body |= {"model": model, "stream": False, "n": sampling.n}
    wanted: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        limit_field if request.messages else "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
    }
    body |= {name: value for name, value in wanted.items() if value is not None}
    if request.messages:
        body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
        if continues_final_message and request.messages[-1].role == "assistant":
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        if sampling.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
    else:
        body["prompt"] = request.prompt if prompt_ids is None else list(prompt_ids)
        if sampling.logprobs is not None:
            body["logprobs"] = sampling.logprobs
        if returns_token_ids and request.pieces and prompt_ids is None:
            # The pieces hold the model's first token themselves; the server would add another.
            body.setdefault("add_special_tokens", False)
    if returns_token_ids:
        body["return_token_ids"] = True
    if holds_to_schema and request.form is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": request.form.name,
                "strict": True,
                "schema": dict(request.form.schema),
            },
        }
    return body


def read_reply(document: Any, *, request: CompletionRequest, latency_ms: int) -> EngineReply:
    """The completions of a reply, in the order of their index, or BadReply."""
    if not isinstance(document, dict):
        raise BadReply("is not a JSON object")
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices:
        raise BadReply("has no 'choices'")
    if not all(isinstance(choice, dict) for choice in choices):
        raise BadReply("has a choice that is not an object")
    given = document.get("usage")
    usage = given if isinstance(given, dict) else {}
    prompt_tokens = _read_count(usage.get("prompt_tokens"))
    completion_tokens = _read_count(usage.get("completion_tokens"))
    choices = sorted(choices, key=lambda choice: _read_count(choice.get("index")) or 0)
    is_only = len(choices) == 1
    completions = tuple(
        Completion(
            text=_read_text(choice, is_chat=bool(request.messages)),
            finish_reason=_read_string(choice.get("finish_reason")),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens if is_only else None,
            logprobs=_read_logprobs(choice.get("logprobs")),
            reasoning=_read_reasoning(choice),
            token_ids=_read_token_ids(choice.get("token_ids")),
        )
        for choice in choices[: request.sampling.n]
    )
    return EngineReply(
        completions,
        model=_read_string(document.get("model")),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        latency_ms=latency_ms,
    )


def read_models(document: Any) -> Iterator[tuple[str, int | None]]:
    """Each served model's name and context length (vLLM's `max_model_len`)."""
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise BadReply("has no list of models in 'data'")
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("id"), str):
            yield clean_text(row["id"]), _read_count(row.get("max_model_len"))


def read_tokens(document: Any) -> tuple[int, ...]:
    """The tokens of a text, as vLLM's /tokenize answers."""
    found = _read_token_ids(document.get("tokens")) if isinstance(document, dict) else None
    if found is None:
        raise BadReply("has no list of numbers in 'tokens'")
    return found


def read_pooling(document: Any, *, latency_ms: int) -> PoolingReply:
    """The scores of one text, as vLLM's /pooling answers: a row per token, or one flat list."""
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
        raise BadReply("has not the scores of exactly one text in 'data'")
    data = rows[0].get("data")
    if not isinstance(data, list):
        raise BadReply("has scores that are not a list")
    scores = tuple(
        tuple(_read_logprob(one) for one in (row if isinstance(row, list) else [row]))
        for row in data
    )
    usage = document.get("usage")
    return PoolingReply(
        scores,
        model=_read_string(document.get("model")),
        prompt_tokens=_read_count(usage.get("prompt_tokens")) if isinstance(usage, dict) else None,
        latency_ms=latency_ms,
    )


def _read_token_ids(value: Any) -> tuple[int, ...] | None:
    """Token ids, or None where the server gave none; half a list would be worse than none."""
    if not isinstance(value, list):
        return None
    found = [_read_count(one) for one in value]
    ids = tuple(one for one in found if one is not None)
    return ids if len(ids) == len(found) else None


def _read_text(choice: Mapping[str, Any], *, is_chat: bool) -> str:
    if not is_chat:
        text = choice.get("text")
    else:
        message = choice.get("message")
        if not isinstance(message, dict):
            raise BadReply("has a choice without a 'message'")
        # null stands for "nothing said": a refusal, or all tokens spent on reasoning.
        text = message.get("content") or ""
        if isinstance(text, list):
            parts = [part.get("text") for part in text if isinstance(part, dict)]
            text = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(text, str):
        raise BadReply("has a choice whose text is not a string")
    return clean_text(text)


def _read_reasoning(choice: Mapping[str, Any]) -> str:
    """The thoughts that vLLM and others keep beside the answer, under one of two names."""
    message = choice.get("message")
    if not isinstance(message, dict):
        return ""
    return _read_string(message.get("reasoning_content") or message.get("reasoning"))


def _read_logprobs(value: Any) -> tuple[TokenLogprob, ...] | None:
    """Both shapes in use: a list of objects (chat), or parallel lists (completions)."""
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("content"), list):
        return tuple(_read_chat_token(token) for token in value["content"])
    tokens, logprobs = value.get("tokens"), value.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(logprobs, list):
        return None
    tops = value.get("top_logprobs") or [None] * len(tokens)
    if not (isinstance(tops, list) and len(tokens) == len(logprobs) == len(tops)):
        raise BadReply("has log-probabilities and tokens of different lengths")
    return tuple(
        TokenLogprob(
            _read_token(token),
            _read_logprob(logprob),
            {
                clean_text(name): _read_logprob(one)
                for name, one in (top.items() if isinstance(top, dict) else ())
            },
        )
        for token, logprob, top in zip(tokens, logprobs, tops, strict=True)
    )


def _read_chat_token(value: Any) -> TokenLogprob:
    if not isinstance(value, dict):
        raise BadReply("has a token's log-probability that is not an object")
    top = value.get("top_logprobs") or []
    if not isinstance(top, list) or not all(isinstance(one, dict) for one in top):
        raise BadReply("has 'top_logprobs' that are not a list of objects")
    return TokenLogprob(
        _read_token(value.get("token")),
        _read_logprob(value.get("logprob")),
        {_read_token(one.get("token")): _read_logprob(one.get("logprob")) for one in top},
    )


def _read_token(value: Any) -> str:
    if not isinstance(value, str):
        raise BadReply("has a token that is not a string")
    return clean_text(value)


def _read_logprob(value: Any) -> float:
    # Minus infinity is the true value of an impossible token; not-a-number is nobody's.
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
            return float(value)
    except OverflowError:
        pass
    raise BadReply("has a log-probability or score that is not a number")


def _read_count(value: Any) -> int | None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and 0 <= value <= COUNT_LIMIT else None


def _read_string(value: Any) -> str:
    return clean_text(value) if isinstance(value, str) else ""
