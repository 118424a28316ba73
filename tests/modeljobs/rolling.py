"""Problems with two solutions each for RPE, and a policy whose rollouts follow from its prompts.

Whatever is lost, doubled or mixed up on the way shows in the end: each text is drawn by a hash of
its prompt and its seed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from labeling.models import Project, Solution, Suggestion
from modeljobs.engines.base import Capabilities, Completion, CompletionRequest, EngineReply
from modeljobs.evidence_views import read_detail
from modeljobs.methods.rpe_labels import Counts
from modeljobs.models import JobItem, RolloutChunk, StepEvidence
from modeljobs.services.rollouts import find_chunks
from tests.labeling.factories import make_solution

PARAMETERS = {"plan": "fixed", "samples": 8, "start_samples": 8, "chunk": 4}
SLIP = "With a slip of the pen"
STEPS = 3
# Of two solutions of one problem: chunks of the problem, of the step that both begin with, and of
# the second step of either.
CHUNKS_A_PROBLEM = 2 + 2 + 2 * 2


def make_problems(project: Project, count: int = 2) -> list[Solution]:
    """Each problem once solved rightly, and once with a slip after the same first step."""
    solutions = []
    for number in range(2, count + 2):
        right, wrong = 3 * number, 3 * number + 1
        for way, answer in (("Then we add the third", right), (SLIP, wrong)):
            solution = make_solution(
                project,
                f"p{number}",
                question=f"What is ${number}+{number}+{number}$?",
                steps=(
                    f"We add ${number}+{number}={2 * number}$.",
                    f"{way}: ${answer}$.",
                    f"So the answer is $\\boxed{{{answer}}}$.",
                ),
            )
            solution.problem.reference_answer = str(right)
            solution.problem.save()
            solutions.append(solution)
    return solutions


def roll(prompt: str, *, seed: int | None, n: int) -> list[str]:
    """Rollouts of the problem in the prompt: four in five are right, one in eight after a slip."""
    stated = re.findall(r"What is \$(\d+)\+", prompt)
    right = 3 * int(stated[-1])
    share = 32 if SLIP in prompt else 205
    texts = []
    for index in range(n):
        draw = hashlib.sha256(f"{prompt}|{seed}|{index}".encode()).digest()
        answer = right if draw[0] < share else right + 1
        texts.append(f"Way {draw.hex()[:8]} leads to \\boxed{{{answer}}}.")
    return texts


def join_messages(messages: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"{role}: {content}" for role, content in messages)


def read_rolled(item: JobItem) -> dict[str, Any]:
    """What a job left of an item, but for ids, times, attempts and who sampled what is shared."""
    fields = ("position", *Counts._fields, "is_exact")
    [suggestion] = Suggestion.objects.filter(solution=item.solution_id)
    return {
        "state": item.state,
        "counts": list(item.step_counts.order_by("position").values_list(*fields)),
        "steps": [
            (step.position, step.kind, *_forget_sharing(step.summary, read_texts(step)))
            for step in item.evidence.order_by("kind", "position")
        ],
        "labels": suggestion.labels,
        "first_error": suggestion.first_error,
        "given": {name: suggestion.provenance[name] for name in ("counts", "start", "rule")},
    }


def read_chunks(rows: QuerySet[RolloutChunk]) -> list[dict[str, Any]]:
    """Kept rollouts with their texts, but for ids, times and who sampled them."""
    found = find_chunks([row.key for row in rows], job_id=0)
    chunks = []
    for row in rows.order_by("fingerprint", "number"):
        chunk = found[row.key].chunk
        assert chunk is not None, row
        facts = {"fingerprint": row.fingerprint, "number": row.number, "seed": row.seed}
        texts = [list(rollout) for rollout in chunk.rollouts]
        assert len(texts) == row.rollouts
        chunks.append(facts | {"model": row.model, "texts": texts})
    return chunks


def read_texts(step: StepEvidence) -> Mapping[str, Any]:
    """What was kept beside the step's summary, which must be there."""
    detail = read_detail(step)
    assert not isinstance(detail, str), detail
    return detail


def _forget_sharing(
    summary: Mapping[str, Any], detail: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    kept = {name: value for name, value in summary.items() if name != "shared"}
    whole = dict(detail)
    if "chunks" in whole:
        whole["chunks"] = [
            {name: value for name, value in chunk.items() if name not in ("origin", "shared")}
            for chunk in whole["chunks"]
        ]
    return kept, whole


class RollingEngine:
    """Rolls at once; `before` may do something first. `asked` is what it was asked, as prompt and
    seed.
    """

    name = "rolling"
    is_scripted = False

    def __init__(
        self,
        before: Callable[[CompletionRequest], Any] | None = None,
        *,
        revision: str = "r1",
        capabilities: Capabilities | None = None,
    ) -> None:
        self.before = before
        self.revision = revision
        self.capabilities = capabilities or Capabilities(n=True, chat=True)
        self.asked: list[tuple[str, int | None]] = []

    async def complete(self, request: CompletionRequest) -> EngineReply:
        prompt = join_messages([(one.role, one.content) for one in request.messages])
        self.asked.append((prompt, request.sampling.seed))
        if self.before is not None:
            given = self.before(request)
            if isinstance(given, Awaitable):
                await given
        sampling = request.sampling
        n = sampling.n if self.capabilities.n else 1
        texts = roll(prompt, seed=sampling.seed, n=n)
        return EngineReply(
            tuple(Completion(text, finish_reason="stop") for text in texts),
            model="rolling",
            prompt_tokens=len(prompt) // 4,
            completion_tokens=8 * n,
        )

    def describe(self) -> dict[str, Any]:
        return {"kind": "rolling"}

    async def aclose(self) -> None:
        """There is nothing to let go of."""
