"""Measure GenPRM in this process: tokens and steps a second, against what the memory allows.

    .venv/bin/python scripts/measure_genprm.py            on a GPU: Qwen2-1.5B's shape in bf16
    .venv/bin/python scripts/measure_genprm.py --tiny     anywhere: a small model, to try it out

The model has random weights: speed does not depend on what they are, and nothing is downloaded.
The method is GenPRM itself, with an analysis and a forced verdict for each step. A random model
never comes to an end by itself, so every analysis has exactly `--analysis` tokens (345 is the mean
of a step on MATH in the paper, table 9) and every verdict 20.

One JSON object a line. The limit is what the card's memory allows: every pass reads all weights
once, and every step the keys and values of all sequences in flight. The bytes are counted while it
runs and divided by the bandwidth, which is measured first by copying a large tensor:

    limit = tokens sampled / (bytes that had to be read / bandwidth)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from labeling.records import Problem, Solution, Step  # noqa: E402
from modeljobs.engines.in_process import Runtime  # noqa: E402
from modeljobs.engines.options import validate_options  # noqa: E402
from modeljobs.engines.shelf import Shelf  # noqa: E402
from modeljobs.engines.transformers_local import (  # noqa: E402
    TransformersEngine,
    TransformersRuntime,
    TransformersSettings,
    build_runtime,
    import_libraries,
)
from modeljobs.methods.base import ItemInput, StepChecked  # noqa: E402
from modeljobs.methods.genprm import GenprmMethod  # noqa: E402

LETTERS = "\n" + "".join(map(chr, range(32, 127)))
# One token a letter: a problem of so many tokens, and steps of so many.
PROBLEM_LETTERS, STEP_LETTERS = 120, 60


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's size. All are Qwen2's architecture."""

    name: str
    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    between: int
    vocabulary: int
    context: int


QWEN2_1_5B = Shape("Qwen2-1.5B's shape", 1536, 28, 12, 2, 8960, 151_936, 8_192)
TINY = Shape("a small shape", 64, 2, 4, 2, 128, 512, 2_048)


def make_model(torch: Any, transformers: Any, shape: Shape, *, device: str, dtype: Any) -> Any:
    """The shape with random weights, made where it will run."""
    config = transformers.Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.between,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        # No token ends a text.
        eos_token_id=None,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    with torch.device(device):
        return transformers.AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def make_tokenizer(transformers: Any, vocabulary: int) -> Any:
    """A token for each letter, and a word for each number that the model may sample besides."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    written = [split.pre_tokenize_str(letter)[0][0] for letter in LETTERS]
    words = [*written, *(f"w{number}" for number in range(len(written), vocabulary))]
    core = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    core.pre_tokenizer, core.decoder = split, decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core)


def measure_bandwidth(torch: Any, device: str) -> float:
    """Bytes a second that the memory reads and writes, by copying a tensor; the best of five."""
    size = (1 << 30) if device.startswith("cuda") else (1 << 26)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(6):
        settle(torch, device)
        began = time.perf_counter()
        target.copy_(source)
        settle(torch, device)
        best = min(best, time.perf_counter() - began)
    return 2 * size / best


def settle(torch: Any, device: str) -> None:
    """Wait until the device has done what it was told."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


class ReadyEngine(TransformersEngine):
    """An engine whose model is there already."""

    def __init__(self, settings: TransformersSettings, runtime: TransformersRuntime) -> None:
        shelf: Shelf[Runtime] = Shelf()
        super().__init__(settings, shelf=shelf)
        self._ready = runtime

    def load(self) -> TransformersRuntime:
        return self._ready


def make_item(number: int, steps: int) -> ItemInput:
    """A solution of its own: no two have a beginning in common but for the method's own words."""
    text = "".join(LETTERS[1 + (number * 7 + place * 13) % 90] for place in range(PROBLEM_LETTERS))
    step = "".join(LETTERS[1 + (number * 11 + place * 17) % 90] for place in range(STEP_LETTERS))
    solution = Solution(
        problem=Problem(f"{number}: {text}"),
        steps=tuple(Step(f"{place}. {step}") for place in range(steps)),
    )
    return ItemInput(f"item-{number}", solution)


def build_settings(analysis: int) -> dict[str, Any]:
    """GenPRM with an analysis and no code: one answer a step, and every step judged."""
    given = {
        "samples": 1,
        "analyze": True,
        "verify": False,
        "execute": False,
        "early_stop": False,
        "template": "deepseek_r1",
        "max_tokens": analysis,
    }
    return validate_options(GenprmMethod().parameters, given)


async def judge_all(engine: TransformersEngine, items: Sequence[ItemInput], analysis: int) -> int:
    """Judge all items at once; how many steps were judged."""
    settings = build_settings(analysis)

    async def judge(number: int, item: ItemInput) -> int:
        events = GenprmMethod().run(item, engine=engine, settings=settings, rng_seed=number)
        return sum([isinstance(event, StepChecked) async for event in events])

    return sum(await asyncio.gather(*(judge(*pair) for pair in enumerate(items))))


def measure(
    torch: Any, model: Any, tokenizer: Any, *, in_flight: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Figures of so many trajectories at once."""
    settings = TransformersSettings(
        model=options.shape.name,
        max_concurrency=in_flight,
        max_sequences=in_flight,
        remembered=in_flight,
        context_length=options.shape.context,
    )
    runtime = build_runtime(torch, model, tokenizer, settings)
    device = options.device

    async def run(items: Sequence[ItemInput]) -> int:
        engine = ReadyEngine(settings, runtime)
        try:
            return await judge_all(engine, items, options.analysis)
        finally:
            await engine.aclose()

    try:
        # Once before: memory is taken and kernels are chosen the first time.
        asyncio.run(run([make_item(number, 1) for number in range(in_flight)]))
        before = runtime.decoder.figures
        settle(torch, device)
        began = time.perf_counter()
        items = [make_item(10_000 + number, options.steps) for number in range(in_flight)]
        steps = asyncio.run(run(items))
        settle(torch, device)
        seconds = time.perf_counter() - began
        after = runtime.decoder.figures
    finally:
        runtime.close()
    sampled = after.sampled_tokens - before.sampled_tokens
    passes = after.passes - before.passes + after.steps - before.steps
    attended = after.attended_tokens - before.attended_tokens
    weights = sum([one.numel() * one.element_size() for one in model.parameters()])
    width = options.shape.hidden // options.shape.heads * options.shape.key_value_heads
    a_token = 2 * options.shape.layers * width * next(model.parameters()).element_size()
    needed = passes * weights + attended * a_token
    limit = sampled / (needed / options.bandwidth)
    return {
        "name": "genprm_in_process",
        "model": f"random weights, {options.shape.name}",
        **{name: runtime.place[name] for name in ("device", "dtype", "torch")},
        "in_flight": in_flight,
        "seconds": round(seconds, 3),
        "steps_judged": steps,
        "steps_per_s": round(steps / seconds, 3),
        "tokens_per_s": round(sampled / seconds, 1),
        "limit_tokens_per_s": round(limit, 1),
        "share_of_limit": round(sampled / seconds / limit, 4),
        "sampled_tokens": sampled,
        "read_tokens": after.read_tokens - before.read_tokens,
        "reused_tokens": after.reused_tokens - before.reused_tokens,
    }


def read_numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a small model on the processor")
    parser.add_argument("--in-flight", type=read_numbers, default=None, help="1,16,64,256")
    parser.add_argument("--steps", type=int, default=None, help="steps of each solution")
    parser.add_argument("--analysis", type=int, default=None, help="tokens of an analysis")
    options = parser.parse_args(arguments)
    torch, transformers = import_libraries()
    if not options.tiny and not torch.cuda.is_available():
        parser.exit(2, "There is no GPU here. `--tiny` tries it out on the processor.\n")
    options.shape = TINY if options.tiny else QWEN2_1_5B
    options.device = "cpu" if options.tiny else "cuda"
    options.in_flight = options.in_flight or ([1, 4] if options.tiny else [1, 16, 64, 256])
    options.steps = options.steps or (2 if options.tiny else 3)
    options.analysis = options.analysis or (64 if options.tiny else 345)
    dtype = torch.float32 if options.tiny else torch.bfloat16
    options.bandwidth = measure_bandwidth(torch, options.device)
    figure = {"name": "memory_bandwidth", "gb_per_s": round(options.bandwidth / 1e9, 1)}
    print(json.dumps(figure), flush=True)
    model = make_model(torch, transformers, options.shape, device=options.device, dtype=dtype)
    tokenizer = make_tokenizer(transformers, options.shape.vocabulary)
    for in_flight in options.in_flight:
        line = measure(torch, model, tokenizer, in_flight=in_flight, options=options)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
