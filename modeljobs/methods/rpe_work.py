"""The work of RPE on one solution: rollouts asked for, read, compared and counted."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

from labeling.records import Author, LabelSet
from modeljobs.engines.base import CompletionRequest, Engine, EngineReply
from modeljobs.methods.answer_checks import (
    AnswerChecker,
    CachedChecker,
    MemoryVerdictCache,
    PlainChecker,
    VerdictCache,
)
from modeljobs.methods.answers import Extraction, extract_answer, normalise_answer
from modeljobs.methods.base import (
    CallMade,
    CallRecord,
    CodeRan,
    CodeRunner,
    ItemInput,
    Produced,
    StepChecked,
)
from modeljobs.methods.math_verify import MathVerifyChecker, find_version
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.rollouts import (
    Chunk,
    ChunkKey,
    Plan,
    Prefix,
    Prompting,
    Rollout,
    RolloutCache,
    Sampler,
    build_chunk_request,
    build_fingerprint,
    count_chunks,
    derive_chunk_seed,
    list_prefixes,
)
from modeljobs.methods.rpe_labels import Counts, describe_share, read_rule
from modeljobs.methods.rpe_reading import (
    Judged,
    OutcomeName,
    Reading,
    build_labels,
    count_outcomes,
    count_reasons,
    find_first_error,
    find_suspect,
    list_answers,
    read_counts,
)
from modeljobs.methods.streams import Emit
from modeljobs.sandbox.base import CodeResult, CodeStatus, SandboxError

METHOD = "rpe"
METHOD_VERSION = "1"
KIND = "rpe"
KIND_START = "rpe_start"
# Requests of one item in flight; the run has a bound of its own over all items.
IN_FLIGHT = 32
# Comparisons in one session of the sandbox.
SESSION_BLOCKS = 16
SHOWN_CHARACTERS = 80

_TRUNCATED = frozenset({"length", "max_tokens"})
_FAILED = frozenset({"abort", "cancelled", "content_filter", "error"})

Stop = Literal["planned", "settled", "limit", "after_zero"]
T = TypeVar("T")


@dataclass(slots=True)
class Site:
    """A prefix and its rollouts so far. `position` is -1 for the problem alone."""

    position: int
    prefix: Prefix
    fingerprint: str
    chunks: dict[int, Chunk] = field(default_factory=dict)
    judged: dict[int, tuple[Judged, ...]] = field(default_factory=dict)
    shared: set[int] = field(default_factory=set)
    planned: int = 0
    stop: Stop = "planned"

    @property
    def all_judged(self) -> list[Judged]:
        return [one for number in sorted(self.judged) for one in self.judged[number]]

    @property
    def counts(self) -> Counts:
        return count_outcomes(self.all_judged)


class RolloutWork:
    """The work on one item."""

    def __init__(
        self,
        item: ItemInput,
        *,
        engine: Engine,
        settings: Mapping[str, Any],
        rng_seed: int,
        code: CodeRunner | None,
        emit: Emit,
        cache: RolloutCache | None = None,
        verdicts: VerdictCache | None = None,
    ) -> None:
        self._item = item
        self._engine = engine
        self._seed = rng_seed
        self._emit = emit
        self._cache = cache if settings["share_rollouts"] else None
        self._rule = read_rule(settings)
        self._prompting = Prompting(settings["template"], settings["instruction_place"])
        self._sampler = Sampler(
            temperature=settings["temperature"],
            top_p=settings["top_p"],
            top_k=settings["top_k"],
            max_tokens=settings["max_tokens"],
            chunk=settings["chunk"],
        )
        self._plan = Plan(settings["plan"], settings["samples"], settings["start_samples"])
        self._extraction: Extraction = settings["extraction"]
        self._keeps_texts: bool = settings["keep_texts"]
        self._suspect_share: float = settings["suspect_share"]
        self._reference = (item.solution.problem.reference_answer or "").strip()
        self._checker = self._choose_checker(settings, code, verdicts)
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._failure: Exception | None = None
        prefixes = list_prefixes(item.solution)
        sites = [self._make_site(position, prefix) for position, prefix in enumerate(prefixes, -1)]
        self._start, self._sites = sites[0], sites[1:]
        self._ending = Judged("failed", reason="not_judged")

    async def run(self) -> None:
        """Everything, in the order that `RpeMethod.run` names."""
        await self._fill(self._start, self._plan.start_samples)
        if self._plan.kind == "sequential":
            await finish_all([self._judge_ending(), self._sample_by_rounds()])
            await self._report_start()
            for site in self._sites:
                await self._report_step(site)
        else:
            await self._report_start()
            share = describe_share(self._start.counts, self._rule).value
            rollouts = self._plan.count_rollouts(share)
            await finish_all(
                [
                    self._judge_ending(),
                    *(self._sample_step(site, rollouts) for site in self._sites),
                ]
            )
        await self._report_ending()
        await self._report_labels()

    # --- Sampling ---------------------------------------------------------------------------------

    def _make_site(self, position: int, prefix: Prefix) -> Site:
        fingerprint = build_fingerprint(self._engine, prefix, self._prompting, self._sampler)
        return Site(position, prefix, fingerprint)

    async def _sample_step(self, site: Site, rollouts: int) -> None:
        await self._fill(site, rollouts)
        await self._report_step(site)

    async def _sample_by_rounds(self) -> None:
        """A chunk for each prefix; then one more for those that an open step depends on."""
        limit = self._plan.samples
        await finish_all(self._fill(site, self._sampler.chunk) for site in self._sites)
        while wanted := self._find_wanted(limit):
            await finish_all(
                self._fill(site, len(site.judged) * self._sampler.chunk + 1) for site in wanted
            )

    def _find_wanted(self, limit: int) -> list[Site]:
        """The sites whose next chunk could settle a step, and what the others ended for."""
        # The ending may be judged meanwhile or not: the rounds must not depend on it.
        reading = read_counts(
            self._start.counts, [*(site.counts for site in self._sites), Counts()], self._rule
        )
        sites = [self._start, *self._sites]
        wanted: dict[int, Site] = {}
        for at, site in enumerate(self._sites):
            if reading.labels.is_absorbed[at]:
                site.stop = "after_zero"
            elif not reading.is_ambiguous[at]:
                site.stop = "settled"
            else:
                site.stop = "limit"
                for one in (sites[at], site):
                    if len(one.judged) < count_chunks(limit, self._sampler.chunk):
                        wanted[one.position] = one
        return [wanted[position] for position in sorted(wanted)]

    async def _fill(self, site: Site, rollouts: int) -> None:
        """Bring a site to so many rollouts, in whole chunks."""
        chunks = count_chunks(rollouts, self._sampler.chunk)
        site.planned = max(site.planned, chunks * self._sampler.chunk)
        missing = [number for number in range(chunks) if number not in site.judged]
        await finish_all(self._add_chunk(site, number) for number in missing)

    async def _add_chunk(self, site: Site, number: int) -> None:
        origin = f"{self._item.key}/rpe/p{site.position + 1}/c{number}"

        async def sample() -> Chunk:
            return await self._sample_chunk(site, number, origin)

        if self._cache is None:
            chunk = await sample()
        else:
            is_sampled = False

            async def note_and_sample() -> Chunk:
                nonlocal is_sampled
                is_sampled = True
                return await sample()

            chunk = await self._cache.fetch(self._name_chunk(site, number), note_and_sample)
            if chunk.origin == origin and not is_sampled:
                # An earlier attempt at this item made it: its calls are stored, and asking again
                # costs nothing and gives the events once more.
                chunk = await sample()
        if chunk.origin != origin:
            site.shared.add(number)
        site.chunks[number] = chunk
        site.judged[number] = tuple(
            await finish_all(self._judge(rollout, site.prefix) for rollout in chunk.rollouts)
        )

    async def _sample_chunk(self, site: Site, number: int, origin: str) -> Chunk:
        """All rollouts of a chunk. A server that gives fewer than asked for is asked for the rest.

        One that is known to give one at a time is asked for all of them at once.
        """
        size = self._sampler.chunk
        wanted = [size] if self._engine.capabilities.n else [1] * size
        replies: dict[int, EngineReply] = {}
        await finish_all(
            self._ask(site, number, part, n, origin, replies) for part, n in enumerate(wanted)
        )
        while (missing := size - _count_rollouts(replies)) > 0:
            await self._ask(site, number, len(replies), missing, origin, replies)
        return self._build_chunk(site, number, origin, replies)

    def _build_chunk(
        self, site: Site, number: int, origin: str, replies: Mapping[int, EngineReply]
    ) -> Chunk:
        rollouts = [one for part in sorted(replies) for one in _read_rollouts(replies[part])]
        seed = derive_chunk_seed(self._seed, site.fingerprint, number, 0)
        return Chunk(tuple(rollouts[: self._sampler.chunk]), origin, seed, replies[0].model)

    def _name_chunk(self, site: Site, number: int) -> ChunkKey:
        return ChunkKey(site.fingerprint, number, self._engine.revision)

    async def _ask(
        self,
        site: Site,
        number: int,
        part: int,
        n: int,
        origin: str,
        replies: dict[int, EngineReply],
    ) -> None:
        """Ask for one part of a chunk, and add the reply to those that there are."""
        request = build_chunk_request(
            f"{origin}/{part}",
            site.prefix,
            n=n,
            seed=derive_chunk_seed(self._seed, site.fingerprint, number, part),
            prompting=self._prompting,
            sampler=self._sampler,
        )
        purpose = "pass@1" if site.position < 0 else "rollout"
        reply = replies[part] = await self._complete(request)
        if self._cache is not None and _count_rollouts(replies) >= self._sampler.chunk:
            whole = self._build_chunk(site, number, origin, replies)
            self._cache.note(self._name_chunk(site, number), whole, request.key)
        await self._emit(CallMade(CallRecord(request, reply, purpose)))

    async def _complete(self, request: CompletionRequest) -> EngineReply:
        """The reply. After the first failure nothing more is asked, and it is raised again."""
        async with self._slots:
            if self._failure is not None:
                raise self._failure
            try:
                return await self._engine.complete(request)
            except Exception as error:
                self._failure = error
                raise

    # --- Judging ----------------------------------------------------------------------------------

    def _choose_checker(
        self, settings: Mapping[str, Any], code: CodeRunner | None, verdicts: VerdictCache | None
    ) -> AnswerChecker:
        if settings["checker"] == "plain" or code is None:
            # Quicker than any look-up.
            plain = PlainChecker(percent=settings["percent"])
            return CachedChecker(plain, MemoryVerdictCache())
        cache = MemoryVerdictCache() if verdicts is None else verdicts
        runner = AnswerRunner(code, self._item.key, self._emit)
        return CachedChecker(MathVerifyChecker(runner.run, version=find_version() or ""), cache)

    async def _judge(self, rollout: Rollout, prefix: Prefix) -> Judged:
        reason = rollout.finish_reason.casefold()
        if reason in _FAILED:
            return Judged("failed", reason=reason)
        found = extract_answer(rollout.text, extraction=self._extraction)
        if isinstance(found, Unparsed) or found.place == "last_number":
            # A completion may have nothing to add to an answer that its prefix states.
            extraction: Extraction = "boxed" if self._extraction == "boxed" else "stated"
            stated = extract_answer(f"{prefix.text}\n{rollout.text}", extraction=extraction)
            found = found if isinstance(stated, Unparsed) else stated
        answer, place = ("", "") if isinstance(found, Unparsed) else (found.text, found.place)
        if reason in _TRUNCATED:
            return Judged("truncated", answer, place, reason)
        if isinstance(found, Unparsed):
            return Judged("unparsable", reason=found.code)
        return await self._compare(answer, place)

    async def _judge_ending(self) -> None:
        """What the solution's own final answer is worth: the last step's MC is 0 or 1."""
        given = (self._item.solution.final_answer or "").strip()
        if given:
            self._ending = await self._compare(given, "given")
            return
        steps = [step.text for step in self._item.solution.steps]
        found = extract_answer(steps[-1], extraction=self._extraction)
        if isinstance(found, Unparsed):
            found = extract_answer("\n".join(steps), extraction="stated")
        if isinstance(found, Unparsed):
            self._ending = Judged("unparsable", reason=found.code)
            return
        self._ending = await self._compare(found.text, found.place)

    async def _compare(self, answer: str, place: str) -> Judged:
        verdict = await self._checker.compare(answer, self._reference)
        outcome: OutcomeName = "undecided"
        if verdict.is_equal is not None:
            outcome = "correct" if verdict.is_equal else "wrong"
        return Judged(outcome, answer, place, verdict.reason, verdict.checker)

    # --- Reporting --------------------------------------------------------------------------------

    async def _report_start(self) -> None:
        suspect = find_suspect(self._start.all_judged, least_share=self._suspect_share)
        doubt = None
        if suspect is not None:
            shown = suspect._replace(answer=_clip(suspect.answer))
            doubt = shown._asdict() | {"whole": suspect.answer}
        summary = {**self._summarise(self._start), "of": "completer", "suspect": doubt}
        await self._emit(StepChecked(0, KIND_START, summary, self._detail(self._start)))

    async def _report_step(self, site: Site) -> None:
        await self._emit(
            StepChecked(site.position, KIND, self._summarise(site), self._detail(site))
        )

    async def _report_ending(self) -> None:
        position = len(self._item.solution.steps) - 1
        counts = count_outcomes([self._ending])
        share = describe_share(counts, self._rule)
        summary = {
            "counts": counts.as_dict(),
            "k": 1,
            "mc": share.value,
            "interval": None,
            "judged_by": "answer",
            "checker": self._ending.checker,
            "reasons": count_reasons([self._ending]),
        }
        detail = {"answers": list_answers([self._ending])}
        await self._emit(StepChecked(position, KIND, summary, detail))

    def _summarise(self, site: Site) -> dict[str, Any]:
        judged = site.all_judged
        share = describe_share(site.counts, self._rule)
        return {
            "counts": site.counts.as_dict(),
            "k": len(judged),
            "mc": share.value,
            "interval": None if share.low is None else [share.low, share.high],
            "judged_by": "rollouts",
            "planned": site.planned,
            "shared": sum(len(site.judged[number]) for number in site.shared),
            "stop": site.stop,
            "answers": len({normalise_answer(one.answer) for one in judged if one.answer}),
            "checker": f"{self._checker.name}/{self._checker.version}",
            "reasons": count_reasons(judged),
        }

    def _detail(self, site: Site) -> dict[str, Any]:
        detail: dict[str, Any] = {
            "answers": list_answers(site.all_judged),
            "sampler": asdict(self._sampler),
            "template": self._prompting.version,
            "fingerprint": site.fingerprint,
            "chunks": [
                {
                    "number": number,
                    "origin": site.chunks[number].origin,
                    "seed": site.chunks[number].seed,
                    "model": site.chunks[number].model,
                    "shared": number in site.shared,
                }
                for number in sorted(site.chunks)
            ],
        }
        if self._keeps_texts:
            detail["samples"] = [
                {
                    "text": rollout.text,
                    "finish": rollout.finish_reason,
                    "outcome": judged.outcome,
                    "answer": judged.answer,
                    "place": judged.place,
                }
                for number in sorted(site.chunks)
                for rollout, judged in zip(
                    site.chunks[number].rollouts, site.judged[number], strict=True
                )
            ]
        return detail

    async def _report_labels(self) -> None:
        steps = [*(site.counts for site in self._sites), count_outcomes([self._ending])]
        reading = read_counts(self._start.counts, steps, self._rule)
        labels = build_labels(reading, self._rule)
        await self._emit(
            Produced(
                kind="suggestion",
                product=LabelSet(
                    author=Author.MACHINE,
                    labels=labels,
                    first_error=find_first_error(labels),
                    rater=self._engine.name,
                    method=METHOD,
                ),
                notes=tuple(self._write_notes(reading)),
                provenance=self._describe(reading),
            )
        )

    def _write_notes(self, reading: Reading) -> Iterable[str]:
        suspect = find_suspect(self._start.all_judged, least_share=self._suspect_share)
        if suspect:
            yield (
                f"Reference suspect: {suspect.rollouts} of {suspect.answered} rollouts from the "
                f"problem alone answer {_clip(suspect.answer)!r}; the reference is "
                f"{_clip(self._reference)!r}."
            )
        share = describe_share(self._start.counts, self._rule)
        if share.value is None:
            yield "No rollout from the problem alone can be counted, so MC(s1) is unknown."
        elif share.value == 0.0:
            yield f"None of {share.trials} rollouts from the problem alone reached the reference."
        elif share.value == 1.0:
            yield f"All of {share.trials} rollouts from the problem alone reached the reference."
        if open_steps := int(reading.is_ambiguous.sum()):
            yield f"The rollouts leave {open_steps} of {len(reading.chances)} steps open."

    def _describe(self, reading: Reading) -> dict[str, Any]:
        return {
            "method": METHOD,
            "method_version": METHOD_VERSION,
            "prompt": self._prompting.version,
            "rule": asdict(self._rule),
            "plan": asdict(self._plan),
            "sampler": asdict(self._sampler),
            "checker": f"{self._checker.name}/{self._checker.version}",
            "extraction": self._extraction,
            "start": {"of": "completer", "counts": self._start.counts.as_dict()},
            "counts": reading.table.steps.tolist(),
            "count_names": list(Counts._fields),
            "mc": [_number(value) for value in reading.labels.mc],
            "chances": [_number(value) for value in reading.chances],
            "seed": self._seed,
            "engine": self._engine.describe(),
            "served_model": next((chunk.model for chunk in self._start.chunks.values()), ""),
            "is_scripted": self._engine.is_scripted,
        }


class AnswerRunner:
    """Runs comparisons in the item's sandbox: a few in each session, and none after a block that
    ended badly in it.

    A session that lost its interpreter would run its earlier blocks again, unseen and for nothing:
    no comparison needs another. A fresh session for each would cost a fork for each.
    """

    def __init__(self, code: CodeRunner, item_key: str, emit: Emit) -> None:
        self._code = code
        self._item_key = item_key
        self._emit = emit
        self._session = 0
        self._blocks = 0

    async def run(self, key: str, block: str) -> CodeResult:
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        if self._blocks >= SESSION_BLOCKS:
            self._leave(self._session)
        session = self._session
        self._blocks += 1
        try:
            record = await self._code.run(
                f"{self._item_key}/answers/{session}", f"{self._item_key}/answer/{digest}", block
            )
        except SandboxError:
            self._leave(session)
            raise
        if record.result.status is not CodeStatus.OK:
            self._leave(session)
        await self._emit(CodeRan(record))
        return record.result

    def _leave(self, session: int) -> None:
        """Go on in a new session, unless somebody did so already."""
        if session == self._session:
            self._session += 1
            self._blocks = 0


def _count_rollouts(replies: Mapping[int, EngineReply]) -> int:
    return sum(len(reply.completions) for reply in replies.values())


def _read_rollouts(reply: EngineReply) -> list[Rollout]:
    return [Rollout(one.text, one.finish_reason) for one in reply.completions]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _clip(text: str) -> str:
    """A text of a model or a data set, on one line and not too long, for a column or a sentence."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 3] + "..."


async def finish_all(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results, in order. An error is raised once everything has ended, the first one first.

    The others are not cancelled: what they asked for is being paid for.
    """
    results = await asyncio.gather(*coroutines, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
