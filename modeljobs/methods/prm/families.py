"""The reward models that are known, each with its layout, its head and its rule.

What each entry says was read in: the model card where one is named; PRMBench's adapters
(ssmisya/PRMBench, mr_eval/models, commit a1ae4ea) for thresholds and for what cards leave out; and
the model's own repository. What no source says, or where sources differ, `open` says. Token ids are
those of the published tokenizers; they are looked up by their spelling.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from modeljobs.methods.prm import heads, layouts
from modeljobs.methods.prm.encoding import Bench
from modeljobs.methods.prm.heads import Numbers
from modeljobs.methods.prm.layouts import Layout
from modeljobs.methods.prm.rules import Rule

Scale = str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What kind of annotator a family is."""

    redundancy: bool = False
    uncertainty: bool = False
    # All steps are scored in one pass, none needs the verdicts on those before it, and asking twice
    # gives the same: true of every family here, and said for callers that know other annotators.
    generative: bool = False
    per_step: bool = False
    needs_previous_verdicts: bool = False
    supports_n: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of reward model. `scale` is that of `labeling.records.Score`."""

    name: str
    title: str
    models: str
    layout: Layout
    read: Callable[[Sequence[float]], Numbers]
    scale: Scale
    rule: Rule
    redundancy_rule: Rule | None = None
    has_uncertainty: bool = False
    source: str = ""
    open: str = ""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            redundancy=self.redundancy_rule is not None, uncertainty=self.has_uncertainty
        )

    @property
    def template_version(self) -> str:
        """The family's name and a hash over what it writes: a change of the template shows."""
        return f"{self.name}-{_digest_layout(self.layout, self.read.__name__)}"


# A solution with what layouts treat in ways of their own: numbers, line ends, blank lines.
SAMPLE_PROBLEM = "What is 1 + 1?\n\nSay why."
SAMPLE_STEPS = ("Step 1: One and one.", "That is\ntwo,\n\nthe answer is: 2 ", "")
# What is one token to a published tokenizer, besides letters.
SINGLE_TOKENS = (
    *(layouts.QWEN_TAG, layouts.SHEPHERD_TAG, layouts.LLAMA_START, "<|endoftext|>", "<s>"),
    *(f" {layouts.PSA_TAG}", " +", " -"),
)


@functools.cache
def _digest_layout(layout: Layout, head: str) -> str:
    """The start of a hash over the sample as the layout writes it, a token a character."""

    async def encode(text: str) -> tuple[int, ...]:
        for number, token in enumerate(SINGLE_TOKENS, 1):
            # A private character for each: none that a text has.
            text = text.replace(token, chr(0xF0000 + number))
        return tuple(map(ord, text))

    work = layout(Bench(encode), SAMPLE_PROBLEM, SAMPLE_STEPS)
    try:
        # Nothing is waited for: the coroutine runs to its end in one go.
        work.send(None)
    except StopIteration as done:
        laid = done.value
    else:
        raise RuntimeError("A layout waited for something other than its tokenizer.")
    written = [[piece.text, piece.token_ids] for piece in laid.pieces]
    parts = [written, laid.positions, laid.columns, laid.reduce_mean, head]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]


HALF = Rule("threshold", 0.5)
ABOVE_ZERO = Rule("threshold", 0.0)
REDUNDANT = Rule("threshold", 0.15)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family(
                "qwen_prm",
                "Qwen2.5-Math-PRM",
                "Qwen/Qwen2.5-Math-PRM-7B and -72B, Qwen2.5-Math-7B-PRM800K",
                layouts.lay_qwen,
                heads.read_classes,
                "probability",
                HALF,
                source="model card; PRMBench qwen_prm.py; vLLM's Qwen2ForProcessRewardModel",
            ),
            Family(
                "math_shepherd",
                "Math-Shepherd",
                "peiyi9979/math-shepherd-mistral-7b-prm",
                layouts.lay_shepherd,
                heads.read_signs,
                "probability",
                HALF,
                source="PRMBench math_shepherd.py; openreasoner/openr prm/infer_fns.py",
            ),
            Family(
                "rlhflow",
                "RLHFlow Llama3.1 PRM",
                "RLHFlow/Llama3.1-8B-PRM-Mistral-Data and -Deepseek-Data",
                layouts.lay_rlhflow,
                heads.read_signs,
                "probability",
                HALF,
                source="RLHFlow/RLHF-Reward-Modeling math-rm/prm_evaluate.py",
                open="The turns are written without a system turn, as the models were trained; the "
                "published script uses the tokenizer's own template, which was not at hand. "
                "PRMBench takes the softmax over the whole vocabulary; this does not.",
            ),
            Family(
                "skywork",
                "Skywork-o1 Open PRM",
                "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B and -7B",
                layouts.lay_skywork,
                heads.read_value,
                "probability",
                Rule("difference", -0.05),
                source="SkyworkAI/skywork-o1-prm-inference, and its copy in openreasoner/openr; "
                "PRMBench skywork_prm.py",
                open="The first token is the tokenizer's bos_token, taken to be <|endoftext|>. "
                "PRMBench scores the tag ки instead of the line's end; this does as the published "
                "code does.",
            ),
            Family(
                "reasoneval",
                "ReasonEval",
                "GAIR/ReasonEval-7B and -34B",
                layouts.lay_reasoneval,
                heads.read_three,
                "probability",
                HALF,
                redundancy_rule=REDUNDANT,
                source="GAIR-NLP/ReasonEval codes/examples.py; PRMBench reasoneval.py",
                open="The 34B model's tokenizer is taken to put <s> first, as Code Llama's does.",
            ),
            Family(
                "reasoneval_shifted",
                "ReasonEval-7B, positions as its code counts them",
                "GAIR/ReasonEval-7B",
                layouts.lay_reasoneval_shifted,
                heads.read_three,
                "probability",
                HALF,
                redundancy_rule=REDUNDANT,
                source="GAIR-NLP/ReasonEval codes/examples.py; PRMBench reasoneval.py",
                open="Published figures were made at these positions; which of the two the model "
                "was trained at, no source says.",
            ),
            Family(
                "llemma",
                "Llemma PRM (easy-to-hard)",
                "ScalableMath/llemma-7b-prm-prm800k-level-1to3-hf",
                layouts.lay_llemma,
                heads.read_value,
                "probability",
                HALF,
                source="PRMBench llemma7b_prm.py",
            ),
            Family(
                "mathminos",
                "MATH-Minos",
                "KbsdJames/MATH-Minos, Mistral",
                layouts.lay_minos,
                heads.read_logit,
                "logit",
                ABOVE_ZERO,
                source="PRMBench mathminos_mistral.py; RM/process_reward_modeling_pointwise.py",
                open="The repository shows the tag (839), the head and the loss for step labels, "
                "but not the words before the first step: these are PRMBench's. Its outcome model "
                "has one line's end between the two turns where these have two.",
            ),
            Family(
                "pure",
                "PURE",
                "jinachris/PURE-PRM-7B",
                layouts.lay_pure,
                heads.read_margin,
                "margin",
                ABOVE_ZERO,
                source="model card; CJReinforce/PURE openrlhf/…/experience_maker.py",
                open="The tag is a line's end, as the card and the training code have it; "
                "PRMBench's adapter has a blank line. That nothing stands between the problem and "
                "the first step is PRMBench's and TRL's way of writing them.",
            ),
            Family(
                "math_psa",
                "OpenR Math-PSA",
                "openreasoner/Math-psa",
                layouts.lay_psa,
                heads.read_signs,
                "probability",
                HALF,
                source="openreasoner/openr prm/infer_fns.py, prm/code/finetune_qwen.py, "
                "reason/evaluation/evaluate.py",
                open="Published as a LoRA adapter: merge it into Qwen2.5-Math-7B-Instruct first.",
            ),
            Family(
                "actprm",
                "ActPRM (ensemble of heads)",
                "sail/ActPRM and -X",
                layouts.lay_qwen,
                heads.read_ensemble,
                "probability",
                HALF,
                has_uncertainty=True,
                source="sail-sg/ActivePRM src/active_prm/models and eval/…/ensemble_prm.py",
            ),
        )
    }
)


def get_family(name: str) -> Family:
    """The family of that name; ValueError, with the names there are, for any other."""
    family = FAMILIES.get(name)
    if family is None:
        raise ValueError(
            f"There is no reward model family {name!r}; the families are {', '.join(FAMILIES)}."
        )
    return family
