"""What a judge is asked, in our own words (`prompts/critic/`).

A judge sees the problem and the steps, and the reference answer where the settings say so; nothing
of what is claimed or known of the steps.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from labeling.records import Solution
from modeljobs.engines.base import CompletionRequest, Message, ReplyForm
from modeljobs.methods.critic_options import FIRST_ERROR, CriticSettings
from modeljobs.methods.genprm_prompts import disarm
from modeljobs.methods.templates import digest_texts, fill, load_prompt

FIRST_ERROR_PROMPT = "critic/first_error"
SCORES_PROMPT = "critic/scores"
EXAMPLES = ("example_with_error", "example_without_error")
# What of an unreadable reply is shown to the judge again.
REPAIR_CHARACTERS = 20_000
NOTHING = "(nothing)"

_NUMBERS = {"type": "array", "items": {"type": "number"}}
SCORES_FORM = ReplyForm(
    "step_scores",
    {
        "type": "object",
        "properties": {"validity": _NUMBERS, "redundancy": _NUMBERS},
        "required": ["validity", "redundancy"],
        "additionalProperties": False,
    },
)
_TAG = re.compile(r"<(?=/?paragraph)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RatedExample:
    """A solution of our own with the ratings wanted for it."""

    problem: str
    steps: tuple[str, ...]
    validity: tuple[float, ...]
    redundancy: tuple[float, ...]


def describe_prompts() -> str:
    """The versions of the prompts, and a hash over their texts; at most 80 characters."""
    first, scores = load_prompt(FIRST_ERROR_PROMPT), load_prompt(SCORES_PROMPT)
    digest = digest_texts(f"{FIRST_ERROR_PROMPT}.md", f"{SCORES_PROMPT}.md")
    return f"critic first_error-{first.version} scores-{scores.version} #{digest}"


def name_prompt(style: str) -> str:
    """The prompt in use with its version, as evidence names it."""
    name = FIRST_ERROR_PROMPT if style == FIRST_ERROR else SCORES_PROMPT
    return f"{name}-{load_prompt(name).version}"


@functools.cache
def load_examples() -> tuple[RatedExample, ...]:
    """The worked examples, in the order in which they are shown."""
    sections = load_prompt(SCORES_PROMPT).sections
    return tuple(_read_example(sections[name]) for name in EXAMPLES)


def build_request(solution: Solution, settings: CriticSettings, *, key: str) -> CompletionRequest:
    """The question in the settings' style."""
    if settings.style == FIRST_ERROR:
        messages = _ask_for_first_error(solution, settings)
        form = None
    else:
        messages = _ask_for_scores(solution, settings)
        form = SCORES_FORM
    return CompletionRequest(
        key=key,
        messages=messages,
        sampling=settings.sampling,
        form=form,
        metadata={
            "task": "critic",
            "style": settings.style,
            "question": solution.problem.text,
            "steps": tuple(step.text for step in solution.steps),
            "attempt": 1,
        },
    )


def build_repair_request(
    request: CompletionRequest, *, reply: str, problem: str, steps: int, key: str
) -> CompletionRequest:
    """The question once more, with the reply to it and what is the matter with that."""
    section = load_prompt(SCORES_PROMPT).sections["repair"]
    asked = fill(section, {"problem": problem, "count": str(steps)})
    shown = reply[:REPAIR_CHARACTERS] if reply.strip() else NOTHING
    return replace(
        request,
        key=key,
        messages=(*request.messages, Message("assistant", shown), Message("user", asked)),
        metadata={**request.metadata, "attempt": 2},
    )


def _ask_for_first_error(solution: Solution, settings: CriticSettings) -> tuple[Message, ...]:
    sections = load_prompt(FIRST_ERROR_PROMPT).sections
    paragraphs = "\n\n".join(
        f"<paragraph_{index}>\n{_disarm_tags(step.text)}\n</paragraph_{index}>"
        for index, step in enumerate(solution.steps)
    )
    values = {"problem": disarm(solution.problem.text), "paragraphs": paragraphs}
    asked = _add_answer(fill(sections["ask"], values), sections["reference"], solution, settings)
    return Message("system", sections["system"]), Message("user", asked)


def _ask_for_scores(solution: Solution, settings: CriticSettings) -> tuple[Message, ...]:
    sections = load_prompt(SCORES_PROMPT).sections
    messages = [Message("system", sections["system"])]
    for example in load_examples()[: settings.examples]:
        reply = {"validity": example.validity, "redundancy": example.redundancy}
        messages.append(Message("user", _write_steps(example.problem, example.steps)))
        messages.append(Message("assistant", json.dumps(reply)))
    asked = _write_steps(solution.problem.text, [step.text for step in solution.steps])
    messages.append(Message("user", _add_answer(asked, sections["reference"], solution, settings)))
    return tuple(messages)


def _write_steps(problem: str, steps: Sequence[str]) -> str:
    written = "\n\n".join(
        f"Step {number}: {disarm(text)}" for number, text in enumerate(steps, start=1)
    )
    values = {"problem": disarm(problem), "steps": written, "count": str(len(steps))}
    return fill(load_prompt(SCORES_PROMPT).sections["ask"], values)


def _add_answer(asked: str, section: str, solution: Solution, settings: CriticSettings) -> str:
    answer = solution.problem.reference_answer
    if not settings.show_answer or not answer:
        return asked
    return f"{fill(section, {'answer': disarm(answer)})}\n\n{asked}"


def _disarm_tags(text: str) -> str:
    """No step can close its own tag and open another one's."""
    return _TAG.sub("< ", disarm(text))


def _read_example(section: str) -> RatedExample:
    facts = json.loads(section)
    return RatedExample(
        problem=facts["problem"],
        steps=tuple(facts["steps"]),
        validity=tuple(facts["validity"]),
        redundancy=tuple(facts["redundancy"]),
    )
