from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from labeling.records import At, LabelSet, NoError, Problem, Solution, Step, Unknown, Validity
from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EnginePermanent,
    EngineReply,
    EngineTransient,
)
from modeljobs.engines.options import InvalidOptions, validate_options
from modeljobs.methods import rpe, rpe_work
from modeljobs.methods.answer_checks import MemoryVerdictCache
from modeljobs.methods.base import (
    CallMade,
    CallRecord,
    CodeRecord,
    Event,
    ItemInput,
    ItemResult,
    Outcome,
    collect_events,
)
from modeljobs.methods.injection import InjectionMethod
from modeljobs.methods.math_verify import write_block
from modeljobs.methods.rollouts import Chunk, ChunkKey, MemoryRolloutCache
from modeljobs.methods.rpe import RpeMethod
from modeljobs.methods.rpe_labels import Counts, LabelRule
from modeljobs.methods.rpe_reading import Judged, build_labels, find_suspect, read_counts
from modeljobs.methods.rpe_work import IN_FLIGHT, KIND, KIND_START
from modeljobs.methods.sharing import Shared, bind_method
from modeljobs.sandbox.base import CodeResult, CodeStatus, SandboxError, SandboxUnavailable

METHOD = RpeMethod()
DEFAULTS = validate_options(METHOD.parameters, {})
# Small numbers keep the tests quick.
FEW = validate_options(
    METHOD.parameters, {"plan": "fixed", "samples": 16, "start_samples": 16, "chunk": 4}
)
RIGHT = "So the answer is \\boxed{6}."
SLIP = "So the answer is \\boxed{7}."


def make_solution(steps: int = 4, *, ending: str = "6", **problem: Any) -> Solution:
    texts = [f"Step {number} of the way." for number in range(1, steps)]
    facts = {"reference_answer": "6"} | problem
    return Solution(
        Problem("What is 2 + 2 + 2?", **facts),
        tuple(Step(text) for text in [*texts, f"The answer is \\boxed{{{ending}}}."]),
    )


@dataclass
class Policy:
    """Reaches the answer with the chance given for each number of steps before it.

    What it draws follows from the request's seed. `known` are replies of an earlier attempt;
    `errors` are raised for the requests with those numbers, counted from 0.
    """

    chances: Sequence[float] = (0.9, 0.9, 0.9, 0.9)
    right: str = RIGHT
    slip: str = SLIP
    finish_reason: str = "stop"
    at_once: int = 1_000
    known: Mapping[str, EngineReply] = field(default_factory=dict)
    errors: Mapping[int, Exception] = field(default_factory=dict)
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(n=True, chat=True))
    name: str = "policy"
    revision: str = "r1"
    is_scripted: bool = True
    requests: list[CompletionRequest] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    async def complete(self, request: CompletionRequest) -> EngineReply:
        if request.key in self.known:
            return self.known[request.key]
        number = len(self.requests)
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
        if number in self.errors:
            raise self.errors[number]
        rng = random.Random(f"{request.sampling.seed}")
        chance = self.chances[len(request.metadata["steps"])]
        texts = [
            self.right if rng.random() < chance else self.slip
            for _ in range(min(request.sampling.n, self.at_once))
        ]
        return EngineReply(tuple(Completion(text, self.finish_reason) for text in texts), "served")

    def describe(self) -> dict[str, Any]:
        return {"kind": "listed", "name": self.name}

    async def aclose(self) -> None:
        """Nothing to let go of."""


def run(
    policy: Policy,
    solution: Solution | None = None,
    *,
    method: RpeMethod = METHOD,
    given: Mapping[str, Any] = FEW,
    key: str = "i1",
    code: Any = None,
    seed: int = 3,
) -> ItemResult:
    item = ItemInput(key, make_solution() if solution is None else solution)
    events = method.run(item, engine=policy, settings=given, rng_seed=seed, code=code)
    return asyncio.run(collect_events(events))


def collect_until_error(policy: Policy) -> tuple[list[Event], Exception]:
    events: list[Event] = []

    async def collect() -> Exception:
        stream = METHOD.run(
            ItemInput("i1", make_solution()), engine=policy, settings=FEW, rng_seed=3
        )
        try:
            async for event in stream:
                events.append(event)
        except (EngineTransient, EnginePermanent) as error:
            return error
        raise AssertionError("The engine's error was swallowed.")

    return events, asyncio.run(collect())


def labels_of(result: ItemResult) -> LabelSet:
    (produced,) = result.products
    assert isinstance(produced.product, LabelSet)
    return produced.product


def summary_of(result: ItemResult, position: int, kind: str = KIND) -> Mapping[str, Any]:
    (step,) = [one for one in result.steps if (one.position, one.kind) == (position, kind)]
    return step.summary


def with_settings(**given: Any) -> dict[str, Any]:
    return validate_options(
        METHOD.parameters, {name: value for name, value in FEW.items() if value is not None} | given
    )


# --- What comes out -------------------------------------------------------------------------------


def test_each_step_is_checked_once_and_labels_are_produced_last():
    result = run(Policy())
    places = [(step.kind, step.position) for step in result.steps]
    assert places[0] == (KIND_START, 0)
    assert sorted(places[1:]) == [(KIND, 0), (KIND, 1), (KIND, 2), (KIND, 3)]
    assert result.outcome is Outcome.DONE
    assert result.products[0].kind == "suggestion"


def test_a_step_that_ruins_the_chances_is_the_first_error():
    policy = Policy(chances=(0.95, 0.95, 0.02, 0.02))
    result = run(policy, make_solution(ending="7"), given=with_settings(samples=64, chunk=8))
    labels = labels_of(result)
    assert labels.first_error == At(1)
    assert [label.validity for label in labels.labels if label] == [
        Validity.CORRECT,
        Validity.WRONG,
        *[label.validity for label in labels.labels[2:] if label],
    ]
    first = labels.labels[0]
    assert first is not None
    assert first.score is not None
    assert (first.score.scale, first.score.rule) == ("relative progress", "ratio >= 0.8")


def test_a_sound_solution_of_an_easy_problem_has_no_error():
    result = run(Policy(chances=(1, 1, 1, 1)), given=with_settings(samples=64))
    assert labels_of(result).first_error == NoError()


def test_counts_intervals_and_seeds_are_kept():
    result = run(Policy(chances=(0.5, 0.5, 0.5, 0.5)))
    step = next(one for one in result.steps if one.position == 1)
    counts = step.summary["counts"]
    assert counts["correct"] + counts["wrong"] == step.summary["k"] == 16
    assert step.summary["mc"] == counts["correct"] / 16
    low, high = step.summary["interval"]
    assert low < step.summary["mc"] < high
    asked = {request.sampling.seed for request in calls_for(result, 2)}
    assert {chunk["seed"] for chunk in step.detail["chunks"]} == asked
    assert sum(answer["count"] for answer in step.detail["answers"]) == 16
    assert len(step.detail["samples"]) == 16


def calls_for(result: ItemResult, steps: int) -> list[CompletionRequest]:
    requests = [call.request for call in result.calls]
    return [one for one in requests if len(one.metadata["steps"]) == steps]


def test_pass_at_1_says_whose_it_is():
    result = run(Policy())
    assert summary_of(result, 0, KIND_START)["of"] == "completer"
    assert result.products[0].provenance["start"]["of"] == "completer"


def test_everything_reported_is_plain_json():
    result = run(Policy(chances=(0.0, 0.2, 0.0, 0.0)), given=with_settings(start_zero="use"))
    for step in result.steps:
        json.dumps([dict(step.summary), dict(step.detail)], allow_nan=False)
    json.dumps(dict(result.products[0].provenance), allow_nan=False)


def test_texts_can_be_left_out():
    result = run(Policy(), given=with_settings(keep_texts=False))
    assert all("samples" not in step.detail for step in result.steps)
    assert all("answers" in step.detail for step in result.steps)


def test_stored_counts_give_the_labels_again():
    result = run(Policy(chances=(0.9, 0.8, 0.3, 0.3)))
    provenance = result.products[0].provenance
    start = Counts(**provenance["start"]["counts"])
    rows = [Counts(*row) for row in provenance["counts"]]
    rule = LabelRule(**provenance["rule"])
    assert build_labels(read_counts(start, rows, rule), rule) == labels_of(result).labels


# --- The last step --------------------------------------------------------------------------------


def test_the_last_step_is_judged_by_its_answer_without_rollouts():
    result = run(Policy(), make_solution(ending="7"))
    assert calls_for(result, 4) == []
    assert summary_of(result, 3)["judged_by"] == "answer"
    assert (summary_of(result, 3)["k"], summary_of(result, 3)["mc"]) == (1, 0.0)


def test_a_solution_of_one_step_is_its_answer():
    result = run(Policy(chances=(0.9,)), make_solution(1))
    assert len(result.calls) == 4
    label = labels_of(result).labels[0]
    assert label is not None
    assert label.validity is Validity.CORRECT


def test_a_given_final_answer_is_believed_before_the_text():
    solution = replace(make_solution(ending="7"), final_answer="6.0")
    assert summary_of(run(Policy(), solution), 3)["mc"] == 1.0


def test_an_ending_without_an_answer_is_wrong_unless_told_otherwise():
    solution = make_solution()
    solution = replace(solution, steps=(*solution.steps[:3], Step("That is all.")))
    assert summary_of(run(Policy(), solution), 3)["mc"] == 0.0
    told = run(Policy(), solution, given=with_settings(unparsable="leave_out"))
    assert summary_of(told, 3)["mc"] is None
    assert labels_of(told).labels[3] is None


# --- What is asked --------------------------------------------------------------------------------


def test_k_follows_the_problems_difficulty():
    for chance, rollouts in ((0.02, 128), (0.5, 64), (1.0, 32)):
        result = run(Policy(chances=(chance,) * 4), given=DEFAULTS)
        assert len(calls_for(result, 1)) == rollouts / 8
        assert summary_of(result, 1)["planned"] == rollouts


def test_keys_and_seeds_are_distinct_and_the_same_every_time():
    first, second = run(Policy()), run(Policy())
    keys = [call.request.key for call in first.calls]
    assert len(set(keys)) == len(keys) == 16
    assert len({call.request.sampling.seed for call in first.calls}) == len(keys)
    assert sorted(keys) == sorted(call.request.key for call in second.calls)
    assert run(Policy(), seed=4).calls[0].request.sampling.seed not in {
        call.request.sampling.seed for call in first.calls
    }


def test_all_prefixes_are_asked_for_at_once_within_the_bound():
    policy = Policy()
    run(policy, given=with_settings(samples=64, chunk=1))
    assert policy.most_in_flight == IN_FLIGHT


def test_a_server_that_gives_fewer_rollouts_is_asked_for_the_rest():
    result = run(Policy(at_once=3))
    assert [call.request.sampling.n for call in result.calls[:8]].count(1) > 0
    assert all(one.summary["k"] in (1, 16) for one in result.steps)


def test_an_engine_without_n_is_asked_for_one_at_a_time():
    policy = Policy(capabilities=Capabilities(n=False, chat=True))
    result = run(policy)
    assert {request.sampling.n for request in policy.requests} == {1}
    assert summary_of(result, 1)["k"] == 16


# --- What rollouts come to ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "finish", "name"),
    [
        (SLIP, "stop", "wrong"),
        (RIGHT, "stop", "correct"),
        (RIGHT, "", "correct"),
        (RIGHT, "length", "truncated"),
        ("I do not know.", "stop", "unparsable"),
        ("It is \\boxed{x + 6}", "stop", "undecided"),
        (RIGHT, "abort", "failed"),
    ],
)
def test_each_rollout_counts_as_one_thing(text, finish, name):
    policy = Policy(right=text, slip=text, finish_reason=finish)
    counts = summary_of(run(policy), 0)["counts"]
    assert {key: count for key, count in counts.items() if count} == {name: 16}


def test_a_prefix_may_state_the_answer_already():
    solution = make_solution()
    early = (Step("Clearly the answer is 6."), *solution.steps[1:])
    policy = Policy(right="That was all.", slip="That was all.")
    counts = summary_of(run(policy, replace(solution, steps=early)), 0)["counts"]
    assert counts["correct"] == 16


def test_open_steps_are_unsure_and_without_a_verdict():
    result = run(Policy(chances=(0.5, 0.45, 0.4, 0.35)))
    labels = labels_of(result).labels
    unsure = [label for label in labels if label is not None and label.unsure]
    assert unsure
    assert all(label.validity is None and label.score for label in unsure)
    assert isinstance(labels_of(result).first_error, Unknown)


def test_a_problem_that_no_rollout_solves_gives_no_labels_and_says_so():
    result = run(Policy(chances=(0, 0, 0, 0)))
    assert set(labels_of(result).labels) == {None}
    assert any("None of 16 rollouts" in note for note in result.products[0].notes)


def test_a_dominant_answer_beside_the_reference_makes_it_suspect():
    result = run(Policy(chances=(0.1, 0.1, 0.1, 0.1)))
    (note,) = [note for note in result.products[0].notes if note.startswith("Reference suspect")]
    assert "'7'" in note
    assert "'6'" in note
    assert summary_of(result, 0, KIND_START)["suspect"]["answer"] == "7"


def test_a_suspect_answer_is_shown_on_one_short_line():
    # A list of another length is different for certain.
    policy = Policy(slip=f"\\boxed{{(1,\x00\n2,{'3' * 200})}}", chances=(0,) * 4)
    result = run(policy, make_solution(reference_answer="(1,2)"))
    shown = summary_of(result, 0, KIND_START)["suspect"]["answer"]
    assert shown.startswith("(1,  2,333")
    assert len(shown) == 80


@pytest.mark.parametrize(
    "answers",
    [
        # The reference itself, too few, no dominant one, and one nobody could compare.
        [("correct", "6")] * 8,
        [("wrong", "7")] * 3,
        [("wrong", "7")] * 4 + [("wrong", str(n)) for n in range(10, 16)],
        [("undecided", "x + 6")] * 8,
        [("truncated", "7")] * 8,
        [],
    ],
)
def test_a_reference_is_not_suspect_without_cause(answers):
    judged = [Judged(outcome, answer) for outcome, answer in answers]
    assert find_suspect(judged, least_share=0.5) is None


def test_ways_of_writing_an_answer_count_together():
    judged = [Judged("wrong", "1/2")] * 2 + [Judged("wrong", "0.5")] * 2 + [Judged("wrong", "3")]
    found = find_suspect(judged, least_share=0.5)
    assert found is not None
    assert (found.answer, found.rollouts, found.answered) == ("1/2", 4, 5)


# --- Sequential sampling --------------------------------------------------------------------------


def test_clear_steps_stop_early_and_open_ones_go_to_the_limit():
    given = with_settings(plan="sequential", samples=128, start_samples=64, chunk=8)
    clear = run(Policy(chances=(1, 1, 1, 1)), given=given)
    assert summary_of(clear, 1)["k"] < 64
    assert summary_of(clear, 1)["stop"] == "settled"
    # 0.4 of 0.5 is on the edge.
    edge = run(Policy(chances=(0.5, 0.4, 0.4, 0.4)), given=given)
    assert summary_of(edge, 0)["k"] > summary_of(clear, 0)["k"]


def test_nothing_more_is_asked_after_a_sure_zero():
    given = with_settings(plan="sequential", samples=128, start_samples=64, chunk=8)
    result = run(Policy(chances=(1, 0, 0, 0)), given=given)
    assert [summary_of(result, at)["k"] for at in range(3)] == [8, 8, 8]
    assert summary_of(result, 2)["stop"] == "after_zero"


def test_sequential_sampling_asks_the_same_every_time():
    given = with_settings(plan="sequential", samples=64, chunk=8)
    policies = [Policy(chances=(0.5, 0.4, 0.4, 0.1)) for _ in range(2)]
    results = [run(policy, given=given) for policy in policies]
    keys = [sorted(request.key for request in policy.requests) for policy in policies]
    assert keys[0] == keys[1]
    assert results[0].products == results[1].products


# --- Faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solution", "code"),
    [
        (Solution(Problem(" ", reference_answer="6"), (Step("a"),)), "unsuitable_source"),
        (Solution(Problem("Q", reference_answer="6")), "unsuitable_source"),
        (Solution(Problem("Q", reference_answer="6"), (Step(" "),)), "unsuitable_source"),
        (make_solution(reference_answer=None), "no_reference"),
        (make_solution(reference_answer=" "), "no_reference"),
    ],
)
def test_what_cannot_be_rolled_out_fails_with_a_reason(solution, code):
    policy = Policy()
    result = run(policy, solution)
    assert result.failure is not None
    assert result.failure.reason_code == code
    assert policy.requests == []


def test_a_band_that_is_upside_down_fails_with_a_reason():
    result = run(Policy(), given=with_settings(band_low=0.9, band_high=0.1))
    assert result.failure is not None
    assert result.failure.reason_code == "bad_settings"


@pytest.mark.parametrize(
    "error", [EngineTransient("Busy.", code="busy"), EnginePermanent("No.", code="wrong_key")]
)
def test_an_engines_error_goes_through_after_the_calls_that_were_made(error):
    policy = Policy(errors={9: error})
    events, raised = collect_until_error(policy)
    assert raised is error
    made = [event for event in events if isinstance(event, CallMade)]
    assert len(made) == len(policy.requests) - 1


def test_after_an_engines_error_only_what_is_in_flight_is_waited_for():
    policy = Policy(errors={0: EngineTransient("Busy.", code="busy")})
    given = with_settings(start_samples=256, chunk=1)
    with pytest.raises(EngineTransient):
        run(policy, given=given)
    assert len(policy.requests) <= IN_FLIGHT


def test_closing_the_stream_ends_the_work():
    policy = Policy()

    async def take_one() -> None:
        stream = METHOD.run(
            ItemInput("i1", make_solution()), engine=policy, settings=FEW, rng_seed=3
        )
        async for _ in stream:
            break
        await stream.aclose()
        asked = len(policy.requests)
        await asyncio.sleep(0)
        assert len(policy.requests) == asked

    asyncio.run(take_one())
    assert len(policy.requests) < 16


def comparable(events: Sequence[Event]) -> list[str]:
    """Events as texts in an order of their own: calls come as their replies do."""
    return sorted(repr(event) for event in events)


def test_resuming_with_stored_replies_gives_the_same_events():
    whole = run(Policy())
    broken = Policy(errors={7: EngineTransient("Busy.", code="busy")})
    events, _ = collect_until_error(broken)
    calls = [event.call for event in events if isinstance(event, CallMade)]
    known = {call.request.key: call.reply for call in calls if isinstance(call, CallRecord)}
    policy = Policy(known=known)
    resumed = run(policy)
    assert comparable([*resumed.steps, *resumed.products]) == comparable(
        [*whole.steps, *whole.products]
    )
    assert comparable([CallMade(call) for call in resumed.calls]) == comparable(
        [CallMade(call) for call in whole.calls]
    )
    assert {request.key for request in policy.requests}.isdisjoint(known)


# --- What cannot be done --------------------------------------------------------------------------


def test_an_engine_without_chats_is_refused():
    policy = Policy(capabilities=Capabilities(completions=True))
    with pytest.raises(EnginePermanent, match="'policy' takes no chats") as caught:
        run(policy)
    assert caught.value.code == "no_chat"
    assert policy.requests == []


def test_why_there_is_no_reference_is_said_where_it_is_known():
    item = ItemInput(
        "i1", make_solution(reference_answer=None), no_reference="It was found to be wrong."
    )
    events = METHOD.run(item, engine=Policy(), settings=FEW, rng_seed=3)
    failure = asyncio.run(collect_events(events)).failure
    assert failure is not None
    assert (failure.reason_code, failure.message) == ("no_reference", "It was found to be wrong.")


# --- Sharing --------------------------------------------------------------------------------------


def test_solutions_of_one_problem_share_what_they_begin_with():
    method = RpeMethod(cache=MemoryRolloutCache())
    first, second = Policy(), Policy()
    run(first, method=method)
    other = make_solution()
    other = replace(other, steps=(other.steps[0], Step("Another way."), *other.steps[2:]))
    result = run(second, other, method=method, key="i2")
    # The problem and its first step are known; the other two prefixes are not.
    assert {len(request.metadata["steps"]) for request in second.requests} == {2, 3}
    assert summary_of(result, 0, KIND_START)["shared"] == 16
    assert [summary_of(result, at)["shared"] for at in range(3)] == [16, 0, 0]


def test_sharing_can_be_turned_off():
    method = RpeMethod(cache=MemoryRolloutCache())
    run(Policy(), method=method)
    policy = Policy()
    run(policy, method=method, key="i2", given=with_settings(share_rollouts=False))
    assert len(policy.requests) == 16


def test_another_revision_shares_nothing():
    method = RpeMethod(cache=MemoryRolloutCache())
    run(Policy(), method=method)
    policy = Policy(revision="r2")
    run(policy, method=method, key="i2")
    assert len(policy.requests) == 16


def test_sharing_does_not_change_what_is_sampled():
    method = RpeMethod(cache=MemoryRolloutCache())
    run(Policy(chances=(0.5,) * 4), method=method)
    shared = run(Policy(chances=(0.5,) * 4), method=method, key="i2")
    alone = run(Policy(chances=(0.5,) * 4), key="i2")
    assert labels_of(shared) == labels_of(alone)


def test_an_item_that_made_a_shared_chunk_reports_it_as_its_own_again():
    method = RpeMethod(cache=MemoryRolloutCache())
    first = run(Policy(), method=method)
    policy = Policy(known={call.request.key: call.reply for call in first.calls})
    again = run(policy, method=method)
    assert comparable([*again.steps, *again.products]) == comparable(
        [*first.steps, *first.products]
    )
    assert len(again.calls) == len(first.calls)
    assert policy.requests == []


@dataclass
class NotingCache(MemoryRolloutCache):
    noted: list[tuple[ChunkKey, Chunk, str]] = field(default_factory=list)

    def note(self, key: ChunkKey, chunk: Chunk, call_key: str) -> None:
        self.noted.append((key, chunk, call_key))


@pytest.mark.parametrize(
    ("capabilities", "at_once", "calls"),
    [
        (Capabilities(n=True, chat=True), 1_000, 1),
        # Fewer than asked for: the rest is asked for again.
        (Capabilities(n=True, chat=True), 3, 2),
        (Capabilities(n=False, chat=True), 1, 4),
    ],
)
def test_a_chunk_is_noted_once_with_the_call_that_made_it_whole(capabilities, at_once, calls):
    cache = NotingCache()
    policy = Policy(capabilities=capabilities, at_once=at_once)
    result = run(policy, make_solution(1), method=RpeMethod(cache=cache))
    assert len(cache.noted) == 4
    assert len(result.calls) == 4 * calls
    for key, chunk, call_key in cache.noted:
        assert cache.chunks[key] == chunk
        assert call_key in {f"{chunk.origin}/{part}" for part in range(calls)}


def test_a_method_is_bound_to_caches_and_stays_as_it_is():
    shared = Shared(rollouts=MemoryRolloutCache(), verdicts=MemoryVerdictCache())
    bound = bind_method(METHOD, shared)
    assert bound == RpeMethod(cache=shared.rollouts, verdicts=shared.verdicts)
    assert RpeMethod() == METHOD


def test_a_method_that_shares_nothing_is_not_bound():
    method = InjectionMethod()
    shared = Shared(rollouts=MemoryRolloutCache(), verdicts=MemoryVerdictCache())
    assert bind_method(method, shared) is method


# --- Math-Verify ----------------------------------------------------------------------------------


@dataclass
class FakeRunner:
    """Says that every answer with a 6 is right, but takes too long over an 8."""

    fault: Exception | None = None
    runs: list[tuple[str, str]] = field(default_factory=list)

    async def run(self, trajectory: str, key: str, code: str) -> CodeRecord:
        if self.fault is not None:
            raise self.fault
        self.runs.append((trajectory, key))
        call = next(line for line in code.splitlines() if line.startswith("_verdict, _reason"))
        if "8" in call.partition(",")[2].partition("(")[2].partition(",")[0]:
            return CodeRecord(key, code, CodeResult(CodeStatus.TIMEOUT, "Time out."))
        verdict = json.dumps({"verdict": "x + 6" in call, "reason": ""})
        return CodeRecord(key, code, CodeResult(CodeStatus.OK, f"math-verify verdict: {verdict}"))


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpe, "find_version", lambda: "0.9.0")
    monkeypatch.setattr(rpe_work, "find_version", lambda: "0.9.0")


VERIFIED = with_settings(checker="math_verify")


@pytest.mark.usefixtures("_installed")
def test_math_verify_compares_each_answer_once_in_the_sandbox():
    runner = FakeRunner()
    policy = Policy(chances=(0.5,) * 4, right="\\boxed{x + 6}", slip="\\boxed{7}")
    result = run(policy, given=VERIFIED, code=runner)
    assert METHOD.needs_sandbox(VERIFIED)
    # 6 itself needs no comparison; x + 6 and 7 need one each.
    assert len(result.runs) == len(runner.runs) == len({key for _, key in runner.runs}) == 2
    assert summary_of(result, 0)["checker"] == "math_verify/0.9.0"
    assert summary_of(result, 0)["counts"]["correct"] > 0


@pytest.mark.usefixtures("_installed")
def test_a_comparison_that_timed_out_is_undecided_and_ends_its_session():
    runner = FakeRunner()
    policy = Policy(chances=(0.5,) * 4, right="\\boxed{8}", slip="\\boxed{7}")
    result = run(policy, given=VERIFIED, code=runner)
    summary = summary_of(result, 0)
    assert summary["counts"]["undecided"] > 0
    assert summary["reasons"]["undecided"] == {"timed_out": summary["counts"]["undecided"]}
    assert summary["mc"] is None


@pytest.mark.usefixtures("_installed")
def test_a_missing_sandbox_goes_through_untouched():
    with pytest.raises(SandboxUnavailable):
        run(
            Policy(right="\\boxed{x + 6}"),
            given=VERIFIED,
            code=FakeRunner(SandboxUnavailable("Seccomp is missing.")),
        )


@pytest.mark.usefixtures("_installed")
def test_verdicts_are_shared_between_items():
    method = RpeMethod(verdicts=MemoryVerdictCache())
    first, second = FakeRunner(), FakeRunner()
    run(Policy(chances=(0.5,) * 4), method=method, given=VERIFIED, code=first)
    run(Policy(chances=(0.5,) * 4), method=method, given=VERIFIED, code=second, key="i2")
    assert (len(first.runs), len(second.runs)) == (1, 0)


@pytest.mark.usefixtures("_installed")
def test_math_verify_without_a_sandbox_fails_with_a_reason():
    result = run(Policy(), given=VERIFIED)
    assert result.failure is not None
    assert result.failure.reason_code == "no_sandbox"


def test_math_verify_that_is_not_installed_fails_with_a_reason(monkeypatch):
    monkeypatch.setattr(rpe, "find_version", lambda: None)
    result = run(Policy(), given=VERIFIED, code=FakeRunner())
    assert result.failure is not None
    assert result.failure.reason_code == "checker_missing"


@pytest.mark.usefixtures("_installed")
def test_a_session_compares_a_few_answers_and_another_the_next(monkeypatch):
    """So that one which lost its interpreter has few of them to run again."""
    monkeypatch.setattr(rpe_work, "SESSION_BLOCKS", 2)
    runner = FakeRunner()
    answer_runner = rpe_work.AnswerRunner(runner, "i1", ignore)

    async def compare() -> None:
        for number in range(5):
            await answer_runner.run(str(number), write_block(f"7{number}", "6"))

    asyncio.run(compare())
    assert [session for session, _ in runner.runs] == [
        f"i1/answers/{number}" for number in (0, 0, 1, 1, 2)
    ]


def test_a_session_that_was_ended_for_us_is_left():
    runner = FakeRunner(SandboxError("Memory.", code="killed"))
    answer_runner = rpe_work.AnswerRunner(runner, "i1", ignore)

    async def compare() -> None:
        with pytest.raises(SandboxError):
            await answer_runner.run("a", write_block("7", "6"))
        runner.fault = None
        await answer_runner.run("b", write_block("7", "6"))

    asyncio.run(compare())
    assert [session for session, _ in runner.runs] == ["i1/answers/1"]


async def ignore(event: Event) -> None:
    """Nothing is stored."""


# --- The declaration ------------------------------------------------------------------------------


def test_the_method_declares_itself():
    assert METHOD.units(DEFAULTS) == ("",)
    assert not METHOD.needs_sandbox(DEFAULTS)
    assert len(METHOD.prompt_version) <= 80
    assert DEFAULTS["epsilon"] == 0.8
    names = [option.name for option in METHOD.parameters]
    assert len(set(names)) == len(names)


def test_a_misspelt_rule_is_refused():
    with pytest.raises(InvalidOptions, match="rule"):
        validate_options(METHOD.parameters, {"rule": "rato"})


# --- Planted errors -------------------------------------------------------------------------------


def test_planted_errors_are_found_outside_the_band_and_the_ratio_beats_hard_labels():
    """A policy that recovers from a planted error in a tenth of its rollouts."""
    rng = random.Random(23)
    given = with_settings(plan="sequential", samples=64, start_samples=64, chunk=8)
    hits: dict[str, list[bool]] = {"ratio": [], "hard": []}
    found, planted, both = 0, 0, 0
    for number in range(40):
        first = rng.choice([None, 1, 2])
        chances = [0.9 if first is None or steps <= first else 0.1 for steps in range(4)]
        solution = make_solution(ending="6" if first is None else "7")
        result = run(Policy(chances=chances), solution, given=given, key=f"i{number}", seed=number)
        labels = labels_of(result)
        rows = [Counts(*row) for row in result.products[0].provenance["counts"]]
        start = Counts(**result.products[0].provenance["start"]["counts"])
        hard = read_counts(start, rows, LabelRule(kind="hard")).labels.verdicts.tolist()
        for position in range(3):
            label = labels.labels[position]
            is_planted = position == first
            if label is None or label.unsure or (first is not None and position > first):
                continue
            is_found = label.validity is Validity.WRONG
            found, planted, both = (
                found + is_found,
                planted + is_planted,
                both + (is_found and is_planted),
            )
            hits["ratio"].append(is_found == is_planted)
            hits["hard"].append((hard[position] == 0) == is_planted)
    assert planted > 10
    assert both / found >= 0.95
    assert both / planted >= 0.95
    assert sum(hits["ratio"]) > sum(hits["hard"])
