from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import render_to_string

from labeling.bulk import insert_rows
from modeljobs.engines.base import (
    Completion,
    CompletionRequest,
    EngineReply,
    Message,
    Piece,
    SamplingSettings,
    TokenLogprob,
)
from modeljobs.engines.pooling import PoolingReply, PoolingRequest
from modeljobs.methods.base import AnyCall, CallRecord, PoolRecord
from modeljobs.models import JobItem, ModelCall
from modeljobs.services.calls import (
    CALL_COLUMNS,
    SHOWN_SCORES,
    Exchange,
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


def store(item: JobItem, *made: AnyCall) -> ItemCalls:
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


def read_document_of(item: JobItem) -> dict[str, Any]:
    """The one chunk that holds all of the item's calls."""
    [name] = set(item.calls.values_list("chunk", flat=True))
    document: dict[str, Any] = json.loads(read_chunk(name))
    return document


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


# --- Texts that were scored -------------------------------------------------------------------

MARK = Piece("<mark>", token_ids=(151_651,))


def make_pool(key: str, *pieces: Piece, **changes: object) -> PoolRecord:
    return PoolRecord(
        **{  # type: ignore[arg-type]
            "request": PoolingRequest(key, pieces or (Piece("One."), MARK)),
            "reply": PoolingReply(((0.1, 0.9),), model="prm", prompt_tokens=7, latency_ms=40),
            "purpose": "score",
            **changes,
        }
    )


def test_scores_come_back_to_the_last_digit(item: JobItem) -> None:
    rows = ((1 / 3, 2 / 3), (-math.inf, 1e-300), ())
    call = make_pool(
        "a",
        Piece("é \ud83d\n"),
        Piece("", token_ids=()),
        MARK,
        reply=PoolingReply(rows, model="prm", latency_ms=3),
        problem="A row of scores is missing.",
    )

    store(item, call)

    [exchange] = list_exchanges(item)
    assert exchange.pool == call
    assert exchange.record is None
    row = exchange.row
    assert (row.purpose, row.outcome, row.finish_reason) == ("score", "unusable", "")
    # Nothing was written; how much was read is not known here.
    assert (row.prompt_tokens, row.completion_tokens, row.milliseconds) == (None, 0, 3)
    assert row.settings == {"key": "a", "model": "prm", "scores": 3, "tries": 1}


def test_what_was_wanted_of_a_text_comes_back(item: JobItem) -> None:
    request = PoolingRequest(
        "a", (Piece("One."), MARK), positions=(3,), columns=(648, 387), reduce="mean"
    )
    call = make_pool("a", request=request)

    store(item, call)

    [exchange] = list_exchanges(item)
    assert exchange.pool == call
    # The row is that of the fourth token.
    assert exchange.score_lines == ["token 3: 0.1  0.9"]


def test_scores_are_stored_once_and_used_again(item: JobItem) -> None:
    call = make_pool("a")
    store(item, call)
    item.attempts = 2

    calls = store(item, call)

    assert ModelCall.objects.count() == 1
    assert calls.scores["a"] == call.reply
    assert calls.replies == {}


def test_an_answer_and_scores_under_one_key_are_two_calls(item: JobItem) -> None:
    answered, scored = make_call("a"), make_pool("a")

    store(item, answered, scored)

    assert [one.call for one in list_exchanges(item)] == [answered, scored]


def test_pieces_that_requests_share_are_stored_once(item: JobItem) -> None:
    answered = make_call("a")
    first = make_pool("b", Piece("One. " * 100), MARK)
    second = make_pool("c", Piece("One. " * 100), MARK, Piece("Two."), MARK)

    store(item, answered, first, second)

    stored = read_document_of(item)["exchanges"][2]["pool"]
    assert stored == {"like": [1, 2], "pieces": [["Two."], ["<mark>", [151_651]]]}
    assert [one.call for one in list_exchanges(item)] == [answered, first, second]


def test_scores_whose_beginning_is_lost_are_asked_for_again(
    item: JobItem, texts_folder: Path
) -> None:
    store(item, make_pool("a"))
    item.attempts = 2
    store(item, make_pool("b", Piece("One."), MARK, Piece("Two."), MARK))
    first = ModelCall.objects.order_by("place")[0].chunk
    next(chunk for chunk in list_chunks() if chunk.name == first).path.unlink()

    _, second = list_exchanges(item)

    assert second.pool is None
    assert "goes on from call 1, which is lost" in second.missing
    assert load_calls(item).scores == {}


def test_tokens_that_were_read_for_scores_count() -> None:
    unknown = make_pool("b", reply=PoolingReply(((0.5,),)))

    # 10 + 7 read, 3 + 0 written; the last says nothing of what it read.
    assert count_tokens([make_call("c"), make_pool("a"), unknown]) == Tokens(17, 3, uncounted=1)


def test_a_page_shows_the_first_scores_and_says_how_many_more() -> None:
    rows = tuple((float(number), 0.25) for number in range(SHOWN_SCORES + 3))
    call = make_pool("a", reply=PoolingReply(rows))

    exchange = Exchange(ModelCall(), None, pool=call)

    assert exchange.score_lines[1] == "2: 1  0.25"
    assert len(exchange.score_lines) == SHOWN_SCORES
    assert exchange.n_more_scores == 3


def test_the_page_of_a_scored_text_escapes_it(item: JobItem) -> None:
    store(item, make_pool("a", Piece("<script>x</script>"), MARK))
    [exchange] = list_exchanges(item)

    page = render_to_string("modeljobs/_call.html", {"exchange": exchange, "number": 1})

    assert "&lt;script&gt;x&lt;/script&gt;&lt;mark&gt;" in page
    assert "1 row of scores" in page
    assert "1: 0.1  0.9" in page
