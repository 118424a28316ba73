"""R-PRM: a model that reasons about one step at a time and ends in Yes or No (She et al. 2025).

    score = mean over K samples of  p(" Yes") / (p(" Yes") + p(" No"))

at the token after "Verification: Is the step correct (Yes/No)?". Steps are judged independently of
each other, all at once.

The prompt is the published one, word for word (`prompts/r_prm.md`): its checkpoints were trained on
it. Confirmed in the published code: the prompt without examples, its five headings, the sentence
that the verdict stands behind, " Yes" and " No", K = 10, temperature and top-p of 0.95, and what
takes the place of the previous steps before the first one. Not confirmed: that the checkpoints were
trained with steps numbered "Step 1: " (the published example has them so; the guided search has
not), and which system text stands before the prompt: this one is sent as a user's turn alone, as
the published code does, and the server's chat template decides.

The published code runs the model a second time over each reply to read the two probabilities; here
they are read where the verdict was sampled, which is the same distribution. It scores a reply
without that sentence all the same, behind words of its own; here such a reply is not read.
"""

from __future__ import annotations

import math
import re
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
    Message,
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
from modeljobs.methods.critic_replies import cut_thoughts
from modeljobs.methods.critic_samples import (
    Asker,
    Sample,
    explain_unread,
    refuse_cut_off,
    require,
)
from modeljobs.methods.critic_votes import SCALE as VOTE_SCALE
from modeljobs.methods.genprm_prompts import disarm
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.probabilities import YesProbability, read_probability
from modeljobs.methods.streams import Emit, gather_all, stream_events
from modeljobs.methods.templates import digest_texts, fill, load_prompt
from modeljobs.methods.verdicts import Verdict

NAME = "r_prm"
VERSION = "1"
KIND = "prm"
PROMPT = "r_prm"
QUESTION = "Is the step correct (Yes/No)?"
VOTE_RULE = "more Yes than No is correct"

_VERDICT = re.compile(rf"{re.escape(QUESTION)}[\s*_:\[\"'`]*(?P<word>yes|no)\b", re.IGNORECASE)
_NUMBERED = re.compile(r"\s*step\s+\d+\s*[:.]", re.IGNORECASE)

OPTIONS = (
    Option(
        "samples",
        "int",
        "Samples per step",
        help="How often each step is judged; the probabilities are averaged. Published: 10.",
        default=10,
        minimum=1,
        maximum=64,
    ),
    Option(
        "threshold",
        "float",
        "Right from",
        help="A step is right where its mean probability is at least this. The paper says 0.5; the "
        "published PRMBench labels were made at 0.6.",
        default=0.5,
        minimum=0,
        maximum=1,
    ),
    Option(
        "numbering",
        "bool",
        "Number the steps",
        help="'Step 1: ' before each step that does not begin so itself.",
        default=True,
    ),
    Option(
        "temperature",
        "float",
        "Temperature",
        help="The published figures were made at 0.95.",
        default=0.95,
        minimum=0,
        maximum=2,
    ),
    Option("top_p", "float", "Top-p", default=0.95, minimum=0.01, maximum=1),
    Option(
        "max_tokens",
        "int",
        "Tokens per reply",
        default=3072,
        minimum=64,
        maximum=131_072,
    ),
    Option(
        "logprobs",
        "int",
        "Alternatives per token",
        help="The probability of Yes is read from them. 0 for servers that give none: then only "
        "votes are counted.",
        default=20,
        minimum=0,
        maximum=20,
    ),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One reply's verdict on a step. `doubt` says why its probability is not known."""

    is_yes: bool
    probability: YesProbability | None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class RprmMethod(MethodBase):
    """Judges each step by itself, several times over."""

    name: str = NAME
    version: str = VERSION
    title: str = "Score steps with R-PRM"
    description: str = (
        "An R-PRM checkpoint analyses each step under five headings and says Yes or No. The "
        "probability of Yes becomes a suggestion for people."
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
        """Each step as its samples come in, then the labels of all."""
        work = partial(_judge_item, item, engine=engine, settings=settings, rng_seed=rng_seed)
        return stream_events(work)


def write_prompt(solution: Solution, position: int, *, numbers: bool) -> str:
    """The published prompt for one step; the reply follows it."""
    sections = load_prompt(PROMPT).sections
    steps = [disarm(step.text) for step in solution.steps[: position + 1]]
    if numbers:
        steps = [
            text if _NUMBERED.match(text) else f"Step {number}: {text}"
            for number, text in enumerate(steps, start=1)
        ]
    previous = "\n".join(steps[:-1]) or sections["no_previous"]
    # The blank behind "Conclusion:" and the one at the end are the published prompt's.
    template = (
        "{{analysis}}\nConclusion: \n{{conclusion}}\n\nQuestion: {{question}}\n"
        "Previous Steps: {{previous}}\nNow Step: {{now}}\n{{closing}}\nReply: "
    )
    values = {
        "question": disarm(solution.problem.text),
        "previous": previous,
        "now": steps[-1],
        **{name: sections[name] for name in ("analysis", "conclusion", "closing")},
    }
    return fill(template, values)


def read_verdict(text: str) -> Verdict | Unparsed:
    """The word behind the sentence that asks for it. Two that contradict each other are none."""
    said = cut_thoughts(text)
    if isinstance(said, Unparsed):
        return said
    found = [
        Verdict(match["word"].lower() == "yes", match.start("word"))
        for match in _VERDICT.finditer(text, len(text) - len(said))
    ]
    if not found:
        if QUESTION.lower() in said.lower():
            return Unparsed("no_verdict", f'Neither Yes nor No follows "{QUESTION}".')
        return Unparsed("no_verification", f'The reply does not come to "{QUESTION}".')
    if len({verdict.is_yes for verdict in found}) > 1:
        return Unparsed("contradictory", f'Both Yes and No follow "{QUESTION}".')
    return found[-1]


def read_reply(completion: Completion, *, limit: int) -> Reading | Unparsed:
    """The reply's verdict, and the probability of Yes where its token has one."""
    verdict = refuse_cut_off(read_verdict(completion.text), completion, limit)
    if isinstance(verdict, Unparsed):
        return verdict
    found = read_probability(completion.logprobs, text=completion.text, start=verdict.start)
    if isinstance(found, Unparsed):
        return Reading(verdict.is_yes, None, found.reason)
    return Reading(verdict.is_yes, found)


async def _judge_item(
    item: ItemInput,
    emit: Emit,
    *,
    engine: Engine,
    settings: Mapping[str, Any],
    rng_seed: int,
) -> None:
    """1. Refuse what has no steps. 2. Judge all steps side by side. 3. Hand over the labels."""
    if problem := find_unfit(item.solution):
        await emit(Failed("unsuitable_source", problem))
        return
    require(engine, "chat")
    bench = _Bench(item, Asker(engine, emit, rng_seed), settings)
    results = await gather_all(
        [bench.judge(position) for position in range(len(item.solution.steps))]
    )
    if all(outcome.decision is None for outcome, _ in results):
        reason = next((reason for _, reason in results if reason), "Every vote was even.")
        n = len(results)
        await emit(
            Failed(
                "unparsed",
                f"No verdict could be read on any of the {n} steps. {reason}",
                outcome=Outcome.UNPARSED,
            )
        )
        return
    await emit(bench.build_product([outcome for outcome, _ in results]))


@dataclass(frozen=True, slots=True)
class _Bench:
    """One item whose steps are judged side by side."""

    item: ItemInput
    asker: Asker
    settings: Mapping[str, Any]

    @property
    def rule(self) -> str:
        return f">= {self.settings['threshold']:g} is correct"

    async def judge(self, position: int) -> tuple[Aggregate, str]:
        """What the samples say of the step, and why it has no verdict where it has none."""
        samples: list[Sample[Reading]] = await self.asker.ask(
            self._build_request(position),
            self.settings["samples"],
            purpose="judge",
            read=partial(read_reply, limit=self.settings["max_tokens"]),
            marker=QUESTION,
        )
        readings = [one.found if isinstance(one.found, Reading) else None for one in samples]
        outcome = aggregate(
            [Opinion(one.is_yes, one.probability) if one else Opinion(None) for one in readings],
            threshold=self.settings["threshold"],
        )
        reason = ""
        if not any(readings):
            reason = explain_unread(samples).reason
        elif outcome.decision is None:
            reason = f"The votes are even: {outcome.yes} Yes, {outcome.no} No."
        await self.asker.emit(
            StepChecked(
                position,
                KIND,
                self._sum_up(outcome, [one.is_yes if one else None for one in readings], reason),
                {"samples": [_pack(sample) for sample in samples]},
            )
        )
        return outcome, reason

    def _build_request(self, position: int) -> CompletionRequest:
        settings, solution = self.settings, self.item.solution
        asked = write_prompt(solution, position, numbers=settings["numbering"])
        return CompletionRequest(
            key=f"{self.item.key}/p{position}",
            messages=(Message("user", asked),),
            sampling=SamplingSettings(
                temperature=settings["temperature"],
                top_p=settings["top_p"],
                max_tokens=settings["max_tokens"],
                logprobs=settings["logprobs"] or None,
            ),
            metadata={
                "task": "r_prm",
                "question": solution.problem.text,
                "steps": tuple(step.text for step in solution.steps),
                "position": position,
            },
        )

    def _sum_up(
        self, outcome: Aggregate, verdicts: Sequence[bool | None], reason: str
    ) -> dict[str, Any]:
        score = self._score(outcome)
        scores: list[dict[str, Any]] = []
        if score is not None:
            scores.append(
                {
                    "name": "validity",
                    "raw": score.raw,
                    "scale": score.scale,
                    "rule": score.rule,
                    "verdict": outcome.decision,
                }
            )
        return {
            "scores": scores,
            "verdict": outcome.decision,
            "uncertainty": None if outcome.variance is None else math.sqrt(outcome.variance),
            "family": NAME,
            "template": f"{PROMPT}-{load_prompt(PROMPT).version}",
            "token": None,
            "samples": self.settings["samples"],
            "reason": reason,
            "verdicts": list(verdicts),
            "right": outcome.yes,
            "wrong": outcome.no,
            "unread": outcome.unparsed,
        }

    def _score(self, outcome: Aggregate) -> Score | None:
        """The mean probability; without one, the share of Yes, which says so."""
        if outcome.mean is not None:
            return Score(outcome.mean, scale="probability", rule=self.rule)
        votes = outcome.yes + outcome.no
        return Score(outcome.yes / votes, scale=VOTE_SCALE, rule=VOTE_RULE) if votes else None

    def build_product(self, outcomes: Sequence[Aggregate]) -> Produced:
        labels = [self._build_label(outcome) for outcome in outcomes]
        settings = self.settings
        return Produced(
            kind="suggestion",
            product=LabelSet(
                author=Author.MACHINE,
                labels=tuple(labels),
                first_error=find_first_error(labels),
                method=NAME,
            ),
            provenance={
                "method": NAME,
                "method_version": VERSION,
                "prompt": f"{PROMPT}-{load_prompt(PROMPT).version}",
                "samples": settings["samples"],
                "numbering": settings["numbering"],
                "threshold": settings["threshold"],
                "rule": self.rule,
                "sampler": {
                    name: settings[name] for name in ("temperature", "top_p", "max_tokens")
                },
                "decided_by": sorted({one.decided_by for one in outcomes if one.decided_by}),
                "steps_read": sum(outcome.decision is not None for outcome in outcomes),
                "key": self.item.key,
                **self.asker.describe(),
            },
        )

    def _build_label(self, outcome: Aggregate) -> StepLabel | None:
        if outcome.decision is None:
            return None
        return StepLabel(
            validity=Validity.CORRECT if outcome.decision else Validity.WRONG,
            score=self._score(outcome),
        )


def _pack(sample: Sample[Reading]) -> dict[str, Any]:
    packed = sample.pack() | {"verdict": None, "p_yes": None, "bound": None, "no_p_yes": ""}
    if isinstance(sample.found, Reading):
        found = sample.found
        packed["verdict"] = "yes" if found.is_yes else "no"
        packed["no_p_yes"] = found.doubt
        if found.probability is not None:
            packed |= {"p_yes": found.probability.value, "bound": found.probability.bound}
    return packed
