"""What an engine can really do, found out by asking it: a few short calls.

What servers promise and what they do differs: some ignore `n` or log-probabilities without a word.
Nothing here is counted against a job, and nothing is tried twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from modeljobs.engines.base import (
    CompletionRequest,
    Engine,
    EngineError,
    EngineReply,
    Message,
    Piece,
    SamplingSettings,
)
from modeljobs.engines.openai_compatible import OpenAICompatibleEngine, ServedModel
from modeljobs.engines.pooling import PoolingEngine, PoolingReply, PoolingRequest
from modeljobs.engines.retrying import RetryingEngine

PROMPT = "2 + 2 ="
QUESTION = "What is 2 + 2? Answer with the number alone."
# Not at temperature 0: some servers refuse several greedy answers.
FULL = SamplingSettings(temperature=1.0, max_tokens=8, n=2, seed=1, logprobs=5)
PLAIN = SamplingSettings(temperature=1.0, max_tokens=8, seed=1)
SHOWN_CHARACTERS = 200
SHOWN_MODELS = 20
NO_SCORES = "The server was not started with a reward model, and has no scores."
# Refusals of one door or of one field; any other one would come again at the next door.
LOCAL_REFUSALS = frozenset(
    {
        "bad_reply",
        "bad_request",
        "context_overflow",
        "no_chat_template",
        "no_generation",
        "no_pooling",
        "not_found",
    }
)


@dataclass(frozen=True, slots=True)
class Door:
    """One way of asking: whether it answers, and if not, why."""

    name: str
    answers: bool
    code: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What was found out. A capability that could not be tried is None."""

    answered: bool
    doors: tuple[Door, ...]
    # Why there was no answer at all: a sentence for people, and a code for programs.
    error: str = ""
    code: str = ""
    model: str = ""
    # The first of them, where the server lists its models.
    models: tuple[str, ...] = ()
    text: str = ""
    latency_ms: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    context_length: int | None = None
    logprobs: bool | None = None
    several: bool | None = None
    token_ids: bool | None = None

    def build_json(self) -> dict[str, Any]:
        """As plain values, to be stored."""
        document = asdict(self)
        return document | {
            "doors": [asdict(door) for door in self.doors],
            "models": list(self.models),
        }


async def probe_engine(engine: Engine) -> ProbeReport:
    """Ask for a raw completion, a chat, and scores where the engine may have them.

    1. Each door is asked with everything, and where that is refused, for the least. 2. A refusal
    that the other doors would repeat (no connection, a wrong key) ends it. Raises no EngineError.
    """
    # What may pass is for a job to wait out; here a person waits.
    inner = engine.wrapped if isinstance(engine, RetryingEngine) else engine
    models = await _list_models(inner)
    doors: list[Door] = []
    reply: EngineReply | None = None
    is_full = False
    scored: PoolingReply | None = None
    for name, make in (("completions", _make_raw), ("chat", _make_chat)):
        door, made, was_full = await _knock(name, inner, make)
        doors.append(door)
        if made is not None and reply is None:
            reply, is_full = made, was_full
        if door.code and door.code not in LOCAL_REFUSALS:
            break
    else:
        if isinstance(inner, PoolingEngine) and inner.capabilities.pooling:
            door, scored = await _ask_for_scores(inner)
            doors.append(door)
    context_length = inner.capabilities.context_length or _find_context(models, inner.name)
    names = tuple(model.name for model in models[:SHOWN_MODELS])
    if reply is None:
        first = _find_cause(doors)
        return ProbeReport(
            answered=scored is not None,
            doors=tuple(doors),
            error="" if scored else first.error,
            code="" if scored else first.code,
            model=scored.model if scored else "",
            models=names,
            latency_ms=scored.latency_ms if scored else None,
            prompt_tokens=scored.prompt_tokens if scored else None,
            context_length=context_length,
        )
    answers = reply.completions
    return ProbeReport(
        answered=True,
        doors=tuple(doors),
        model=reply.model,
        models=names,
        text=answers[0].text[:SHOWN_CHARACTERS],
        latency_ms=reply.latency_ms,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        context_length=context_length,
        logprobs=is_full and all(bool(one.logprobs) for one in answers),
        several=is_full and len(answers) == FULL.n,
        token_ids=all(one.token_ids is not None for one in answers),
    )


Make = Callable[[SamplingSettings], CompletionRequest]


def _make_raw(sampling: SamplingSettings) -> CompletionRequest:
    return CompletionRequest.of_pieces("probe/completions", (Piece(PROMPT),), sampling=sampling)


def _make_chat(sampling: SamplingSettings) -> CompletionRequest:
    messages = (Message("user", QUESTION),)
    return CompletionRequest("probe/chat", messages=messages, sampling=sampling)


async def _knock(name: str, engine: Engine, make: Make) -> tuple[Door, EngineReply | None, bool]:
    """Whether a door answers, with what, and whether to everything that was asked."""
    reply, error = await _try(engine.complete(make(FULL)))
    if error is not None and error.code == "bad_request":
        plain, refusal = await _try(engine.complete(make(PLAIN)))
        if plain is not None:
            return Door(name, answers=True, code="", error=error.message), plain, False
        error = refusal or error
    if error is not None:
        return Door(name, answers=False, code=error.code, error=error.message), None, False
    return Door(name, answers=True), reply, True


async def _ask_for_scores(engine: PoolingEngine) -> tuple[Door, PoolingReply | None]:
    request = PoolingRequest("probe/pooling", (Piece(PROMPT),))
    reply, error = await _try(engine.pool(request))
    if error is not None and error.code == "unsupported_model":
        # A language model in this process scores the words that it is asked about.
        reply, error = await _try(engine.pool(replace(request, columns=(0,))))
    if error is not None:
        # The address is right, or nothing would have been found there.
        has_none = error.code == "not_found"
        sentence = NO_SCORES if has_none else error.message
        return Door("pooling", answers=False, code=error.code, error=sentence), None
    return Door("pooling", answers=True), reply


async def _try(call: Awaitable[Any]) -> tuple[Any, EngineError | None]:
    try:
        return await call, None
    except EngineError as error:
        return None, error


async def _list_models(engine: Engine) -> tuple[ServedModel, ...]:
    """The models that a server names; none where it has no such list."""
    if not isinstance(engine, OpenAICompatibleEngine):
        return ()
    try:
        return await engine.list_models()
    except EngineError:
        # Whatever it is, the calls that follow say it too, where it matters.
        return ()


def _find_context(models: tuple[ServedModel, ...], name: str) -> int | None:
    return next((one.context_length for one in models if one.name == name), None)


def _find_cause(doors: list[Door]) -> Door:
    """The refusal that says most: that an address is not there says the least."""
    return next((door for door in doors if door.code != "not_found"), doors[0])
