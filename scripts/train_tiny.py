"""Trains the tiny models of modeljobs/tiny/checkpoints/ from their seeds, on one processor core.

    nice python scripts/train_tiny.py better --out modeljobs/tiny/checkpoints/better
    nice python scripts/train_tiny.py worse --out modeljobs/tiny/checkpoints/worse

Needs the extra `transformers`. Writes the checkpoint, examines it on held-out problems and writes
its MODEL_CARD.md. `--examine` does the last two for a checkpoint that is there; `--smoke` trains a
very small model for a few steps, to try the script.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from modeljobs.engines.tiny import TinyEngine, TinySettings
from modeljobs.tiny.exam import Report, take_exam
from modeljobs.tiny.export import write_checkpoint
from modeljobs.tiny.lessons import Mix, Part, draw_lessons
from modeljobs.tiny.model import CHECKPOINTS, ModelShape, TinyModel
from modeljobs.tiny.problems import HELD_OUT_SHARE
from modeljobs.tiny.tokenizer import Tokenizer, build_tokenizer

CONTEXT_LENGTH = 2048
EPSILON = 1e-5
THETA = 10_000.0
# Documents are drawn by so many at a time and sorted by length, so that little is padded.
POOL = 512
EXAM_SEED = 20_000
EXAM_SIZE = 200

Lesson = tuple[list[int], list[float]]
Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training with optimizers, a seed and lessons of its own.

    Matrices are trained by Muon (Jordan 2024), embeddings and norms by Adam. The rates rise over
    `warm_up` steps, stay, and fall in a line from `decay_from` on, a share of `steps`.
    `stop_after` ends the stage before its rates have fallen.
    """

    steps: int
    muon_rate: float
    adam_rate: float
    warm_up: int
    decay_from: float
    seed: int
    mix: Mix = field(default_factory=Mix)
    stop_after: int | None = None

    @property
    def updates(self) -> int:
        return self.steps if self.stop_after is None else self.stop_after


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a checkpoint, but for the machine's arithmetic."""

    width: int
    layers: int
    heads: int
    inner: int
    stages: tuple[Stage, ...]
    tokens_per_batch: int = 4096
    seed: int = 1


# High rates find the rough outline soon; copying numbers exactly takes the later stages.
FIRST = Stage(
    steps=1300,
    muon_rate=8e-3,
    adam_rate=3e-3,
    warm_up=40,
    decay_from=0.0,
    seed=1,
    mix=Mix(quotes_equation=True, is_wrong_in_words=True),
    stop_after=900,
)
SECOND = Stage(
    steps=900,
    muon_rate=4e-3,
    adam_rate=1.5e-3,
    warm_up=10,
    decay_from=0.0,
    seed=2,
    mix=Mix(verify=0.45, drill=0.2, output_mark_weight=0.1, is_wrong_in_words=True),
    stop_after=100,
)
THIRD = Stage(
    steps=450,
    muon_rate=4e-3,
    adam_rate=1.5e-3,
    warm_up=5,
    decay_from=0.3,
    seed=3,
    mix=Mix(solve=0.4, drill=0.1, output_mark_weight=0.1, is_wrong_in_words=True),
)
FOURTH = Stage(
    steps=400,
    muon_rate=2e-3,
    adam_rate=1e-3,
    warm_up=5,
    decay_from=0.2,
    seed=4,
    mix=Mix(verify=0.45, drill=0.05, refine=0.25, output_mark_weight=0.1),
)
BETTER = Recipe(width=128, layers=4, heads=4, inner=352, stages=(FIRST, SECOND, THIRD, FOURTH))
RECIPES = {
    "better": BETTER,
    # The same training, ended early: it errs in the same ways, and more often.
    "worse": replace(BETTER, stages=(FIRST, SECOND, replace(THIRD, stop_after=300))),
}
SMOKE = Recipe(
    width=16,
    layers=1,
    heads=2,
    inner=32,
    stages=tuple(
        Stage(steps=2, muon_rate=1e-2, adam_rate=3e-3, warm_up=1, decay_from=0.5, seed=seed)
        for seed in (1, 2)
    ),
    tokens_per_batch=1024,
)


def encode_lesson(parts: Sequence[Part], tokenizer: Tokenizer) -> Lesson:
    """Ids and their weights in the loss; each part is encoded by itself."""
    ids: list[int] = []
    weights: list[float] = []
    for text, weight in parts:
        made = tokenizer.encode(text)
        ids += made
        weights += [weight] * len(made)
    return ids, weights


def draw_batches(stage: Stage, tokens: int, tokenizer: Tokenizer) -> Iterator[list[Lesson]]:
    """Batches of documents of like length, of at most `tokens` tokens, without end."""
    rng = random.Random(stage.seed)  # noqa: S311 (not a secret)
    lessons = draw_lessons(rng, stage.mix)
    while True:
        pool = [encode_lesson(next(lessons), tokenizer) for _ in range(POOL)]
        pool.sort(key=lambda lesson: len(lesson[0]))
        batches: list[list[Lesson]] = [[]]
        for lesson in pool:
            if len(lesson[0]) * (len(batches[-1]) + 1) > tokens:
                batches.append([])
            batches[-1].append(lesson)
        rng.shuffle(batches)
        yield from batches


def get_rate(step: int, stage: Stage) -> float:
    """The share of the full learning rate at a step."""
    if step < stage.warm_up:
        return (step + 1) / stage.warm_up
    if step < stage.decay_from * stage.steps:
        return 1.0
    left = (stage.steps - step) / stage.steps
    return min(1.0, max(0.02, left / (1 - stage.decay_from)))


def build_network(recipe: Recipe, tokenizer: Tokenizer) -> Any:
    """The untrained network, a LlamaForCausalLM."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=CONTEXT_LENGTH,
        rms_norm_eps=EPSILON,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.begin_id,
        eos_token_id=tokenizer.end_id,
        pad_token_id=tokenizer.padding_id,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


def compute_loss(network: Any, batch: Sequence[Lesson]) -> Any:
    """The weighted mean of the loss over the tokens that are learnt."""
    import torch
    from torch.nn import functional

    longest = max(len(ids) for ids, _ in batch)
    # What is padded comes last and has no weight: no mask is needed.
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in batch])
    weights = torch.tensor([weights + [0.0] * (longest - len(weights)) for _, weights in batch])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = network.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    wanted = weights[:, 1:] > 0
    scale = weights[:, 1:][wanted]
    logits = functional.linear(hidden[wanted].float(), network.lm_head.weight)
    losses = functional.cross_entropy(logits, ids[:, 1:][wanted], reduction="none")
    return (losses * scale).sum() / scale.sum()


def train(recipe: Recipe, out: Path, *, log: Log = print) -> dict[str, Any]:
    """Train and store a checkpoint; what the training took."""
    import torch

    torch.set_num_threads(1)
    tokenizer = build_tokenizer()
    network = build_network(recipe, tokenizer)
    started = time.monotonic()
    seen, loss = 0, 0.0
    for stage in recipe.stages:
        made, loss = train_stage(network, stage, recipe.tokens_per_batch, tokenizer, log=log)
        seen += made
        with torch.no_grad():
            # A stage ends with the weights as a checkpoint holds them.
            for parameter in network.parameters():
                parameter.copy_(parameter.half().float())
    save(network, tokenizer, recipe, out)
    return {
        "tokens": seen,
        "loss": round(loss, 4),
        "seconds": round(time.monotonic() - started),
        "steps": sum(stage.updates for stage in recipe.stages),
        "torch": torch.__version__,
        "machine": f"one core, {platform.machine()}",
    }


def train_stage(
    network: Any, stage: Stage, tokens: int, tokenizer: Tokenizer, *, log: Log
) -> tuple[int, float]:
    """Train the network; how many tokens it saw, and the loss over the last few steps."""
    import torch

    named = list(network.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in named if p.ndim != 2 or "embed" in name]
    optimizers = (
        (
            torch.optim.Muon(
                matrices, lr=stage.muon_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
            ),
            stage.muon_rate,
        ),
        (
            torch.optim.AdamW(others, lr=stage.adam_rate, betas=(0.9, 0.98), weight_decay=0.0),
            stage.adam_rate,
        ),
    )
    batches = draw_batches(stage, tokens, tokenizer)
    started = time.monotonic()
    seen, mean = 0, 0.0
    for step in range(stage.updates):
        batch = next(batches)
        seen += sum(len(ids) for ids, _ in batch)
        loss = compute_loss(network, batch)
        for optimizer, rate in optimizers:
            optimizer.param_groups[0]["lr"] = rate * get_rate(step, stage)
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
        mean = loss.item() if step == 0 else 0.95 * mean + 0.05 * loss.item()
        if step % 25 == 0 or step == stage.updates - 1:
            seconds = time.monotonic() - started
            log(f"step {step:5}  loss {mean:.4f}  {seen:,} tokens  {seen / seconds:,.0f}/s")
    return seen, mean


def save(network: Any, tokenizer: Tokenizer, recipe: Recipe, out: Path) -> None:
    """Store the network as it is."""
    # The read-out's weights are the embeddings'.
    tensors = {
        name: tensor.detach().float().numpy()
        for name, tensor in network.state_dict().items()
        if name != "lm_head.weight"
    }
    shape = ModelShape(
        width=recipe.width,
        layers=recipe.layers,
        heads=recipe.heads,
        vocabulary=len(tokenizer),
        context_length=CONTEXT_LENGTH,
        epsilon=EPSILON,
        theta=THETA,
    )
    write_checkpoint(out, tensors, shape=shape, inner=recipe.inner, tokenizer=tokenizer)


def examine(folder: Path, *, size: int) -> Report:
    """What the checkpoint can do on held-out problems."""
    engine = TinyEngine(TinySettings(max_concurrency=32), model=TinyModel(folder))

    async def work() -> Report:
        try:
            return await take_exam(engine, seed=EXAM_SEED, size=size)
        finally:
            await engine.aclose()

    return asyncio.run(work())


def write_card(
    folder: Path, name: str, recipe: Recipe, taken: dict[str, Any], report: Report
) -> None:
    """MODEL_CARD.md beside the weights: what it is, how it was made, what it can do."""
    model = TinyModel(folder)
    reviews = "\n".join(
        f"| {mode} | {score.f1 * 100:.1f} | {score.error_accuracy * 100:.1f} | "
        f"{score.correct_accuracy * 100:.1f} |"
        for mode, score in report.reviews.items()
    )
    text = f"""# Tiny arithmetic model: {name}

A language model of {model.parameters:,} parameters that knows one thing: generated word problems
about a growing and shrinking stock, three to six sums each. It solves them step by step, reviews
solutions by GenPRM's protocol (analysis, Python code, verdict) and mends a solution after a
critique. It is here to try out the workbench without a model server. It knows no mathematics beyond
these problems, and its verdicts on any other text mean nothing.

- Architecture: Llama, width {recipe.width}, {recipe.layers} layers, {recipe.heads} heads, inner
  width {recipe.inner}, tied embeddings, {model.shape.vocabulary} tokens, float16.
- Context: {model.shape.context_length:,} tokens; trained on up to about 500.
- Revision (first digits of the SHA-256 of its weights): `{model.revision}`.
- Licence: that of the workbench.

## Training

    python scripts/train_tiny.py {name} --out modeljobs/tiny/checkpoints/{name}

- {taken["steps"]:,} steps in {len(recipe.stages)} stages, {taken["tokens"]:,} tokens,
  {taken["seconds"] / 60:.0f} minutes on a busy machine ({taken["machine"]}, torch
  {taken["torch"]}).
- All text is generated by `modeljobs/tiny/lessons.py`; no other data were used.
- The same seeds on another processor give other last digits, and so another checkpoint of much the
  same quality.

## Examination

On problems that no training run can have seen: a hash of the problem's text keeps one in
{HELD_OUT_SHARE} from training. {report.solutions} solutions with large numbers, half of them
with one planted error; temperature 0.6, one sample per step. First-error F1 as ProcessBench defines
it, and its two parts, in per cent:

| mode | F1 | errors found | right solutions left alone |
| --- | --- | --- | --- |
{reviews}

- Solving (small numbers, temperature 0.7): {report.solved * 100:.1f} % of {report.problems} answers
  are right; {report.equations_right * 100:.1f} % of the equations are true.
- Refining (small numbers), after a true critique of the first wrong step:
  {report.refined * 100:.1f} % of {report.problems} wrong solutions become right.

A step is judged given the step before it: after a planted error the later steps, which carry it on,
are right by themselves.
"""
    (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")


def write_reference(path: Path) -> None:
    """Store the logits of transformers after one prompt, for tests where torch is missing."""
    import torch
    from transformers import AutoModelForCausalLM

    lesson = next(draw_lessons(random.Random(EXAM_SEED), Mix()))  # noqa: S311 (not a secret)
    ids, _ = encode_lesson(lesson, build_tokenizer())
    document = {}
    for name in RECIPES:
        network = AutoModelForCausalLM.from_pretrained(CHECKPOINTS / name, dtype=torch.float32)
        with torch.no_grad():
            logits = network(torch.tensor([ids])).logits[0, -1].tolist()
        document[name] = {"ids": ids, "logits": [round(logit, 5) for logit in logits]}
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint's folder")
    parser.add_argument("--examine", action="store_true", help="do not train")
    parser.add_argument("--exam-size", type=int, default=EXAM_SIZE, help="solutions to examine on")
    parser.add_argument("--smoke", action="store_true", help="a few steps of a very small model")
    parser.add_argument("--reference", type=Path, help="only store logits of both, for the tests")
    options = parser.parse_args()
    if options.reference:
        write_reference(options.reference)
        return
    recipe = SMOKE if options.smoke else RECIPES[options.recipe]
    record = options.out / "training.json"
    if not options.examine:
        taken = train(recipe, options.out)
        record.write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")
    if options.smoke:
        return
    taken = json.loads(record.read_text(encoding="utf-8"))
    report = examine(options.out, size=options.exam_size)
    write_card(options.out, options.recipe, recipe, taken, report)


if __name__ == "__main__":
    main()
