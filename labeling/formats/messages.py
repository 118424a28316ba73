"""Chat messages of PRMBench's annotation tool: an injection laid out for people to read.

The human verdicts and the pilot were labelled in a tool that shows four messages per item. Their
texts follow from the record, so only what does not (ids) has to be remembered. Source: the two
annotation exports of PRMBench.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labeling.formats.fields import as_object, take_others, wrong_type

# Stands for a text that follows from the record; no message has it for a content of its own.
FORGOTTEN = True


def number_steps(title: str, steps: Sequence[str]) -> str:
    """A heading and the steps numbered from 1, a blank line between them."""
    return f"## {title} \n\n" + "\n\n".join(
        f"{number}. {step}" for number, step in enumerate(steps, start=1)
    )


def forget_texts(messages: object, field: str, expected: Sequence[str]) -> list[dict[str, Any]]:
    """The messages, each without its content where that is the expected one."""
    if not isinstance(messages, list):
        raise wrong_type(field, "a list of messages", messages)
    kept = []
    for index, item in enumerate(messages):
        message = take_others(as_object(item, f"{field}[{index}]"), frozenset())
        if index < len(expected) and message.get("content") == expected[index]:
            # The key stays, so that it is written in its place.
            message["content"] = FORGOTTEN
        kept.append(message)
    return kept


def restore_texts(messages: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> list[Any]:
    """The messages with their contents: the inverse of `forget_texts`."""
    return [
        {**message, "content": texts[index]}
        if message.get("content") is FORGOTTEN and index < len(texts)
        else message
        for index, message in enumerate(messages)
    ]


def make_messages(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Messages for a record that never was in the tool: no ids, which would have to be invented."""
    return [
        {
            "message_id": None,
            "parent_id": None,
            "message_type": "receive",
            "content": text,
            "user_id": "",
        }
        for text in texts
    ]
