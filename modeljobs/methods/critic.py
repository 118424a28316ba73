"""A judge: any chat model that is shown a whole solution and says what is wrong with it.

In one of two styles. ProcessBench's judges name the first error (see `critic_votes`), PRMBench's
critics rate every step (see `critic_ratings`). A reply that cannot be read is counted as such and
votes for nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from labeling.records import (
    Author,
    FirstError,
    LabelSet,
    Solution,
    StepLabel,
    Unknown,
    find_first_error,
)
from modeljobs.engines.base import Completion, Engine
from modeljobs.engines.options import Option
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
from modeljobs.methods.critic_options import FIRST_ERROR, OPTIONS, CriticSettings
from modeljobs.methods.critic_prompts import (
    build_repair_request,
    build_request,
    describe_prompts,
    name_prompt,
)
from modeljobs.methods.critic_ratings import RatingRule, rate_step
from modeljobs.methods.critic_replies import StepScores, read_first_error, read_scores
from modeljobs.methods.critic_samples import (
    Asker,
    Sample,
    explain_unread,
    refuse_cut_off,
    require,
)
from modeljobs.methods.critic_votes import (
    RULES,
    Vote,
    decide_vote,
    label_steps,
    pack_vote,
    read_vote,
    sum_up_step,
)
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.streams import Emit, gather_all, stream_events

NAME = "critic"
VERSION = "1"
KIND = "critic"


@dataclass(frozen=True, slots=True)
class CriticMethod(MethodBase):
    """Asks a model about all steps of a solution at once."""

    name: str = NAME
    version: str = VERSION
    title: str = "Judge solutions with a language model"
    description: str = (
        "Any chat model reads the whole solution and names its first error, or rates each step. "
        "What it says becomes a suggestion for people."
    )

    @property
    def prompt_version(self) -> str:
        return describe_prompts()

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
        """All samples side by side, then what they say together."""
        work = partial(
            _judge_item,
            item,
            engine=engine,
            settings=CriticSettings.of(settings),
            rng_seed=rng_seed,
        )
        return stream_events(work)


def find_unfit(solution: Solution) -> str:
    """Why there is nothing to judge in this solution; "" where there is."""
    if not solution.problem.text.strip():
        return "The problem has no text."
    if not solution.steps:
        return "The solution has no steps to judge."
    return ""


async def _judge_item(
    item: ItemInput, emit: Emit, *, engine: Engine, settings: CriticSettings, rng_seed: int
) -> None:
    """1. Refuse what has no steps. 2. Ask. 3. Show each step. 4. Hand over the labels."""
    if problem := find_unfit(item.solution):
        await emit(Failed("unsuitable_source", problem))
        return
    require(engine, "chat")
    desk = _Desk(item, Asker(engine, emit, rng_seed), settings)
    if settings.style == FIRST_ERROR:
        judged = await desk.ask_for_first_error()
    else:
        judged = await desk.ask_for_scores()
    for position, summary in enumerate(judged.summaries):
        # The replies are about all steps; the same text is stored once.
        shown = {**desk.describe_step(), **summary}
        if judged.unread is not None:
            shown["reason"] = judged.unread.reason
        await emit(StepChecked(position, KIND, shown, {"samples": judged.samples}))
    if judged.unread is not None:
        unread = judged.unread
        await emit(Failed(unread.code, unread.reason, outcome=Outcome.UNPARSED))
    else:
        await emit(desk.build_product(judged))


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the samples say together: a summary and a label for each step.

    `unread` says why there are no labels. `facts` are for provenance and `extra` for the label set;
    both plain JSON.
    """

    summaries: Sequence[Mapping[str, Any]]
    samples: Sequence[Mapping[str, Any]]
    labels: Sequence[StepLabel | None]
    first_error: FirstError
    facts: Mapping[str, Any]
    extra: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    unread: Unparsed | None = None


@dataclass(frozen=True, slots=True)
class _Desk:
    """One item under judgement."""

    item: ItemInput
    asker: Asker
    settings: CriticSettings

    @property
    def n_steps(self) -> int:
        return len(self.item.solution.steps)

    @property
    def key(self) -> str:
        return f"{self.item.key}/judge"

    # --- The first error --------------------------------------------------------------------------

    async def ask_for_first_error(self) -> _Judged:
        settings, steps = self.settings, self.n_steps
        question = build_request(self.item.solution, settings, key=self.key)
        samples: list[Sample[Vote]] = await self.asker.ask(
            question, settings.samples, purpose="judge", read=self._read_first_error
        )
        votes = [read_vote(sample) for sample in samples]
        first_error = decide_vote(votes, settings.vote)
        packed = [pack_vote(sample) for sample in samples]
        return _Judged(
            summaries=[
                sum_up_step(votes, first_error, position, rule=settings.vote)
                for position in range(steps)
            ],
            samples=[
                sample.pack() | {"first_error": vote}
                for sample, vote in zip(samples, packed, strict=True)
            ],
            labels=label_steps(votes, first_error, steps=steps, rule=settings.vote),
            first_error=first_error,
            facts={
                "rule": RULES[settings.vote],
                "samples_read": sum(vote is not None for vote in votes),
            },
            # For whoever counts the votes by another rule.
            extra={"critic.votes": packed},
            unread=None if any(votes) else explain_unread(samples),
        )

    def _read_first_error(self, completion: Completion) -> Vote | Unparsed:
        if completion.finish_reason == "length":
            # What it boxed on the way, such as the solution's own answer, is not its verdict.
            limit = self.settings.max_tokens
            return Unparsed("cut_off", f"The reply was cut off at the limit of {limit} tokens.")
        return read_first_error(completion.text, steps=self.n_steps)

    # --- Ratings ----------------------------------------------------------------------------------

    async def ask_for_scores(self) -> _Judged:
        settings = self.settings
        rule = RatingRule(settings.validity_threshold, settings.redundancy_threshold)
        question = build_request(self.item.solution, settings, key=self.key)
        asked: list[Sample[StepScores]] = await self.asker.ask(
            question, settings.samples, purpose="judge", read=self._read_scores
        )
        chains = await gather_all([self._repair(sample) for sample in asked])
        finals = [chain[-1] for chain in chains]
        given = [None if isinstance(one.found, Unparsed) else one.found for one in finals]
        read = [one for one in given if one is not None]
        facts = {
            "rule": f"validity {rule.right}, redundancy {rule.redundant}",
            "samples_read": len(read),
            "repairs": sum(len(chain) > 1 for chain in chains),
        }
        samples = [_pack_ratings(chain) for chain in chains]
        if not read:
            return self._give_up(explain_unread(finals), samples, facts)
        ratings = [rate_step(given, position, rule) for position in range(self.n_steps)]
        labels = [rating.build_label() for rating in ratings]
        return _Judged(
            summaries=[rating.pack() for rating in ratings],
            samples=samples,
            labels=labels,
            first_error=find_first_error(labels),
            facts=facts,
            extra={},
            notes=tuple(dict.fromkeys(note for one in read for note in one.notes)),
        )

    def _give_up(
        self, unread: Unparsed, samples: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
    ) -> _Judged:
        nothing: dict[str, Any] = {
            "scores": [],
            "verdict": None,
            "uncertainty": None,
            "verdicts": [None] * len(samples),
        }
        return _Judged(
            summaries=[nothing] * self.n_steps,
            samples=samples,
            labels=(),
            first_error=Unknown("no sample could be read"),
            facts=facts,
            extra={},
            unread=unread,
        )

    def _read_scores(self, completion: Completion) -> StepScores | Unparsed:
        found = read_scores(completion.text, steps=self.n_steps)
        return refuse_cut_off(found, completion, self.settings.max_tokens)

    async def _repair(self, sample: Sample[StepScores]) -> list[Sample[StepScores]]:
        """The sample, and its second try where the first could not be read."""
        if not isinstance(sample.found, Unparsed) or not self.settings.repair:
            return [sample]
        question = build_repair_request(
            sample.request,
            reply=sample.completion.text,
            problem=sample.found.reason,
            steps=self.n_steps,
            key=f"{self.key}/repair",
        )
        again = await self.asker.ask_one(
            question, sample.index, purpose="repair", read=self._read_scores
        )
        return [sample, again]

    # --- Both -------------------------------------------------------------------------------------

    def describe_step(self) -> dict[str, Any]:
        """What is the same for every step's summary."""
        return {
            "family": self.settings.style,
            "template": name_prompt(self.settings.style),
            "token": None,
            "samples": self.settings.samples,
        }

    def build_product(self, judged: _Judged) -> Produced:
        settings = self.settings
        shows = settings.show_answer and bool(self.item.solution.problem.reference_answer)
        return Produced(
            kind="suggestion",
            product=LabelSet(
                author=Author.MACHINE,
                labels=tuple(judged.labels),
                first_error=judged.first_error,
                method=NAME,
                extra=judged.extra,
            ),
            notes=judged.notes,
            provenance={
                "method": NAME,
                "method_version": VERSION,
                "prompt": name_prompt(settings.style),
                **settings.describe(),
                "answer_was_shown": shows,
                "key": self.key,
                **judged.facts,
                **self.asker.describe(),
            },
        )


def _pack_ratings(chain: Sequence[Sample[StepScores]]) -> dict[str, Any]:
    """A sample with its ratings; where it was asked twice, the first reply stands beside."""
    final = chain[-1]
    packed = final.pack()
    if isinstance(final.found, StepScores):
        packed |= {
            "validity": list(final.found.validity),
            "redundancy": list(final.found.redundancy),
            "notes": list(final.found.notes),
        }
    if len(chain) > 1:
        packed["first_try"] = chain[0].pack()
    return packed
