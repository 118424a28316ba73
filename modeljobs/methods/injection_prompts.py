"""What a model is asked when it is to put an error into a solution: the words, and the form.

The prompts are our own, `prompts/injection.md` for the frame and `prompts/injection/<class>.toml`
for each class. Steps count from 1 in what a model reads and writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from modeljobs.engines.base import CompletionRequest, Message, ReplyForm, SamplingSettings
from modeljobs.methods.parsing import drop_thoughts
from modeljobs.methods.rule_injection import INJECTED_CLASSES, MULTI_SOLUTIONS
from modeljobs.methods.templates import ErrorClassPrompt, fill, load_error_class, load_prompt

PROMPT = "injection"
# The classes that put an error in, in PRMBench's spelling and order of themes.
ERROR_CLASSES = tuple(kind for kind in INJECTED_CLASSES if kind != MULTI_SOLUTIONS)
# What of an unreadable reply is shown to the model again.
REPAIR_CHARACTERS = 20_000

_TEXTS = {"type": "array", "items": {"type": "string"}}
_NUMBERS = {"type": "array", "items": {"type": "integer"}}
# The contract of the prompt as a schema. It fixes the form alone: whether a step exists, or is
# wrong, no schema can say.
REPLY_FORM = ReplyForm(
    "injection",
    MappingProxyType(
        {
            "type": "object",
            "properties": {
                "modified_question": {"type": "string"},
                "modified_process": _TEXTS,
                "modified_steps": _NUMBERS,
                "error_steps": _NUMBERS,
                "reason": {"type": "string"},
            },
            "required": [
                "modified_question",
                "modified_process",
                "modified_steps",
                "error_steps",
                "reason",
            ],
            "additionalProperties": False,
        }
    ),
)


def build_injection_request(
    problem: str,
    steps: Sequence[str],
    error_type: str,
    settings: Mapping[str, Any],
    *,
    key: str = "",
    seed: int | None = None,
) -> CompletionRequest:
    """The request that asks for a flawed version of a correct solution."""
    if error_type not in ERROR_CLASSES:
        known = ", ".join(ERROR_CLASSES)
        raise ValueError(f"There is no prompt for the class {error_type!r}, only for {known}.")
    prompt, kind = load_prompt(PROMPT), load_error_class(error_type)
    system = fill(
        prompt.sections["system"],
        {
            "title": kind.title,
            "definition": kind.definition,
            "instruction": kind.instruction,
            "flagging": kind.flagging,
        },
    )
    messages = [Message("system", system)]
    messages += build_examples(kind, count=settings["examples"])
    messages.append(Message("user", write_question(problem, steps)))
    return CompletionRequest(
        key=key,
        messages=tuple(messages),
        sampling=SamplingSettings(
            temperature=settings["temperature"],
            top_p=settings["top_p"],
            max_tokens=settings["max_tokens"],
            seed=seed,
        ),
        metadata={
            "task": "injection",
            "error_type": error_type,
            "question": problem,
            "steps": tuple(steps),
            "attempt": 1,
        },
        form=REPLY_FORM,
    )


def build_examples(kind: ErrorClassPrompt, *, count: int) -> list[Message]:
    """The first worked examples of a class, each as a question and the reply wanted to it."""
    messages = []
    for example in kind.examples[:count]:
        reply = {
            "modified_question": example.modified_question,
            "modified_process": example.modified_steps,
            "modified_steps": example.changed,
            "error_steps": example.errors,
            "reason": example.reason,
        }
        messages.append(Message("user", write_question(example.question, example.steps)))
        messages.append(Message("assistant", json.dumps(reply, ensure_ascii=False)))
    return messages


def build_repair_request(
    request: CompletionRequest,
    *,
    reply: str,
    problem: str,
    key: str = "",
    seed: int | None = None,
    prompt: str = PROMPT,
) -> CompletionRequest:
    """The same request once more, with the reply to it, without its thoughts, and what is the
    matter with that.
    """
    asked = fill(load_prompt(prompt).sections["repair"], {"problem": problem})
    rest = drop_thoughts(reply)
    shown = (rest if isinstance(rest, str) else reply).strip()[:REPAIR_CHARACTERS] or "(nothing)"
    attempt = request.metadata.get("attempt", 1) + 1
    return replace(
        request,
        key=key,
        messages=(*request.messages, Message("assistant", shown), Message("user", asked)),
        sampling=replace(request.sampling, seed=seed),
        metadata={**request.metadata, "attempt": attempt},
    )


def write_question(question: str, steps: Sequence[str], *, prompt: str = PROMPT) -> str:
    """The problem and the numbered steps, as the prompt's user message puts them."""
    numbered = "\n".join(f"Step {number}. {text}" for number, text in enumerate(steps, 1))
    return fill(load_prompt(prompt).sections["user"], {"question": question, "steps": numbered})
