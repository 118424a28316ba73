"""GenPRM: a model judges each step by an analysis, code that is really run, and a verdict.

Zhao et al. 2025, with the protocol of the published checkpoints or with a prompt of our own for any
chat model. Several samples judge each step; their probabilities of Yes are averaged (eq. 6 and 7)
and their verdicts counted, apart from each other. A step that no sample's reply could be read on is
not judged; it never counts as half right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from labeling.formats.genprm import SYSTEM_TEXT
from labeling.records import (
    At,
    Author,
    FirstError,
    LabelSet,
    NoError,
    Score,
    Solution,
    StepLabel,
    Unknown,
    Validity,
)
from modeljobs.engines.base import Engine
from modeljobs.engines.options import Option
from modeljobs.methods import genprm_instruct, genprm_protocol
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
from modeljobs.methods.genprm_options import OPTIONS
from modeljobs.methods.genprm_prompts import DIRECT_SYSTEM_TEXT, write_user_turns
from modeljobs.methods.genprm_samples import IMAGINED, History, SampleResult, Seat, Work
from modeljobs.methods.genprm_settings import GenprmSettings, Mode, read_mode
from modeljobs.methods.streams import Emit, gather_all, stream_events
from modeljobs.methods.templates import digest_texts, load_prompt
from modeljobs.sandbox.base import CodeStatus

NAME = "genprm"
VERSION = "1"


@dataclass(frozen=True, slots=True)
class GenprmMethod(MethodBase):
    """Judges every step of a solution, several times over where wanted."""

    name: str = NAME
    version: str = VERSION
    title: str = "Verify steps with GenPRM"
    description: str = (
        "A model judges each step in turn: it analyses the step, writes code that is run, and says "
        "Yes or No. What it says becomes a suggestion for people."
    )

    @property
    def prompt_version(self) -> str:
        """The protocol's version, that of our own prompt, and a hash over the latter's text."""
        own = load_prompt(genprm_instruct.PROMPT)
        digest = digest_texts(f"{genprm_instruct.PROMPT}.md")
        return f"genprm-{VERSION} instruct-{own.version} #{digest}"

    @property
    def parameters(self) -> tuple[Option, ...]:
        return OPTIONS

    def needs_sandbox(self, settings: Mapping[str, Any]) -> bool:
        """True where code is written and run."""
        return read_mode(settings).execute

    def run(
        self,
        item: ItemInput,
        *,
        engine: Engine,
        settings: Mapping[str, Any],
        rng_seed: int,
        code: CodeRunner | None = None,
    ) -> AsyncGenerator[Event]:
        """Each step in turn: its samples side by side, then what they say together."""
        work = partial(
            _judge_item,
            item,
            engine=engine,
            settings=GenprmSettings.of(settings),
            rng_seed=rng_seed,
            code=code,
        )
        return stream_events(work)


def list_judged_steps(solution: Solution) -> tuple[str, ...]:
    """The steps that are put before the model: all, but for an empty one at the end."""
    texts = tuple(step.text for step in solution.steps)
    return texts[:-1] if texts and not texts[-1].strip() else texts


@dataclass(slots=True)
class _Finding:
    """What is known of a step once it is judged."""

    outcome: Aggregate
    results: tuple[SampleResult, ...]
    mode: Mode
    # Tokens and runs of all rungs together.
    completion_tokens: int | None
    code_runs: int

    def pack_summary(self, settings: GenprmSettings) -> dict[str, Any]:
        """The step for lists and columns: plain JSON."""
        outcome, results = self.outcome, self.results
        reasons = Counter(one.unparsed.code for one in results if one.unparsed is not None)
        return {
            "mean": outcome.mean,
            "verdict": outcome.verdict,
            "majority": outcome.majority,
            "decided_by": outcome.decided_by,
            "yes": outcome.yes,
            "no": outcome.no,
            "unparsed": outcome.unparsed,
            "samples": len(results),
            "verdicts": [one.is_yes for one in results],
            "p_yes": [one.probability.value if one.probability else None for one in results],
            "bounds": [one.probability.bound if one.probability else None for one in results],
            "threshold": settings.threshold,
            "variance": outcome.variance,
            "completion_tokens": self.completion_tokens,
            "code_runs": self.code_runs,
            "fell_back": sum(one.fell_back for one in results),
            "mode": self.mode.name,
            "unparsed_reasons": dict(sorted(reasons.items())),
            "chosen": outcome.chosen,
        }


async def _judge_item(
    item: ItemInput,
    emit: Emit,
    *,
    engine: Engine,
    settings: GenprmSettings,
    rng_seed: int,
    code: CodeRunner | None,
) -> None:
    """1. Refuse what has no steps. 2. Judge step after step. 3. Hand over the labels."""
    steps = list_judged_steps(item.solution)
    if not steps:
        await emit(Failed("unsuitable_source", "The solution has no steps to judge."))
        return
    work = Work(item, engine, settings, rng_seed, code, emit, steps)
    bench = _Bench(work, write_user_turns(item.solution.problem.text, steps, settings.opening))
    outcomes: list[Aggregate] = []

    async def report(position: int, finding: _Finding) -> None:
        outcomes.append(finding.outcome)
        await emit(
            StepChecked(
                position=position,
                kind=NAME,
                summary=finding.pack_summary(settings),
                detail={"samples": [one.pack() for one in finding.results]},
            )
        )

    if settings.samples_are_free:
        await bench.judge_freely(len(steps), report)
    else:
        for position in range(len(steps)):
            finding = await bench.judge(position)
            await report(position, finding)
            # The word of all samples together: one of them alone may well be mistaken.
            if settings.early_stop and finding.outcome.decision is False:
                break
    await emit(_conclude(work, outcomes))


@dataclass(slots=True)
class _Bench:
    """The samples of one item, each with its own history or all with one."""

    work: Work
    users: Sequence[str]
    histories: list[History] = field(default_factory=list)
    # The keys of the blocks that each sample's session has run.
    seen: list[set[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = self.work.settings.samples
        self.histories = [History()] * count
        self.seen = [set() for _ in range(count)]

    async def judge(self, position: int) -> _Finding:
        """One step, by the settings' mode or up the ladder until it is decided."""
        settings = self.work.settings
        tokens: int | None = 0
        runs = 0
        for mode in settings.rungs:
            results = await gather_all(
                [self._judge_once(sample, position, mode) for sample in range(settings.samples)]
            )
            finding = _sum_up(results, mode, settings)
            if tokens is not None and finding.completion_tokens is not None:
                tokens += finding.completion_tokens
            else:
                tokens = None
            runs += finding.code_runs
            if _is_decided(finding.outcome, settings):
                break
        self._go_on(finding)
        return replace(finding, completion_tokens=tokens, code_runs=runs)

    async def judge_freely(
        self, steps: int, report: Callable[[int, _Finding], Awaitable[None]]
    ) -> None:
        """All steps, each sample going on by itself: nobody waits for the slowest.

        A step is reported with its last sample; since samples go forward, in the order of steps.
        """
        settings = self.work.settings
        [mode] = settings.rungs
        found: list[dict[int, SampleResult]] = [{} for _ in range(steps)]

        async def follow(sample: int) -> None:
            for position in range(steps):
                one = await self._judge_once(sample, position, mode)
                self.histories[sample] = one.history
                found[position][sample] = one
                if len(found[position]) == settings.samples:
                    results = [found[position][index] for index in range(settings.samples)]
                    await report(position, _sum_up(results, mode, settings))

        await gather_all([follow(sample) for sample in range(settings.samples)])

    async def _judge_once(self, sample: int, position: int, mode: Mode) -> SampleResult:
        settings = self.work.settings
        seat = Seat(
            work=self.work,
            sample=sample,
            position=position,
            mode=mode,
            history=self.histories[sample],
            seen=self.seen[sample],
            rung=mode.name if settings.ladder else "",
        )
        if settings.protocol == "instruct":
            return await genprm_instruct.judge_step(
                seat,
                problem=self.work.item.solution.problem.text,
                step=self.work.steps[position],
            )
        system = DIRECT_SYSTEM_TEXT if _is_direct(settings) else SYSTEM_TEXT
        return await genprm_protocol.judge_step(seat, self.users[position], system=system)

    def _go_on(self, finding: _Finding) -> None:
        """Each sample goes on from its own answer, or all of them from the chosen one's."""
        if self.work.settings.shares_history:
            chosen = finding.results[finding.outcome.chosen or 0]
            self.histories = [chosen.history] * len(self.histories)
        else:
            self.histories = [one.history for one in finding.results]


def _is_direct(settings: GenprmSettings) -> bool:
    """Is this a checkpoint that was trained without analysis? On a ladder it was trained with."""
    return not settings.ladder and settings.mode.name == "direct"


def _is_run(status: str) -> bool:
    return status not in (IMAGINED, CodeStatus.NO_CODE)


def _sum_up(results: Sequence[SampleResult], mode: Mode, settings: GenprmSettings) -> _Finding:
    opinions = [Opinion(one.is_yes, one.probability) for one in results]
    counts = [one.completion_tokens for one in results]
    return _Finding(
        outcome=aggregate(opinions, threshold=settings.threshold),
        results=tuple(results),
        mode=mode,
        completion_tokens=None if None in counts else sum(count or 0 for count in counts),
        code_runs=sum(_is_run(block.status) for one in results for block in one.blocks),
    )


def _is_decided(outcome: Aggregate, settings: GenprmSettings) -> bool:
    """Is the mean within tau of 0 or 1? A step without one is not decided."""
    return outcome.mean is not None and min(outcome.mean, 1 - outcome.mean) < settings.tau


def _conclude(work: Work, outcomes: Sequence[Aggregate]) -> Produced | Failed:
    """The labels of all steps, or the failure where not one of them got a verdict."""
    settings, solution = work.settings, work.item.solution
    if all(outcome.decision is None for outcome in outcomes):
        return Failed(
            "unparsed",
            f"No verdict could be read on any of the {len(outcomes)} steps.",
            outcome=Outcome.UNPARSED,
        )
    rule = f">= {settings.threshold:g} is correct"
    judged = [_build_label(outcome, rule) for outcome in outcomes]
    labels = (*judged, *[None] * (len(solution.steps) - len(judged)))
    engine = work.engine
    return Produced(
        kind="suggestion",
        product=LabelSet(
            author=Author.MACHINE,
            labels=labels,
            first_error=_find_first_error(judged, len(work.steps)),
            method=NAME,
        ),
        provenance={
            "method": NAME,
            "method_version": VERSION,
            "protocol": settings.protocol,
            "prompt": _name_prompt(settings),
            "mode": settings.mode.name,
            "ladder": settings.ladder,
            "samples": settings.samples,
            "sampling": settings.sampling,
            "threshold": settings.threshold,
            "decided_by": sorted({one.decided_by for one in outcomes if one.decided_by}),
            "steps_judged": len(outcomes),
            "steps_to_judge": len(work.steps),
            "stopped_early": len(outcomes) < len(work.steps),
            "seed": work.rng_seed,
            "key": work.item.key,
            "engine": engine.describe(),
            "served_models": sorted(work.served_models),
            "is_scripted": engine.is_scripted,
        },
    )


def _name_prompt(settings: GenprmSettings) -> str:
    if settings.protocol == "instruct":
        return f"instruct-{load_prompt(genprm_instruct.PROMPT).version}"
    return f"genprm-{VERSION}"


def _build_label(outcome: Aggregate, rule: str) -> StepLabel | None:
    """None where no verdict was read, or the votes are even and no probability is known."""
    if outcome.decision is None:
        return None
    score = None if outcome.mean is None else Score(outcome.mean, scale="probability", rule=rule)
    return StepLabel(validity=Validity.CORRECT if outcome.decision else Validity.WRONG, score=score)


def _find_first_error(labels: Sequence[StepLabel | None], steps: int) -> FirstError:
    """The first wrong step, if every step before it was judged. `labels` ends where judging did."""
    for position, label in enumerate(labels):
        if label is None:
            return Unknown(f"no verdict on step {position + 1} could be read")
        if label.validity is Validity.WRONG:
            return At(position)
    return NoError() if len(labels) == steps else Unknown("not every step was judged")
