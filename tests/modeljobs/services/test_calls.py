from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from labeling.bulk import insert_rows
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
from modeljobs.services.calls import (
    CALL_COLUMNS,
    ItemCalls,
    Tokens,
    count_tokens,
    list_exchanges,
    load_calls,
    pack_calls,
    settle_calls,
    write_document,
)
from modeljobs.texts import list_chunks, read_chunk
from tests.modeljobs.worlds import NOON, World

SYSTEM = Message("system", "You put errors into solutions. " * 20)


def make_call(key: str, *messages: Message, **changes: object) -> CallRecord:
    asked = messages or (SYSTEM, Message("user", f"Question {key}"))
    reply = EngineReply(
        (Completion(f"Answer {key}", finish_reason="stop"),),
        model="m",
        prompt_tokens=10,
        completion_tokens=3,
        latency_ms=250,
    )
    return CallRecord(
        **{  # type: ignore[arg-type]
            "request": CompletionRequest(key=key, messages=asked),
            "reply": reply,
            "purpose": "ask",
            **changes,
        }
    )


def store(item: JobItem, *made: CallRecord) -> ItemCalls:
    """As a worker does: load, add, pack, insert, settle."""
    calls = load_calls(item)
    for call in made:
        calls.add(call)
    packed, rows = pack_calls(item, calls, tuple(calls.unsaved), now=NOON)
    if rows:
        chunk = write_document(exchanges=packed)
        insert_rows(ModelCall, CALL_COLUMNS, [(chunk, *row) for row in rows])
    settle_calls(calls, len(rows))
    return calls


@pytest.fixture
def item(world: World) -> JobItem:
    found = JobItem.objects.filter(job=world.make_job()).order_by("pk").first()
    assert found is not None
    return found


def test_it_works(item: JobItem) -> None:
    call = make_call("a")

    store(item, call)

    [exchange] = list_exchanges(item)
    assert exchange.record == call
    row = exchange.row
    assert (row.place, row.purpose, row.outcome, row.finish_reason) == (0, "ask", "ok", "stop")
    assert (row.prompt_tokens, row.completion_tokens, row.milliseconds) == (10, 3, 250)
    assert row.settings["key"] == "a"


def test_everything_of_an_exchange_comes_back(item: JobItem) -> None:
    call = CallRecord(
        request=CompletionRequest(
            key="k",
            prompt="Go on: é \ud83d",
            sampling=SamplingSettings(
                temperature=0.7,
                top_p=0.9,
                top_k=20,
                max_tokens=64,
                n=2,
                seed=5,
                stop=("###", "\n"),
                logprobs=3,
            ),
        ),
        reply=EngineReply(
            (
                Completion(
                    "one",
                    finish_reason="length",
                    prompt_tokens=1,
                    completion_tokens=2,
                    logprobs=(TokenLogprob("one", -0.25, {"one": -0.25, "two": -math.inf}),),
                    reasoning="Hm.",
                ),
                Completion("two"),
            ),
            model="served",
        ),
        purpose="verify",
        problem="The reply has no verdict.",
    )

    store(item, call)

    [exchange] = list_exchanges(item)
    assert exchange.record is not None
    assert exchange.record.request == call.request
    assert exchange.record.reply.completions == call.reply.completions
    assert exchange.record.problem == call.problem
    assert exchange.row.outcome == "unusable"
    # Unknown counts stay unknown.
    assert exchange.row.prompt_tokens is None


def test_a_call_is_stored_once(item: JobItem) -> None:
    call = make_call("a")
    store(item, call)

    # Another attempt: the reply is there, the method yields the call again, nothing is added.
    calls = store(item, call)

    assert ModelCall.objects.count() == 1
    assert calls.replies["a"].completions == call.reply.completions


def test_places_go_on_over_attempts(item: JobItem) -> None:
    store(item, make_call("a"))
    item.attempts = 2

    store(item, make_call("b"))

    rows = ModelCall.objects.order_by("place").values_list("place", "attempt")
    assert list(rows) == [(0, 0), (1, 2)]


def test_what_is_added_meanwhile_is_for_the_next_time(item: JobItem) -> None:
    calls = ItemCalls()
    calls.add(make_call("a"))
    _packed, rows = pack_calls(item, calls, tuple(calls.unsaved), now=NOON)
    calls.add(make_call("b"))

    settle_calls(calls, len(rows))

    assert [call.request.key for call in calls.unsaved] == ["b"]
    assert calls.next_place == 1


def test_nothing_to_store(item: JobItem) -> None:
    assert pack_calls(item, ItemCalls(), (), now=NOON) == ([], [])
    assert list(list_chunks()) == []


def test_tokens_are_summed_and_unknown_ones_left_out() -> None:
    # 10 + 10 + unknown; 3 + 3 + unknown.
    silent = make_call("c", reply=EngineReply((Completion("x"),)))

    assert count_tokens([make_call("a"), make_call("b"), silent]) == Tokens(20, 6, uncounted=1)


# --- Tokens and their values ------------------------------------------------------------------


def reply_with(text: str, **changes: object) -> EngineReply:
    return EngineReply((Completion(text, **changes),))  # type: ignore[arg-type]


def read_completion(item: JobItem) -> Completion:
    [exchange] = list_exchanges(item)
    assert exchange.record is not None
    return exchange.record.reply.completions[0]


def read_document(item: JobItem) -> dict[str, Any]:
    [row] = item.calls.all()
    document: dict[str, Any] = json.loads(read_chunk(row.chunk))
    return document


@pytest.mark.parametrize("ids", [None, (), (7, 0, 151_643)])
def test_token_ids_come_back(item: JobItem, ids: tuple[int, ...] | None) -> None:
    store(item, make_call("a", reply=reply_with("x", token_ids=ids)))

    assert read_completion(item).token_ids == ids


@pytest.mark.parametrize("tokens", [["Ye", "s.\n", "é"], ["e", "s.\nYes"], [], ["▁Yes", "."]])
def test_values_of_tokens_come_back(item: JobItem, tokens: list[str]) -> None:
    """Tokens that spell the text, its end alone, or spell it with marks of their own."""
    logprobs = tuple(
        TokenLogprob(token, -1 / (index + 3), {"Yes": -0.1, "No": -math.inf} if index else {})
        for index, token in enumerate(tokens)
    )

    store(item, make_call("a", reply=reply_with("Yes.\nYes.\né", logprobs=logprobs)))

    assert read_completion(item).logprobs == logprobs


def test_tokens_that_spell_the_text_are_not_stored_again(item: JobItem) -> None:
    words = [f"word{number} " for number in range(50)]
    logprobs = tuple(TokenLogprob(word, -0.5) for word in words)

    store(item, make_call("a", reply=reply_with("".join(words), logprobs=logprobs)))

    [completion] = read_document(item)["exchanges"][0]["reply"]["completions"]
    assert set(completion["logprobs"]) == {"values", "lengths"}
    assert read_completion(item).logprobs == logprobs


def test_values_that_were_stored_one_by_one_are_still_read(
    item: JobItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    logprobs = (TokenLogprob("a", -0.25, {"b": -2.0}),)
    monkeypatch.setattr(
        "modeljobs.services.calls._pack_logprobs",
        lambda entries, text: [[one.token, one.logprob, dict(one.top)] for one in entries],
    )

    store(item, make_call("a", reply=reply_with("a", logprobs=logprobs)))

    assert read_completion(item).logprobs == logprobs


def test_words_of_a_server_that_no_database_stores(item: JobItem) -> None:
    reply = EngineReply((Completion("x", finish_reason="st\x00op"),), model="m\x00\ud83d")

    store(item, make_call("a", reply=reply))

    [row] = item.calls.all()
    assert row.finish_reason == "st\ufffdop"
    assert row.settings["model"] == "m\ufffd\ufffd"


# --- Texts by reference -----------------------------------------------------------------------


def test_a_beginning_that_items_share_is_stored_once(item: JobItem) -> None:
    other = JobItem.objects.filter(job=item.job).order_by("pk")[1]

    store(item, make_call("a"))
    store(other, make_call("b"))

    # One chunk for each item, and one with the system message for both.
    chunks = [read_chunk(chunk.name) for chunk in list_chunks()]
    assert len(chunks) == 3
    assert sum(SYSTEM.content.encode() in chunk for chunk in chunks) == 1
    prefixes = {row.settings["prefix"] for row in ModelCall.objects.all()}
    assert len(prefixes) == 1


def test_a_longer_conversation_stores_what_is_new_in_it(item: JobItem) -> None:
    first = make_call("a")
    longer = (
        *first.request.messages,
        Message("assistant", "Answer a"),
        Message("user", "Again, please."),
    )
    second = make_call("b", *longer)

    store(item, first, second)

    document = json.loads(read_chunk(ModelCall.objects.first().chunk))  # type: ignore[union-attr]
    stored = document["exchanges"][1]["request"]
    assert stored["like"] == [0, 2]
    assert [content for _role, content in stored["messages"]] == ["Answer a", "Again, please."]
    assert [one.record for one in list_exchanges(item)] == [first, second]


def test_a_conversation_goes_on_in_a_later_attempt(item: JobItem) -> None:
    first = make_call("a")
    second = make_call("b", *first.request.messages, Message("assistant", "Answer a"))
    store(item, first)
    item.attempts = 2

    store(item, second)

    assert [one.record for one in list_exchanges(item)] == [first, second]


def test_a_prompt_stores_what_is_new_in_it(item: JobItem) -> None:
    head = "".join(chr(33 + n % 90) for n in range(1_000))
    first = make_call("a", request=CompletionRequest(key="a", prompt=head + "first"))
    second = make_call("b", request=CompletionRequest(key="b", prompt=head + "other"))

    store(item, first, second)

    document = json.loads(read_chunk(ModelCall.objects.first().chunk))  # type: ignore[union-attr]
    assert document["exchanges"][1]["request"]["like"] == [0, 1_000]
    assert document["exchanges"][1]["request"]["prompt"] == "other"
    assert [one.record for one in list_exchanges(item)] == [first, second]


def test_a_chat_and_a_prompt_are_not_alike(item: JobItem) -> None:
    chat = make_call("a")
    raw = make_call("b", request=CompletionRequest(key="b", prompt="p" * 500))

    store(item, chat, raw)

    assert [one.record for one in list_exchanges(item)] == [chat, raw]


# --- Texts that are gone ----------------------------------------------------------------------


def test_a_lost_text_is_said_and_asked_again(item: JobItem, texts_folder: Path) -> None:
    store(item, make_call("a"))
    for chunk in list_chunks():
        chunk.path.unlink()

    [exchange] = list_exchanges(item)
    calls = load_calls(item)

    assert exchange.record is None
    assert "not in the data folder any more" in exchange.missing
    assert calls.replies == {}
    # The row stays, so the next call has a place of its own.
    assert calls.next_place == 1


def test_a_lost_beginning_loses_its_calls_alone(item: JobItem) -> None:
    store(item, make_call("a"), make_call("b", Message("user", "short")))
    prefix = ModelCall.objects.order_by("place")[0].settings["prefix"]
    next(chunk for chunk in list_chunks() if chunk.name == prefix).path.unlink()

    first, second = list_exchanges(item)

    assert "The text of this call is lost" in first.missing
    assert second.record is not None
