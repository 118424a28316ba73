"""A raw completion as a part of a growing text: how it ended, and its tokens for the next prompt.

Engines leave out the stop string that ended a completion, or put it in, and say "stop" also where
the model ended by itself. Which of these it was decides what happens next, so it is read from the
text, from the tokens behind it where there are some, and only then guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modeljobs.engines.base import Completion, Piece, TokenLogprob

# Ended from outside: the text may break off anywhere.
CUT_REASONS = frozenset({"length", "abort", "content_filter", "error"})
# No stop string or end mark is longer.
_REST_LIMIT = 64
# How much of what token ids spell is compared with the text.
_TAIL_TOKENS = 16
_TAIL_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Segment:
    """What came back, with its stop string: `stop` is "" where the model ended by itself or was cut
    off. `text` without the stop string is `said`; `pieces` are for the prompt that goes on from it.
    """

    said: str
    stop: str
    is_cut: bool
    pieces: tuple[Piece, ...]
    completion_tokens: int | None
    logprobs: tuple[TokenLogprob, ...] | None

    @property
    def text(self) -> str:
        return self.said + self.stop


def read_segment(
    completion: Completion,
    stops: Sequence[str],
    guess: Callable[[str], str],
    *,
    ids_tail: str | None = None,
) -> Segment:
    """How the completion ended. `guess` names the stop string by the text alone, for engines that
    give no tokens; `ids_tail` is what `find_ids_tail` says of the whole completion.
    """
    text = completion.text
    # Behind the text: the rest of what the tokens spell, or None where they do not fit it.
    rest = _find_rest(text, completion.logprobs)
    included = next((stop for stop in stops if text.endswith(stop)), "")
    said = text.removesuffix(included) if included else text
    if included:
        stop, is_cut = included, False
    elif completion.finish_reason in CUT_REASONS:
        stop, is_cut = "", True
    elif not rest:
        # Nothing behind the text: some servers leave the stop string's tokens out as well.
        stop, is_cut = guess(text), False
    else:
        stop, is_cut = next((stop for stop in stops if rest.startswith(stop)), ""), False
    return Segment(
        said=said,
        stop=stop,
        is_cut=is_cut,
        pieces=_build_pieces(completion, said, stop, ids_tail),
        completion_tokens=completion.completion_tokens,
        logprobs=completion.logprobs,
    )


def find_ids_tail(completion: Completion) -> str | None:
    """The end of what the completion's token ids spell; None where there is no way to know.

    Some engines name all sampled tokens, some only those that the text is made of. The texts of all
    sampled tokens come with their log-probabilities, so counting tells; those must be whole.
    """
    ids, logprobs = completion.token_ids, completion.logprobs
    if not ids or logprobs is None or len(logprobs) < len(ids):
        return None
    # Bytes of a character that is split over tokens do not join; its end is enough.
    spelt = "".join([entry.token for entry in logprobs[max(0, len(ids) - _TAIL_TOKENS) : len(ids)]])
    return spelt[-_TAIL_CHARACTERS:]


def _find_rest(text: str, logprobs: Sequence[TokenLogprob] | None) -> str | None:
    """What the tokens spell behind the text's end; their beginning may have been cut off."""
    if not logprobs:
        return None
    joined = "".join([entry.token for entry in logprobs])
    for length in range(min(len(joined), _REST_LIMIT) + 1):
        head = joined[: len(joined) - length]
        # An empty head fits any text, and says something only of an empty one.
        if (head or not text) and text.endswith(head[-_TAIL_CHARACTERS:]):
            return joined[len(head) :]
    return None


def _build_pieces(
    completion: Completion, said: str, stop: str, ids_tail: str | None
) -> tuple[Piece, ...]:
    """The text as pieces. Token ids go along only where it is known what they spell."""
    if ids_tail:
        if (said + stop).endswith(ids_tail):
            return _drop_empty(Piece(said + stop, completion.token_ids))
        if said.endswith(ids_tail):
            return _drop_empty(Piece(said, completion.token_ids), Piece(stop))
    return _drop_empty(Piece(said), Piece(stop))


def _drop_empty(*pieces: Piece) -> tuple[Piece, ...]:
    return tuple(piece for piece in pieces if piece.text)
