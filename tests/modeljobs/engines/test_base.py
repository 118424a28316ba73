from __future__ import annotations

import pytest

from modeljobs.engines.base import CompletionRequest, EngineReply, Message


def test_a_request_has_messages_or_a_prompt() -> None:
    CompletionRequest("a", messages=(Message("user", "hello"),))
    CompletionRequest("a", prompt="")


def test_a_request_with_neither_or_both_is_refused() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        CompletionRequest("a")
    with pytest.raises(ValueError, match="exactly one"):
        CompletionRequest("a", messages=(Message("user", "hello"),), prompt="hello")


def test_a_reply_without_completions_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        EngineReply(())
