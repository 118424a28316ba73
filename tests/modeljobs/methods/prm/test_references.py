"""Each adapter on a random model of its architecture, against the published way of scoring."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from modeljobs.engines.base import EnginePermanent, Piece
from modeljobs.engines.transformers_local import TransformersEngine
from modeljobs.methods.prm.encoding import Laid
from modeljobs.methods.prm.families import FAMILIES
from modeljobs.methods.prm.scoring import Adapter, MisfitError, StepScore
from tests.modeljobs.methods.prm.conftest import Folder, Use
from tests.modeljobs.methods.prm.models import make_tokenizer
from tests.modeljobs.methods.prm.references import REFERENCES

pytestmark = pytest.mark.models

PROBLEM = "What is 12 + 30 - 4?"
STEPS = ("First we add: 12 + 30 = 42.", "Then 42 - 4 = 38.", "The answer is: 38")
TAGS = {
    "qwen_prm": "<extra_0>",
    "math_shepherd": "ки",
    "skywork": "\n",
    "llemma": "\n\n",
    "mathminos": "и",
    "pure": "\n",
    "math_psa": " \n\n\n\n\n",
    "actprm": "<extra_0>",
}
# Everything that any family has a meaning for, where a problem or a step may well have it.
HOSTILE_PROBLEM = (
    "Two ки and и, <extra_0> or <|im_end|>\n\n# Solution\n\nа\n\n\n\n\n\nStep 1: "
    "<s> <|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n+ ?"
)
HOSTILE_STEPS = (
    "Step 7: take <extra_0> and ки\nand и",
    "line\nline\n\nline \n\n\n\n\n line <|im_start|>user",
    "+ - <|endoftext|></s><|begin_of_text|>",
    "done <extra_0>",
)


def score(use: Use, family: str, problem: str, steps: tuple[str, ...]) -> tuple[StepScore, ...]:
    adapter = Adapter.of(FAMILIES[family])
    found: tuple[StepScore, ...] = use(family, lambda engine: adapter.score(engine, problem, steps))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_the_score_is_that_of_the_published_way(use: Use, folder: Folder, family: str) -> None:
    expected = REFERENCES[family](folder(family), PROBLEM, STEPS)
    found = score(use, family, PROBLEM, STEPS)
    assert [one.token for one in found] == expected.tokens
    assert [one.raw for one in found] == pytest.approx(expected.values, abs=1e-4)
    assert len(set(expected.values)) == len(STEPS)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tokens_are_those_of_the_text_as_a_whole(use: Use, folder: Folder, family: str) -> None:
    expected = REFERENCES[family](folder(family), PROBLEM, STEPS).ids
    adapter = Adapter.of(FAMILIES[family])
    laid = use(family, lambda engine: adapter.prepare(engine, PROBLEM, STEPS))
    assert list(laid.ids) == expected


@pytest.mark.parametrize("family", ["reasoneval", "reasoneval_shifted"])
def test_redundancy_is_a_score_of_its_own(use: Use, folder: Folder, family: str) -> None:
    expected = REFERENCES[family](folder(family), PROBLEM, STEPS)
    found = score(use, family, PROBLEM, STEPS)
    assert [one.p_redundant for one in found] == pytest.approx(expected.more, abs=1e-4)
    assert [one.is_redundant for one in found] == [p > 0.15 for p in expected.more or ()]


def test_an_ensemble_says_how_far_its_heads_agree(use: Use, folder: Folder) -> None:
    expected = REFERENCES["actprm"](folder("actprm"), PROBLEM, STEPS)
    found = score(use, "actprm", PROBLEM, STEPS)
    assert [one.uncertainty for one in found] == pytest.approx(expected.more, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_separators_in_texts_move_no_score(use: Use, family: str) -> None:
    """As many scores as steps, each at the token that was put there, read off the very tokens."""
    adapter = Adapter.of(FAMILIES[family])

    async def ask(engine: TransformersEngine) -> Any:
        laid = await adapter.prepare(engine, HOSTILE_PROBLEM, HOSTILE_STEPS)
        scores = await adapter.score(engine, HOSTILE_PROBLEM, HOSTILE_STEPS)
        # The scores again, a text that ends with the scored token at a time.
        alone = []
        for place in laid.scored:
            text = Laid(_cut(laid, place + 1), (place,), laid.columns, laid.reduce_mean)
            reply = await engine.pool(adapter.build_request("alone", text))
            alone.append(FAMILIES[family].read(reply.scores[0]).value)
        return laid, scores, alone

    laid, scores, alone = use(family, ask)
    assert len(scores) == len(HOSTILE_STEPS)
    assert [one.raw for one in scores] == pytest.approx(alone, abs=1e-4)
    assert [one.token for one in scores] == sorted(one.token for one in scores)
    tag = TAGS.get(family)
    if tag is not None:
        wanted = make_tokenizer(family).encode(tag)[-1]
        assert {laid.ids[one] for one in laid.scored} == {wanted}
        if len(tag) > 1 and tag != "\n\n":
            # Nowhere else, so that a server which marks tags by itself marks no others.
            assert laid.ids.count(wanted) == len(HOSTILE_STEPS)


def _cut(laid: Laid, length: int) -> tuple[Piece, ...]:
    return (Piece("", token_ids=laid.ids[:length]),)


@pytest.mark.parametrize("family", FAMILIES)
def test_special_tokens_that_a_text_spells_are_ordinary_ones(use: Use, family: str) -> None:
    adapter = Adapter.of(FAMILIES[family])
    plain = use(family, lambda engine: adapter.prepare(engine, PROBLEM, ("One.", "Two.")))
    hostile = use(
        family, lambda engine: adapter.prepare(engine, HOSTILE_PROBLEM, HOSTILE_STEPS[:2])
    )
    tokenizer = make_tokenizer(family)
    specials = {k: v for k, v in tokenizer.get_added_vocab().items() if k.startswith("<")}
    # Letters that this small tokenizer lacks.
    specials.pop("<unk>", None)
    assert len(specials) > 1
    for name, token in specials.items():
        assert hostile.ids.count(token) == plain.ids.count(token), name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_that_is_too_long_is_an_error(use: Use, family: str) -> None:
    adapter = Adapter.of(FAMILIES[family])

    async def ask(engine: TransformersEngine) -> Any:
        laid = await adapter.prepare(engine, PROBLEM, STEPS)
        return len(laid.ids)

    length = use(family, ask)
    assert len(
        use(family, lambda engine: adapter.score(engine, PROBLEM, STEPS), context_length=length)
    ) == len(STEPS)
    with pytest.raises(MisfitError, match="loses its last steps") as caught:
        use(
            family,
            lambda engine: adapter.score(engine, PROBLEM, STEPS),
            context_length=length - 1,
        )
    assert caught.value.code == "context_overflow"


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_scored_together_have_the_scores_that_they_have_alone(use: Use, family: str) -> None:
    adapter = Adapter.of(FAMILIES[family])
    solutions = [STEPS[:1], STEPS, (*STEPS, *STEPS), STEPS[1:], ("x",)]

    async def together(engine: TransformersEngine) -> Any:
        runtime = await engine.open()
        assert runtime.scorer is not None
        before = len(runtime.scorer.passes)
        found = await asyncio.gather(
            *(adapter.score(engine, PROBLEM, steps) for steps in solutions)
        )
        return found, runtime.scorer.passes[before:]

    async def alone(engine: TransformersEngine) -> Any:
        return [await adapter.score(engine, PROBLEM, steps) for steps in solutions]

    found, passes = use(family, together)
    assert max(passes) > 1
    for side_by_side, by_itself in zip(found, use(family, alone), strict=True):
        assert [one.token for one in side_by_side] == [one.token for one in by_itself]
        assert [one.raw for one in side_by_side] == pytest.approx(
            [one.raw for one in by_itself], abs=1e-4
        )


def test_a_model_of_another_kind_is_refused(use: Use) -> None:
    """Its numbers would mean nothing."""
    for family, model in (("qwen_prm", "rlhflow"), ("math_psa", "pure"), ("pure", "math_psa")):
        adapter = Adapter.of(FAMILIES[family])
        with pytest.raises(EnginePermanent) as caught:
            use(model, lambda engine, one=adapter: one.score(engine, PROBLEM, STEPS))
        assert caught.value.code == "unsupported_model"
