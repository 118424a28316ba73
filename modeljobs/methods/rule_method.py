"""Injections and decoys by rule, as a job: no model is asked, and the truth of each is known.

For gold items, for decoys among a model's injections, and to try a project's review before any
model is paid for. The product carries the truth in its provenance, under "truth": whoever stores it
keeps it apart from all that reviewers can read.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from labeling.alignment import normalise_text
from labeling.formats.splitting import split_steps
from labeling.records import Injection, Solution, Step
from labeling.taxonomies.loader import load_builtin
from modeljobs.engines.base import Engine
from modeljobs.engines.options import Option
from modeljobs.methods.base import (
    CodeRunner,
    Event,
    Failed,
    ItemInput,
    MethodBase,
    Produced,
    derive_seed,
)
from modeljobs.methods.decoys import DECOYS, Claim, claim_honestly, make_decoy
from modeljobs.methods.injection import find_unfit
from modeljobs.methods.rule_injection import (
    ALL_CLASSES,
    INJECTED_CLASSES,
    MULTI_SOLUTIONS,
    inject_by_rule,
)
from modeljobs.methods.rules import RULES, SOLUTIONS

NAME = "rule_injection"
GENERATOR = "rules"
TAXONOMY = "prmbench-9"
# A unit is a class, and from the second one on its number: "deception", "deception:2".
UNIT_MARK = ":"

DECOY_TITLES = {
    "reworded": "A correct step in other words, said to be wrong",
    "shifted": "An error that is there, flagged one step off",
    "copy": "The solution as it was, with a step said to be wrong",
}


@dataclass(frozen=True, slots=True)
class RuleInjectionMethod(MethodBase):
    """Puts errors into solutions by seeded rules, and decoys among them."""

    name: str = NAME
    version: str = "1"
    title: str = "Inject errors by rule"
    description: str = (
        "Seeded rules put one error of a chosen class into a correct solution, with no model. What "
        "is right about each is known, and hidden from those who verify it."
    )

    @property
    def prompt_version(self) -> str:
        """The version of the rules, and a hash over their names."""
        names = [f"{kind}/{rule}" for kind, rules in RULES.items() for rule in rules]
        names += [rule.__name__ for rule in SOLUTIONS]
        return f"rules-{self.version} #{hashlib.sha256(' '.join(names).encode()).hexdigest()[:8]}"

    @property
    def parameters(self) -> tuple[Option, ...]:
        names = {kind.code: kind.name_in("en") for kind in load_builtin(TAXONOMY).types}
        return (
            Option(
                "error_types",
                "choices",
                "Error classes",
                help="Another solution is presented where the problem has a reference solution, or "
                "calculations that can be done in another way.",
                default=INJECTED_CLASSES,
                choices=tuple((kind, names[kind]) for kind in ALL_CLASSES),
            ),
            Option(
                "per_class",
                "int",
                "Injections per solution and class",
                help="Of two into one problem and of one class, a release keeps the first: lint "
                "E07 marks the others.",
                default=1,
                minimum=1,
                maximum=10,
            ),
            Option(
                "certain_only",
                "bool",
                "Only where the truth is certain",
                help="For gold items. Off: some are likely to be as they say, and need a look "
                "before anybody is measured against them.",
                default=False,
            ),
            Option(
                "decoys",
                "float",
                "Share of decoys",
                help="Claims that are not right, which nothing tells from the others.",
                default=0.0,
                minimum=0,
                maximum=1,
            ),
            Option(
                "decoy_kinds",
                "choices",
                "Kinds of decoys",
                help="A solution as it was is marked by lint E05 as well.",
                default=("reworded", "shifted"),
                choices=tuple((kind, DECOY_TITLES[kind]) for kind in DECOYS),
            ),
        )

    @property
    def judges(self) -> bool:
        return False

    @property
    def asks_engine(self) -> bool:
        """No: a job of this method runs with the scripted engine, which says what it is."""
        return False

    def units(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """Each chosen class, as often as it is wanted."""
        return tuple(
            kind if number == 1 else f"{kind}{UNIT_MARK}{number}"
            for kind in settings["error_types"]
            for number in range(1, settings["per_class"] + 1)
        )

    async def run(
        self,
        item: ItemInput,
        *,
        engine: Engine,
        settings: Mapping[str, Any],
        rng_seed: int,
        code: CodeRunner | None = None,
    ) -> AsyncGenerator[Event]:
        """1. Refuse what cannot serve. 2. Make the claim. 3. Hand it over with its truth."""
        if not engine.is_scripted:
            yield Failed(
                "no_model_needed",
                f"Rules ask no model, and {engine.name!r} is one: choose the scripted engine, so "
                "that nobody takes what they make for a model's work.",
            )
            return
        if problem := find_unfit(item.solution):
            yield Failed("unsuitable_source", problem)
            return
        seed = derive_seed(rng_seed, f"{item.key}/{NAME}")
        kind = item.unit.partition(UNIT_MARK)[0]
        claim = make_claim(item.solution, kind, settings, seed=seed)
        if claim is None:
            yield _explain(kind)
            return
        yield Produced(
            kind="injection",
            product=build_solution(item.solution, claim),
            provenance={
                "method": self.name,
                "method_version": self.version,
                "prompt": self.prompt_version,
                "seed": seed,
                "engine": engine.describe(),
                "is_scripted": True,
                "truth": claim.truth.pack(),
            },
        )


def make_claim(
    source: Solution, error_type: str, settings: Mapping[str, Any], *, seed: int
) -> Claim | None:
    """An honest claim or a decoy, as the seed decides; None where no rule fits.

    Where no decoy of the chosen kinds fits, the claim is an honest one.
    """
    rng = random.Random(f"{NAME}:{seed}")  # noqa: S311 (not a secret)
    question, steps = source.problem.text, [step.text for step in source.steps]
    other = find_other_solution(source)
    # Drawn in any case, so that another share leaves the rest of the draws alone.
    is_decoy = rng.random() < settings["decoys"]
    kinds = rng.sample(settings["decoy_kinds"], len(settings["decoy_kinds"]))
    for kind in kinds if is_decoy else ():
        decoy = make_decoy(
            question,
            steps,
            error_type=error_type,
            kind=kind,
            seed=seed,
            other_solution=other,
            certain_only=settings["certain_only"],
        )
        if decoy is not None:
            return decoy
    made = inject_by_rule(
        question,
        steps,
        error_type=error_type,
        seed=seed,
        other_solution=other,
        certain_only=settings["certain_only"],
    )
    return None if made is None else claim_honestly(made)


def find_other_solution(source: Solution) -> tuple[str, ...]:
    """The problem's reference solution in steps, () where it has none or it is this one."""
    reference = source.problem.reference_solution
    if not reference:
        return ()
    steps = tuple(split_steps(reference))
    own = [normalise_text(step.text) for step in source.steps]
    return () if [*map(normalise_text, steps)] == own else steps


def build_solution(source: Solution, claim: Claim) -> Solution:
    """The modified solution with its claim, for the source's problem family; not the truth.

    Where the question was changed, the reference answer is no longer known to be its answer.
    """
    family = source.problem.family or source.problem.source_id
    problem = replace(source.problem, text=claim.question, family=family)
    if claim.question != source.problem.text:
        problem = replace(problem, reference_answer=None, reference_solution=None)
    own_id = source.source_id or source.problem.source_id
    return Solution(
        problem=problem,
        steps=tuple(Step(text) for text in claim.steps),
        source_id=f"{claim.error_type}_{own_id}" if own_id else "",
        generator=GENERATOR,
        injection=Injection(
            error_type=claim.error_type,
            original_problem=source.problem.text,
            original_steps=tuple(step.text for step in source.steps),
            claimed_error_positions=claim.error_positions,
            claimed_changed_positions=claim.changed_positions,
            reason=claim.reason,
        ),
    )


def _explain(error_type: str) -> Failed:
    if error_type == MULTI_SOLUTIONS:
        return Failed(
            "no_other_solution",
            "The problem has no reference solution that is another one than this, and the solution "
            "has no calculation that could be done in another way.",
        )
    return Failed(
        "no_rule_fits",
        f"No rule of the class {error_type!r} with a certain truth fits this solution.",
    )
