"""ThinkPRM: a reasoning model that verifies a whole solution aloud (Khalifa et al. 2025).

    user: problem, solution, instruction
    assistant: "\\nLet's verify step by step:" -> a verification, \\boxed{correct} or
               \\boxed{incorrect} for each step
    "\\nIs the solution correct? " -> P(yes), mean over the samples

What the verification says of each step becomes the label; P(yes) is the solution's own score.

Confirmed in the published code: the user's turn, the beginning of the answer, where a verification
is stopped, the question behind it, yes and no as its two answers, temperature 0 for one sample and
0.7 by default. Not confirmed: whether "<think>" stands before the answer's beginning. The published
code leaves that to the checkpoint's chat template, and those of R1-Distill differ; here it is a
setting. The published code takes the score of "yes" and "no" as they are spelt; here other
spellings of the two words (capitals, a blank in front) count for them as well.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from labeling.records import (
    Author,
    LabelSet,
    Score,
    Solution,
    StepLabel,
    Validity,
    find_first_error,
)
from modeljobs.engines.base import (
    Completion,
    CompletionRequest,
    Engine,
    Piece,
    SamplingSettings,
)
from modeljobs.engines.options import Option
from modeljobs.methods.aggregation import Aggregate, Opinion, aggregate
from modeljobs.methods.base import (
    CodeRunner,
    Event,
    Failed,
    ItemInput,
    MethodBase,
    Outcome,
    Produced,
    StepChecked,
)
from modeljobs.methods.critic import find_unfit
from modeljobs.methods.critic_samples import Asker, Sample, require
from modeljobs.methods.critic_votes import SCALE as VOTE_SCALE
from modeljobs.methods.genprm_prompts import TEMPLATES, disarm
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.probabilities import YesProbability
from modeljobs.methods.streams import Emit, gather_all, stream_events
from modeljobs.methods.templates import digest_texts, fill, load_prompt
from modeljobs.methods.think_prm_replies import (
    STOPS,
    StepVerdicts,
    cut_at_stop,
    read_decision,
    read_step_verdicts,
    strip_number,
)

NAME = "think_prm"
VERSION = "1"
KIND = "prm"
PROMPT = "think_prm"
PREFILL = "\nLet's verify step by step:"
DECISION_QUESTION = "\nIs the solution correct? "
THINK_TAG = "<think>\n"
# The word alone, and room for a blank or a quotation mark before it.
DECISION_TOKENS = 4
VOTE_RULE = "more correct than incorrect is correct"
SEVERAL_TEMPERATURE = 0.7

OPTIONS = (
    Option(
        "samples",
        "int",
        "Samples",
        help="How many verifications are written; P(yes) is averaged over them, and their verdicts "
        "on each step are counted.",
        default=1,
        minimum=1,
        maximum=64,
    ),
    Option(
        "threshold",
        "float",
        "Solution right from",
        help="The solution is right where the mean of P(yes) is at least this. Labels of steps do "
        "not depend on it.",
        default=0.5,
        minimum=0,
        maximum=1,
    ),
    Option(
        "think_tag",
        "bool",
        "Begin with <think>",
        help="As newer chat templates of R1-Distill models do.",
        default=True,
    ),
    Option(
        "template",
        "choice",
        "Chat template",
        help="The marks around turns that the checkpoint was trained with.",
        default="deepseek_r1",
        choices=(
            ("deepseek_r1", "DeepSeek-R1-Distill (ThinkPRM 1.5B, 7B, 14B)"),
            ("chatml", "ChatML (Qwen)"),
        ),
    ),
    Option(
        "temperature",
        "float",
        "Temperature",
        help="Left empty: 0 for one sample, 0.7 for several, as published.",
        minimum=0,
        maximum=2,
    ),
    Option(
        "max_tokens",
        "int",
        "Tokens per verification",
        help="One that is cut off is asked for its decision all the same; steps that it did not "
        "come to are not judged.",
        default=4096,
        minimum=64,
        maximum=131_072,
    ),
    Option(
        "logprobs",
        "int",
        "Alternatives per token",
        help="P(yes) is read from them. 0 for servers that give none: then only the word counts.",
        default=20,
        minimum=0,
        maximum=20,
    ),
)


@dataclass(frozen=True, slots=True)
class ThinkPrmMethod(MethodBase):
    """Has a whole solution verified aloud, several times over where wanted."""

    name: str = NAME
    version: str = VERSION
    title: str = "Verify solutions with ThinkPRM"
    description: str = (
        "A ThinkPRM checkpoint writes a verification of the whole solution with a verdict on each "
        "step, and then says whether the solution is right."
    )

    @property
    def prompt_version(self) -> str:
        return f"{PROMPT}-{load_prompt(PROMPT).version} #{digest_texts(f'{PROMPT}.md')}"

    @property
    def parameters(self) -> tuple[Option, ...]:
        return OPTIONS

    def run(
        self,
        item: ItemInput,
        *,
        engine: Engine,
        settings: Mapping[str, Any],
        rng_seed: int,
        code: CodeRunner | None = None,
    ) -> AsyncGenerator[Event]:
        """All verifications side by side, each with its decision; then the labels."""
        work = partial(_judge_item, item, engine=engine, settings=settings, rng_seed=rng_seed)
        return stream_events(work)


def build_prompt(solution: Solution, *, template: str, think_tag: bool) -> tuple[Piece, ...]:
    """The pieces up to where the verification begins."""
    marks = TEMPLATES[template]
    steps = [
        f"Step {number}: {strip_number(disarm(step.text))}"
        for number, step in enumerate(solution.steps, start=1)
    ]
    user = fill(
        load_prompt(PROMPT).sections["user"],
        {"problem": disarm(solution.problem.text), "solution": "\n".join(steps)},
    )
    opening = marks.begin if template == "deepseek_r1" else ""
    answer = marks.user_end + marks.assistant_begin + (THINK_TAG if think_tag else "")
    texts = (opening, marks.user_begin, user, answer, PREFILL)
    return tuple(Piece(text) for text in texts if text)


@dataclass(frozen=True, slots=True)
class _Verified:
    """One verification with its decision on the whole solution."""

    sample: Sample[StepVerdicts]
    said: str
    decision: Sample[Opinion]

    @property
    def steps(self) -> StepVerdicts | None:
        return self.sample.found if isinstance(self.sample.found, StepVerdicts) else None

    @property
    def opinion(self) -> Opinion:
        found = self.decision.found
        return found if isinstance(found, Opinion) else Opinion(None)

    def pack(self) -> dict[str, Any]:
        """The verification as a step's detail shows it: plain JSON."""
        opinion = self.opinion
        probability = opinion.probability
        return self.sample.pack() | {
            "text": f"{PREFILL}{self.said}{DECISION_QUESTION}{self.decision.completion.text}",
            "verdicts": list(self.steps.verdicts) if self.steps else None,
            "notes": list(self.steps.notes) if self.steps else [],
            "solution_right": opinion.is_yes,
            "p_yes": probability.value if probability else None,
            "bound": probability.bound if probability else None,
            "no_p_yes": self.decision.reason,
        }


async def _judge_item(
    item: ItemInput,
    emit: Emit,
    *,
    engine: Engine,
    settings: Mapping[str, Any],
    rng_seed: int,
) -> None:
    """1. Refuse what cannot be asked. 2. Have it verified. 3. Show each step. 4. Hand over."""
    if problem := find_unfit(item.solution):
        await emit(Failed("unsuitable_source", problem))
        return
    require(engine, "completions")
    desk = _Desk(item, Asker(engine, emit, rng_seed), settings)
    verified = await desk.verify()
    outcome = aggregate([one.opinion for one in verified], threshold=settings["threshold"])
    detail = {"samples": [one.pack() for one in verified]}
    steps = range(len(item.solution.steps))
    counts = [_count_votes(verified, position) for position in steps]
    for position, count in enumerate(counts):
        reason = _explain_open(verified, position, count)
        summary = desk.sum_up(count, outcome, reason)
        summary["verdicts"] = [
            one.steps.verdicts[position] if one.steps is not None else None for one in verified
        ]
        await emit(StepChecked(position, KIND, summary, detail))
    if not any(right + wrong for right, wrong in counts):
        reason = _explain_open(verified, 0, counts[0])
        await emit(
            Failed(
                "unparsed",
                f"No verdict could be read on any of the {len(counts)} steps. {reason}",
                outcome=Outcome.UNPARSED,
            )
        )
        return
    await emit(desk.build_product(counts, outcome, verified))


@dataclass(frozen=True, slots=True)
class _Desk:
    """One item that is verified."""

    item: ItemInput
    asker: Asker
    settings: Mapping[str, Any]

    @property
    def temperature(self) -> float:
        given: float | None = self.settings["temperature"]
        if given is not None:
            return given
        return SEVERAL_TEMPERATURE if self.settings["samples"] > 1 else 0.0

    async def verify(self) -> list[_Verified]:
        """The verifications in one request or several, then the decision behind each."""
        pieces = build_prompt(
            self.item.solution,
            template=self.settings["template"],
            think_tag=self.settings["think_tag"],
        )
        question = CompletionRequest.of_pieces(
            f"{self.item.key}/verify",
            pieces,
            sampling=SamplingSettings(
                temperature=self.temperature, max_tokens=self.settings["max_tokens"], stop=STOPS
            ),
            metadata=self._describe("verify"),
        )
        samples: list[Sample[StepVerdicts]] = await self.asker.ask(
            question, self.settings["samples"], purpose="verify", read=self._read_verification
        )
        return await gather_all([self._decide(sample, pieces) for sample in samples])

    def _read_verification(self, completion: Completion) -> StepVerdicts | Unparsed:
        return read_step_verdicts(
            cut_at_stop(completion.text),
            steps=len(self.item.solution.steps),
            limit=self.settings["max_tokens"] if completion.finish_reason == "length" else None,
        )

    async def _decide(self, sample: Sample[StepVerdicts], pieces: Sequence[Piece]) -> _Verified:
        said = cut_at_stop(sample.completion.text)
        behind = [Piece(text) for text in (said, DECISION_QUESTION) if text]
        question = CompletionRequest.of_pieces(
            f"{self.item.key}/decide",
            (*pieces, *behind),
            sampling=SamplingSettings(
                temperature=0.0,
                max_tokens=DECISION_TOKENS,
                logprobs=self.settings["logprobs"] or None,
            ),
            metadata=self._describe("decide"),
        )
        decision: Sample[Opinion] = await self.asker.ask_one(
            question, sample.index, purpose="decide", read=read_decision
        )
        return _Verified(sample, said, decision)

    def _describe(self, stage: str) -> dict[str, Any]:
        solution = self.item.solution
        return {
            "task": "think_prm",
            "stage": stage,
            "question": solution.problem.text,
            "steps": tuple(step.text for step in solution.steps),
        }

    def sum_up(self, count: tuple[int, int], outcome: Aggregate, reason: str) -> dict[str, Any]:
        right, wrong = count
        share = _find_share(count)
        verdict = _find_verdict(count)
        scores = [
            {
                "name": "validity",
                "raw": share,
                "scale": VOTE_SCALE,
                "rule": VOTE_RULE,
                "verdict": verdict,
            }
        ]
        is_shared = share is not None and right + wrong > 1
        return {
            "scores": scores if share is not None else [],
            "verdict": verdict,
            "uncertainty": min(share, 1 - share) if share is not None and is_shared else None,
            "family": NAME,
            "template": self.template,
            "token": None,
            "samples": self.settings["samples"],
            "reason": reason,
            "right": right,
            "wrong": wrong,
            "solution_p_yes": outcome.mean,
        }

    @property
    def template(self) -> str:
        think = "think" if self.settings["think_tag"] else "plain"
        return f"{PROMPT}-{load_prompt(PROMPT).version} {self.settings['template']} {think}"

    def build_product(
        self,
        counts: Sequence[tuple[int, int]],
        outcome: Aggregate,
        verified: Sequence[_Verified],
    ) -> Produced:
        labels = [_build_label(count) for count in counts]
        rule = f">= {self.settings['threshold']:g} is correct"
        probabilities = [one.opinion.probability for one in verified]
        solution = {
            "raw": outcome.mean,
            "scale": "probability",
            "rule": rule,
            "verdict": outcome.verdict,
            "samples": [_pack_probability(one) for one in probabilities],
            "says_yes": outcome.yes,
            "says_no": outcome.no,
            "unread": outcome.unparsed,
        }
        notes = dict.fromkeys(
            note for one in verified if one.steps is not None for note in one.steps.notes
        )
        return Produced(
            kind="suggestion",
            product=LabelSet(
                author=Author.MACHINE,
                labels=tuple(labels),
                first_error=find_first_error(labels),
                method=NAME,
                extra={"think_prm.solution": solution},
            ),
            notes=tuple(notes),
            provenance={
                "method": NAME,
                "method_version": VERSION,
                "prompt": self.template,
                "samples": self.settings["samples"],
                "samples_read": sum(one.steps is not None for one in verified),
                "threshold": self.settings["threshold"],
                "rule": VOTE_RULE,
                "solution_score": solution,
                "sampler": {
                    "temperature": self.temperature,
                    "max_tokens": self.settings["max_tokens"],
                },
                "key": self.item.key,
                **self.asker.describe(),
            },
        )


def _count_votes(verified: Sequence[_Verified], position: int) -> tuple[int, int]:
    """How many verifications call the step right and wrong."""
    said = [one.steps.verdicts[position] for one in verified if one.steps is not None]
    return sum(word is True for word in said), sum(word is False for word in said)


def _find_share(count: tuple[int, int]) -> float | None:
    right, wrong = count
    return right / (right + wrong) if right + wrong else None


def _find_verdict(count: tuple[int, int]) -> bool | None:
    """None where nobody judged the step, or as many for as against."""
    right, wrong = count
    return None if right == wrong else right > wrong


def _explain_open(verified: Sequence[_Verified], position: int, count: tuple[int, int]) -> str:
    """Why the step has no verdict; "" where it has one."""
    right, wrong = count
    if right != wrong:
        return ""
    if right:
        return f"The votes are even: {right} right, {wrong} wrong."
    first = verified[0]
    return first.steps.reasons[position] if first.steps is not None else first.sample.reason


def _build_label(count: tuple[int, int]) -> StepLabel | None:
    verdict, share = _find_verdict(count), _find_share(count)
    if verdict is None or share is None:
        return None
    return StepLabel(
        validity=Validity.CORRECT if verdict else Validity.WRONG,
        score=Score(share, scale=VOTE_SCALE, rule=VOTE_RULE),
    )


def _pack_probability(probability: YesProbability | None) -> dict[str, Any] | None:
    if probability is None:
        return None
    return {"p_yes": probability.value, "bound": probability.bound}
