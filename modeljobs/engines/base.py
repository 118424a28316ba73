"""What every engine takes and gives back, and the two ways in which it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

EMPTY: Mapping[str, Any] = MappingProxyType({})

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat. A last turn by the assistant is a beginning for it to go on from."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How to sample. None leaves the choice to the server, and is not sent.

    `logprobs` is the number of alternatives wanted beside each token; 0 asks for the chosen
    token's own value alone.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    n: int = 1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a raw prompt: a text, and the token ids it was made of where they are known.

    An engine that can encode turns each piece into tokens by itself, so that a prompt which grows
    piece by piece keeps the same tokens in front, and the engine's prefix cache is of use: a text
    that is encoded as a whole may merge differently where pieces meet.
    """

    text: str
    token_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """The JSON that a reply is to be: a schema, and what to call it.

    `schema` is JSON Schema within what OpenAI's strict mode takes: each object names all its
    fields as required, and has no others.
    """

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One question to an engine: chat messages, or a raw prompt to go on from.

    `pieces` is the prompt in parts, for engines that make use of them; their texts joined are the
    prompt. The final message or the prompt's end is what the model goes on from.

    `key` names the question within its job; the same key is the same question, so that a call
    that is already stored need not be made twice. `metadata` says in a structured form what the
    messages say in words. Engines that hold a model ignore it; it is never sent anywhere.

    `form` is for engines that can hold a reply to a schema (`Capabilities.json_schema`); others
    pass it over, so that the messages have to say it as well.
    """

    key: str
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    sampling: SamplingSettings = SamplingSettings()
    metadata: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    pieces: tuple[Piece, ...] = ()
    form: ReplyForm | None = None

    def __post_init__(self) -> None:
        if bool(self.messages) == (self.prompt is not None):
            raise ValueError("A request has either messages or a prompt: give exactly one of them.")

    @classmethod
    def of_pieces(
        cls,
        key: str,
        pieces: tuple[Piece, ...],
        *,
        sampling: SamplingSettings,
        metadata: Mapping[str, Any] = EMPTY,
    ) -> CompletionRequest:
        """A raw prompt in parts."""
        prompt = "".join([piece.text for piece in pieces])
        return cls(key, prompt=prompt, sampling=sampling, metadata=metadata, pieces=pieces)


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A sampled token, its log-probability, and those of its alternatives as the server gave them.

    `top` maps a token's text to its log-probability; it need not hold the token itself.
    """

    token: str
    logprob: float
    top: Mapping[str, float] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. Token counts are None where the server gave only the sum over n answers."""

    text: str
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    # What a reasoning model wrote before its answer, where the server keeps the two apart.
    reasoning: str = ""
    # The sampled tokens, where the engine gives them: to be handed back in a `Piece`.
    token_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class EngineReply:
    """What came back for one request: at least one completion, and never more than asked for.

    A server that does not know `n` gives one completion whatever was asked: count them.
    `prompt_tokens` and `completion_tokens` are sums over the request. `model` is the model that
    the server says it used.
    """

    completions: tuple[Completion, ...]
    model: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_ms: int | None = None
    attempts: int = 1

    def __post_init__(self) -> None:
        if not self.completions:
            raise ValueError("A reply has at least one completion.")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, as far as is known without asking it."""

    logprobs: bool = False
    n: bool = False
    token_ids: bool = False
    chat: bool = False
    completions: bool = False
    # Scores for the tokens of a text: see `engines.pooling`.
    pooling: bool = False
    # Replies held to a schema: see `ReplyForm`.
    json_schema: bool = False
    context_length: int | None = None


class Engine(Protocol):
    """A source of text. Methods know engines by this protocol alone."""

    @property
    def name(self) -> str:
        """The model or script as a reader of the results should see it named."""

    @property
    def revision(self) -> str:
        """Which version of it, or "" where the server does not say."""

    @property
    def is_scripted(self) -> bool:
        """True where no model is behind it; every page that shows its work says so."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def complete(self, request: CompletionRequest) -> EngineReply:
        """The answer, or EngineTransient / EnginePermanent."""

    def describe(self) -> dict[str, Any]:
        """What to store beside the results: plain JSON values, and no secrets."""

    async def aclose(self) -> None:
        """Let go of connections; the engine is not used afterwards."""


class EngineError(Exception):
    """An engine gave no answer. The message is a sentence for people and holds no secret.

    `code` is for programs; `status` is the HTTP status where there was one.
    """

    def __init__(self, message: str, *, code: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.attempts = 1


class EngineTransient(EngineError):
    """Asking again later may well work. `retry_after` is in seconds, where the server named it."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, status=status)
        self.retry_after = retry_after


class EnginePermanent(EngineError):
    """Asking again in the same way will fail in the same way: somebody must act."""
