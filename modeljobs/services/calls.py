"""Exchanges with engines: stored as they happen, read again so that nothing is paid for twice.

The counts are ModelCall rows; the texts of what one call to `record_calls` stores are one chunk
(see `modeljobs.texts`). A conversation repeats itself from turn to turn, and every item of a job
starts with the same instructions, so a request is stored as a reference and what is new in it:

- `like`: the place of an earlier exchange of the item, and how much of its request comes first
  (messages of a chat, characters of a prompt);
- `prefix`: the name of a chunk with the leading messages, shared by all items that start so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from modeljobs.engines.base import (
    Completion,
    CompletionRequest,
    EngineReply,
    Message,
    SamplingSettings,
    TokenLogprob,
)
from modeljobs.methods.base import CallRecord
from modeljobs.models import JobItem, ModelCall
from modeljobs.texts import TextMissing, read_chunk, write_chunk

SCHEMA = 1
# A shorter beginning costs less in place than as a file of its own.
SHORTEST_PREFIX = 256


@dataclass(frozen=True, slots=True)
class Exchange:
    """One stored exchange: its row, and its texts where they can still be read."""

    row: ModelCall
    record: CallRecord | None
    missing: str = ""


class Tokens(NamedTuple):
    prompt: int
    completion: int


@dataclass(slots=True)
class ItemCalls:
    """The calls of one item so far: what is stored, what is not yet, and replies to use again.

    It lives with the item's one coroutine; every attempt starts from what earlier ones stored.
    """

    next_place: int = 0
    replies: dict[str, EngineReply] = field(default_factory=dict)
    requests: dict[int, CompletionRequest] = field(default_factory=dict)
    unsaved: list[CallRecord] = field(default_factory=list)

    def add(self, call: CallRecord) -> None:
        """Keep a call for storing, unless it is one that is stored already."""
        if call.request.key not in self.replies:
            self.replies[call.request.key] = call.reply
            self.unsaved.append(call)


def load_calls(item: JobItem) -> ItemCalls:
    """What earlier attempts of the item stored. A text that is lost means asking that again."""
    calls = ItemCalls()
    for exchange in list_exchanges(item):
        calls.next_place = max(calls.next_place, exchange.row.place + 1)
        if exchange.record is not None:
            calls.replies[exchange.record.request.key] = exchange.record.reply
            calls.requests[exchange.row.place] = exchange.record.request
    return calls


def list_exchanges(item: JobItem) -> list[Exchange]:
    """The item's exchanges in the order in which they were made."""
    documents: dict[str, dict[int, Mapping[str, Any]] | str] = {}
    requests: dict[int, CompletionRequest] = {}
    exchanges = []
    for row in ModelCall.objects.filter(item=item).order_by("place", "pk"):
        document = documents.get(row.chunk)
        if document is None:
            document = documents[row.chunk] = _read_document(row.chunk)
        if isinstance(document, str):
            exchanges.append(Exchange(row, None, document))
            continue
        try:
            record = _parse_exchange(document[row.place], requests, row)
        except (TextMissing, KeyError, TypeError, ValueError) as error:
            exchanges.append(Exchange(row, None, f"The text of this call is lost: {error}"))
            continue
        requests[row.place] = record.request
        exchanges.append(Exchange(row, record))
    return exchanges


def record_calls(
    *, item: JobItem, calls: ItemCalls, batch: Sequence[CallRecord], now: datetime
) -> list[ModelCall]:
    """Store the first of the unsaved calls (`batch`), under the item's lease and in its
    transaction; `settle_calls` is told when that has committed.

    The chunk is written first: a row never names a text that is not there.
    """
    if not batch:
        return []
    packed, rows = [], []
    requests = dict(calls.requests)
    for place, call in enumerate(batch, start=calls.next_place):
        request, prefix = _pack_request(call.request, requests)
        packed.append(
            {
                "place": place,
                "key": call.request.key,
                "purpose": call.purpose,
                "problem": call.problem,
                "request": request,
                "reply": _pack_reply(call.reply),
            }
        )
        rows.append(_build_row(item, call, place=place, prefix=prefix, now=now))
        requests[place] = call.request
    chunk = write_chunk(_dump({"schema": SCHEMA, "exchanges": packed}))
    for row in rows:
        row.chunk = chunk
    return ModelCall.objects.bulk_create(rows)


def settle_calls(calls: ItemCalls, rows: Sequence[ModelCall]) -> None:
    """Note that the rows are committed: their calls are stored and need not be again."""
    for row, call in zip(rows, calls.unsaved, strict=False):
        calls.requests[row.place] = call.request
    calls.next_place += len(rows)
    del calls.unsaved[: len(rows)]


def count_tokens(batch: Sequence[CallRecord]) -> Tokens:
    """The tokens of some calls; unknown counts are 0 here, and None in the calls' rows."""
    return Tokens(
        prompt=sum(call.reply.prompt_tokens or 0 for call in batch),
        completion=sum(call.reply.completion_tokens or 0 for call in batch),
    )


def _build_row(
    item: JobItem, call: CallRecord, *, place: int, prefix: str, now: datetime
) -> ModelCall:
    reply = call.reply
    settings: dict[str, Any] = {
        "key": call.request.key,
        "model": reply.model,
        "sampling": _pack_sampling(call.request.sampling),
        "tries": reply.attempts,
    }
    if prefix:
        settings["prefix"] = prefix
    return ModelCall(
        item=item,
        attempt=item.attempts,
        place=place,
        purpose=call.purpose[:40],
        outcome="ok" if call.is_usable else "unusable",
        finish_reason=reply.completions[0].finish_reason[:40],
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        milliseconds=reply.latency_ms or 0,
        settings=settings,
        created_at=now,
    )


def _pack_request(
    request: CompletionRequest, earlier: Mapping[int, CompletionRequest]
) -> tuple[dict[str, Any], str]:
    """The request as a reference and the rest, and the name of the prefix chunk it refers to."""
    packed: dict[str, Any] = {"sampling": _pack_sampling(request.sampling)}
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
    prefix = write_chunk(_dump({"schema": SCHEMA, "messages": _pack_messages(leading)}))
    packed |= {"prefix": prefix, "messages": _pack_messages(request.messages[-1:])}
    return packed, prefix


def _find_likest(
    request: CompletionRequest, earlier: Mapping[int, CompletionRequest]
) -> tuple[int, int] | None:
    """The place of the earlier request that shares the longest beginning, and how long it is."""
    best: tuple[int, int] | None = None
    for place, other in earlier.items():
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
    # Halving compares long texts by slices, which is one comparison in C each.
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _parse_exchange(
    data: Mapping[str, Any], earlier: Mapping[int, CompletionRequest], row: ModelCall
) -> CallRecord:
    stored = data["request"]
    sampling = dict(stored["sampling"])
    sampling["stop"] = tuple(sampling.get("stop", ()))
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    place, keep = stored.get("like", (None, 0))
    if place is not None and place not in earlier:
        raise TextMissing(f"it goes on from call {place + 1}, which is lost.")
    if "prompt" in stored:
        head = "" if place is None else (earlier[place].prompt or "")[:keep]
        prompt = head + stored["prompt"]
    else:
        if place is not None:
            messages = earlier[place].messages[:keep]
        elif "prefix" in stored:
            messages = _parse_messages(json.loads(read_chunk(stored["prefix"]))["messages"])
        messages += _parse_messages(stored["messages"])
    request = CompletionRequest(
        key=data["key"], messages=messages, prompt=prompt, sampling=SamplingSettings(**sampling)
    )
    reply = _parse_reply(data["reply"], latency_ms=row.milliseconds)
    return CallRecord(request, reply, data["purpose"], data["problem"])


def _read_document(name: str) -> dict[int, Mapping[str, Any]] | str:
    """A chunk's exchanges by their place, or a sentence on why they cannot be read."""
    if not name:
        return "The text of this call was removed, because it was older than texts are kept."
    try:
        document = json.loads(read_chunk(name))
        return {exchange["place"]: exchange for exchange in document["exchanges"]}
    except TextMissing as error:
        return str(error)
    except (KeyError, TypeError, ValueError):
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
        "completions": [
            {
                "text": completion.text,
                "finish_reason": completion.finish_reason,
                "prompt_tokens": completion.prompt_tokens,
                "completion_tokens": completion.completion_tokens,
                "reasoning": completion.reasoning,
                "logprobs": None
                if completion.logprobs is None
                else [
                    [entry.token, entry.logprob, dict(entry.top)] for entry in completion.logprobs
                ],
            }
            for completion in reply.completions
        ],
    }


def _parse_reply(data: Mapping[str, Any], *, latency_ms: int) -> EngineReply:
    return EngineReply(
        completions=tuple(
            Completion(
                text=entry["text"],
                finish_reason=entry["finish_reason"],
                prompt_tokens=entry["prompt_tokens"],
                completion_tokens=entry["completion_tokens"],
                reasoning=entry["reasoning"],
                logprobs=None
                if entry["logprobs"] is None
                else tuple(TokenLogprob(*logprob) for logprob in entry["logprobs"]),
            )
            for entry in data["completions"]
        ),
        model=data["model"],
        prompt_tokens=data["prompt_tokens"],
        completion_tokens=data["completion_tokens"],
        latency_ms=latency_ms,
    )


def _dump(document: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8. Python's own writer, because it keeps infinite log-probabilities; half a
    surrogate pair, which a server may send, passes through.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
