"""Exchanges with engines: stored as they happen, read again so that nothing is paid for twice.

The counts are ModelCall rows; the texts of one checkpoint of an item are one chunk (see
`modeljobs.texts`). A conversation repeats itself from turn to turn, and every item of a job starts
with the same instructions, so a request is stored as a reference and what is new in it:

- `like`: the place of an earlier exchange of the item, and how much of its request comes first
  (messages of a chat, characters of a prompt);
- `prefix`: the name of a chunk with the leading messages, shared by all items that start so.

Texts that were scored instead of continued are exchanges as well (see `services.pools`). A raw
prompt is stored as one text, and its log-probabilities as columns: where the tokens joined
are the completion's text, their lengths are enough. Code that was run between
the calls stands in the same chunk (see `services.evidence`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from labeling.bulk import Row
from modeljobs.engines.base import (
    EMPTY,
    Completion,
    CompletionRequest,
    EngineReply,
    Message,
    ReplyForm,
    SamplingSettings,
    TokenLogprob,
)
from modeljobs.engines.pooling import PoolingReply, PoolingRequest
from modeljobs.engines.wire import clean_text
from modeljobs.methods.base import AnyCall, CallRecord, PoolRecord
from modeljobs.models import JobItem, ModelCall
from modeljobs.services.pools import (
    pack_pool_reply,
    pack_pool_request,
    parse_pool_reply,
    parse_pool_request,
)
from modeljobs.texts import TextMissing, read_chunk, write_chunk

SCHEMA = 1
PARTS = ("exchanges", "runs")
Document = Mapping[str, Mapping[int, Mapping[str, Any]]]
AnyRequest = CompletionRequest | PoolingRequest
CALL_COLUMNS = (
    *("chunk", "item", "attempt", "place", "purpose", "outcome", "finish_reason"),
    *("prompt_tokens", "completion_tokens", "milliseconds", "settings", "created_at"),
)
# A request grows out of one of the item's latest: with so many looked at, several samples at work
# on the item at once each find their own.
LOOK_BACK = 32
# How many rows of scores a page shows: some models give one for every token.
SHOWN_SCORES = 200
# A shorter beginning costs less in place than as a file of its own.
SHORTEST_PREFIX = 256


@dataclass(frozen=True, slots=True)
class Exchange:
    """One stored exchange: its row, and its texts where they can still be read: a `record` of what
    was answered, or a `pool` of scores.
    """

    row: ModelCall
    record: CallRecord | None
    missing: str = ""
    pool: PoolRecord | None = None

    @property
    def call(self) -> AnyCall | None:
        return self.record or self.pool

    @property
    def score_lines(self) -> list[str]:
        """The first rows of scores, a line each: by token, where the request names tokens, or else
        counted from one.
        """
        if self.pool is None:
            return []
        rows = self.pool.reply.scores
        names: Sequence[object] = range(1, len(rows) + 1)
        positions = self.pool.request.positions
        if positions is not None and len(positions) == len(rows):
            names = [f"token {position}" for position in positions]
        return [
            f"{name}: {'  '.join(f'{score:.6g}' for score in row)}"
            for name, row in zip(names[:SHOWN_SCORES], rows, strict=False)
        ]

    @property
    def n_more_scores(self) -> int:
        """How many rows `score_lines` leaves out."""
        return max(0, len(self.pool.reply.scores) - SHOWN_SCORES) if self.pool else 0


class Tokens(NamedTuple):
    """Tokens of some calls, and of how many of these calls a count is not known."""

    prompt: int
    completion: int
    uncounted: int = 0


@dataclass(slots=True)
class ItemCalls:
    """The calls of one item so far: what is stored, what is not yet, and replies to use again.

    It lives with the item's one coroutine; every attempt starts from what earlier ones stored.
    """

    next_place: int = 0
    replies: dict[str, EngineReply] = field(default_factory=dict)
    scores: dict[str, PoolingReply] = field(default_factory=dict)
    requests: dict[int, AnyRequest] = field(default_factory=dict)
    unsaved: list[AnyCall] = field(default_factory=list)

    def add(self, call: AnyCall) -> None:
        """Keep a call for storing, unless it is one that is stored already."""
        if not self.knows(call):
            self.note(call)
            self.unsaved.append(call)

    def knows(self, call: AnyCall) -> bool:
        known = self.scores if isinstance(call, PoolRecord) else self.replies
        return call.request.key in known

    def note(self, call: AnyCall) -> None:
        """Keep the reply, to be used again."""
        match call:
            case PoolRecord():
                self.scores[call.request.key] = call.reply
            case CallRecord():
                self.replies[call.request.key] = call.reply


class Documents:
    """Reads chunks of calls and code runs, each once."""

    def __init__(self) -> None:
        self._read: dict[str, Document | str] = {}

    def read(self, name: str) -> Document | str:
        """A chunk's entries by part and place, or a sentence on why they cannot be read."""
        if name not in self._read:
            self._read[name] = _read_document(name)
        return self._read[name]


def load_calls(item: JobItem, *, documents: Documents | None = None) -> ItemCalls:
    """What earlier attempts of the item stored. A text that is lost means asking that again."""
    calls = ItemCalls()
    for exchange in list_exchanges(item, documents=documents):
        calls.next_place = max(calls.next_place, exchange.row.place + 1)
        if (call := exchange.call) is not None:
            calls.note(call)
            calls.requests[exchange.row.place] = call.request
    return calls


def list_exchanges(item: JobItem, *, documents: Documents | None = None) -> list[Exchange]:
    """The item's exchanges in the order in which they were made."""
    documents = documents or Documents()
    requests: dict[int, AnyRequest] = {}
    exchanges = []
    for row in ModelCall.objects.filter(item=item).order_by("place", "pk"):
        document = documents.read(row.chunk)
        if isinstance(document, str):
            exchanges.append(Exchange(row, None, document))
            continue
        try:
            call = _parse_exchange(document["exchanges"][row.place], requests, row)
        except (TextMissing, KeyError, TypeError, ValueError) as error:
            exchanges.append(Exchange(row, None, f"The text of this call is lost: {error}"))
            continue
        requests[row.place] = call.request
        if isinstance(call, PoolRecord):
            exchanges.append(Exchange(row, None, pool=call))
        else:
            exchanges.append(Exchange(row, call))
    return exchanges


def pack_calls(
    item: JobItem, calls: ItemCalls, batch: Sequence[AnyCall], *, now: datetime
) -> tuple[list[dict[str, Any]], list[Row]]:
    """The first of the unsaved calls (`batch`) as entries of a chunk, and as rows (see
    `CALL_COLUMNS`) that want the chunk's name in front.
    """
    packed, rows = [], []
    requests = dict(calls.requests)
    for place, call in enumerate(batch, start=calls.next_place):
        exchange, prefix = _pack_exchange(call, requests)
        packed.append(
            {
                "place": place,
                "key": call.request.key,
                "purpose": call.purpose,
                "problem": call.problem,
                **exchange,
            }
        )
        rows.append(_build_row(item, call, place=place, prefix=prefix, now=now))
        requests[place] = call.request
    return packed, rows


def write_document(**parts: Sequence[Mapping[str, Any]]) -> str:
    """Write a chunk of `exchanges` and `runs`, and return its name. Before the rows that name it:
    a row never names a text that is not there.
    """
    return write_chunk(dump_document({"schema": SCHEMA, **parts}))


def settle_calls(calls: ItemCalls, count: int) -> None:
    """Note that the first `count` unsaved calls are committed: they need not be stored again."""
    for place, call in enumerate(calls.unsaved[:count], start=calls.next_place):
        calls.requests[place] = call.request
    calls.next_place += count
    del calls.unsaved[:count]


def count_tokens(batch: Sequence[AnyCall]) -> Tokens:
    """The tokens of some calls; unknown counts are 0 here, and None in the calls' rows."""
    counts = [(call.reply.prompt_tokens, _count_written(call)) for call in batch]
    return Tokens(
        prompt=sum(read or 0 for read, _ in counts),
        completion=sum(written or 0 for _, written in counts),
        uncounted=sum(read is None or written is None for read, written in counts),
    )


def _count_written(call: AnyCall) -> int | None:
    """How many tokens the model wrote; whoever scores a text writes none."""
    return 0 if isinstance(call, PoolRecord) else call.reply.completion_tokens


def _build_row(item: JobItem, call: AnyCall, *, place: int, prefix: str, now: datetime) -> Row:
    reply = call.reply
    settings: dict[str, Any] = {
        "key": clean_text(call.request.key),
        "model": clean_text(reply.model),
        "tries": reply.attempts,
    }
    finish_reason = ""
    if isinstance(call, PoolRecord):
        settings["scores"] = len(call.reply.scores)
    else:
        settings["sampling"] = _pack_sampling(call.request.sampling)
        finish_reason = clean_text(call.reply.completions[0].finish_reason)[:40]
    if prefix:
        settings["prefix"] = prefix
    return (
        *(item.pk, item.attempts, place, call.purpose[:40]),
        "ok" if call.is_usable else "unusable",
        finish_reason,
        *(reply.prompt_tokens, _count_written(call), reply.latency_ms or 0, settings, now),
    )


def _pack_exchange(call: AnyCall, earlier: Mapping[int, AnyRequest]) -> tuple[dict[str, Any], str]:
    """The exchange's request and reply, and the name of the prefix chunk that it refers to."""
    if isinstance(call, PoolRecord):
        request = pack_pool_request(call.request, earlier)
        return {"pool": request, "scores": pack_pool_reply(call.reply)}, ""
    request, prefix = _pack_request(call.request, earlier)
    return {"request": request, "reply": _pack_reply(call.reply)}, prefix


def _pack_request(
    request: CompletionRequest, earlier: Mapping[int, AnyRequest]
) -> tuple[dict[str, Any], str]:
    """The request as a reference and the rest, and the name of the prefix chunk it refers to."""
    packed: dict[str, Any] = {"sampling": _pack_sampling(request.sampling)}
    if request.form is not None:
        packed["form"] = {"name": request.form.name, "schema": dict(request.form.schema)}
    like = _find_likest(request, earlier)
    if request.prompt is not None:
        keep = like[1] if like else 0
        if like:
            packed["like"] = list(like)
        packed["prompt"] = request.prompt[keep:]
        return packed, ""
    if like:
        packed["like"] = list(like)
        packed["messages"] = _pack_messages(request.messages[like[1] :])
        return packed, ""
    leading = request.messages[:-1]
    if sum(len(message.content) for message in leading) < SHORTEST_PREFIX:
        packed["messages"] = _pack_messages(request.messages)
        return packed, ""
    prefix = write_chunk(dump_document({"schema": SCHEMA, "messages": _pack_messages(leading)}))
    packed |= {"prefix": prefix, "messages": _pack_messages(request.messages[-1:])}
    return packed, prefix


def _find_likest(
    request: CompletionRequest, earlier: Mapping[int, AnyRequest]
) -> tuple[int, int] | None:
    """The place of the late request that shares the longest beginning, and how long that is."""
    best: tuple[int, int] | None = None
    for place in sorted(earlier)[-LOOK_BACK:]:
        other = earlier[place]
        if not isinstance(other, CompletionRequest):
            continue
        if request.prompt is not None:
            keep = _count_shared(request.prompt, other.prompt or "")
            enough = keep >= SHORTEST_PREFIX
        else:
            keep = _count_shared(request.messages, other.messages)
            enough = keep > 0
        if enough and (best is None or keep > best[1]):
            best = (place, keep)
    return best


def _count_shared(first: Sequence[object], second: Sequence[object]) -> int:
    """How many leading elements are equal."""
    low, high = 0, min(len(first), len(second))
    # The common case: one goes on from the other.
    if first[:high] == second[:high]:
        return high
    # Halving compares long texts by slices, which is one comparison in C each.
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _parse_exchange(
    data: Mapping[str, Any], earlier: Mapping[int, AnyRequest], row: ModelCall
) -> AnyCall:
    if "pool" in data:
        pooled = parse_pool_request(data["pool"], earlier, key=data["key"])
        scores = parse_pool_reply(data["scores"], latency_ms=row.milliseconds)
        return PoolRecord(pooled, scores, data["purpose"], data["problem"])
    request = _parse_request(data["request"], earlier, key=data["key"])
    reply = _parse_reply(data["reply"], latency_ms=row.milliseconds)
    return CallRecord(request, reply, data["purpose"], data["problem"])


def _parse_request(
    stored: Mapping[str, Any], earlier: Mapping[int, AnyRequest], *, key: str
) -> CompletionRequest:
    sampling = dict(stored["sampling"])
    sampling["stop"] = tuple(sampling.get("stop", ()))
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    place, keep = stored.get("like", (None, 0))
    other = None if place is None else earlier.get(place)
    if place is not None and not isinstance(other, CompletionRequest):
        raise TextMissing(f"it goes on from call {place + 1}, which is lost.")
    if "prompt" in stored:
        head = (other.prompt or "")[:keep] if isinstance(other, CompletionRequest) else ""
        prompt = head + stored["prompt"]
    else:
        if isinstance(other, CompletionRequest):
            messages = other.messages[:keep]
        elif "prefix" in stored:
            messages = _parse_messages(json.loads(read_chunk(stored["prefix"]))["messages"])
        messages += _parse_messages(stored["messages"])
    return CompletionRequest(
        key=key,
        messages=messages,
        prompt=prompt,
        sampling=SamplingSettings(**sampling),
        form=ReplyForm(**stored["form"]) if "form" in stored else None,
    )


def _read_document(name: str) -> Document | str:
    if not name:
        return "The text of this call was removed, because it was older than texts are kept."
    try:
        document = json.loads(read_chunk(name))
        return {part: {one["place"]: one for one in document.get(part, ())} for part in PARTS}
    except TextMissing as error:
        return str(error)
    except (AttributeError, KeyError, TypeError, ValueError):
        return f"The text {name} is not a record of calls."


def _pack_messages(messages: Sequence[Message]) -> list[list[str]]:
    return [[message.role, message.content] for message in messages]


def _parse_messages(data: Sequence[Sequence[Any]]) -> tuple[Message, ...]:
    return tuple(Message(role, content) for role, content in data)


def _pack_sampling(sampling: SamplingSettings) -> dict[str, Any]:
    """The settings that were asked for: what is left to the server is left out."""
    packed = {
        name: getattr(sampling, name)
        for name in ("temperature", "top_p", "top_k", "max_tokens", "seed", "logprobs")
        if getattr(sampling, name) is not None
    }
    packed["n"] = sampling.n
    if sampling.stop:
        packed["stop"] = list(sampling.stop)
    return packed


def _pack_reply(reply: EngineReply) -> dict[str, Any]:
    """The reply without what varies from run to run (latency, tries): those are columns."""
    return {
        "model": reply.model,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "completions": [_pack_completion(completion) for completion in reply.completions],
    }


def _pack_completion(completion: Completion) -> dict[str, Any]:
    packed: dict[str, Any] = {
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "reasoning": completion.reasoning,
    }
    if completion.logprobs is not None:
        packed["logprobs"] = _pack_logprobs(completion.logprobs, completion.text)
    if completion.token_ids is not None:
        packed["token_ids"] = list(completion.token_ids)
    return packed


def _pack_logprobs(entries: Sequence[TokenLogprob], text: str) -> dict[str, Any]:
    """Columns: tokens (or how much of the text's end each takes), values, and alternatives where
    there are any. Nothing is rounded: what is read again decides as it did the first time.
    """
    tokens = [entry.token for entry in entries]
    packed: dict[str, Any] = {"values": [entry.logprob for entry in entries]}
    # What a method trimmed is missing in front.
    if text.endswith("".join(tokens)):
        packed["lengths"] = [len(token) for token in tokens]
    else:
        packed["tokens"] = tokens
    top = [
        [index, list(entry.top), list(entry.top.values())]
        for index, entry in enumerate(entries)
        if entry.top
    ]
    if top:
        packed["top"] = top
    return packed


def _parse_reply(data: Mapping[str, Any], *, latency_ms: int) -> EngineReply:
    return EngineReply(
        completions=tuple([_parse_completion(entry) for entry in data["completions"]]),
        model=data["model"],
        prompt_tokens=data["prompt_tokens"],
        completion_tokens=data["completion_tokens"],
        latency_ms=latency_ms,
    )


def _parse_completion(data: Mapping[str, Any]) -> Completion:
    ids = data.get("token_ids")
    return Completion(
        text=data["text"],
        finish_reason=data["finish_reason"],
        prompt_tokens=data["prompt_tokens"],
        completion_tokens=data["completion_tokens"],
        reasoning=data["reasoning"],
        logprobs=_parse_logprobs(data.get("logprobs"), data["text"]),
        token_ids=None if ids is None else tuple(ids),
    )


def _parse_logprobs(
    data: Mapping[str, Any] | Sequence[Sequence[Any]] | None, text: str
) -> tuple[TokenLogprob, ...] | None:
    if data is None:
        return None
    if not isinstance(data, Mapping):
        # As they were stored before there were columns: one entry a token.
        return tuple([TokenLogprob(*entry) for entry in data])
    tokens = data.get("tokens")
    if tokens is None:
        tokens = _cut(text, data["lengths"])
    top = {
        index: dict(zip(names, values, strict=True)) for index, names, values in data.get("top", ())
    }
    return tuple(
        [
            TokenLogprob(token, value, top.get(index, EMPTY))
            for index, (token, value) in enumerate(zip(tokens, data["values"], strict=True))
        ]
    )


def _cut(text: str, lengths: Sequence[int]) -> list[str]:
    """The end of the text in pieces of these lengths."""
    at = len(text) - sum(lengths)
    pieces = []
    for length in lengths:
        pieces.append(text[at : at + length])
        at += length
    return pieces


def dump_document(document: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8. Python's own writer, because it keeps infinite log-probabilities; half a
    surrogate pair, which a server may send, passes through.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
