"""What a lint must know of the other injections of a batch, gathered once.

Near-duplicates are found by comparing sets of shingles (runs of three tokens; Broder 1997). A pair
whose sets have a Jaccard similarity of at least t shares one of the rarest |s| - ceil(t |s|) + 1
shingles of each (prefix filtering: Bayardo et al. 2007), so only injections that share one of those
are compared: the cost grows with the number of injections, not with its square.

What counts is what is new: shingles that stand in the original too are left out, so that two
injections which both repeat a long step do not look alike for it. A text of ten tokens has eight
shingles, and one word changed in it changes three; within a problem family, where there are few,
texts are therefore compared as bags of words too: two that differ in few words alone, with the same
numbers and signs, say the same.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from labeling.alignment import changed_positions, normalise_text
from labeling.records import Injection, Solution
from labeling.taxonomies.loader import Taxonomy, load_builtin

LEAST_SIMILARITY = 0.8
# New words around other steps of the original are another change; the whole must be alike as well.
LEAST_IN_WHOLE = 0.5
# Bags of words are compared only where something new is common to both.
LEAST_IN_COMMON = 0.1
SHINGLE = 3
# What ends or parts a sentence does not make it another.
PUNCTUATION = frozenset(".,;:!?")
# Copies of one text beyond this many are not listed: one is enough to name.
MOST_CANDIDATES = 50
# So many other injections must agree on the original before one that differs is called drifted.
LEAST_WITNESSES = 3

# The class of PRMBench's second solutions before anybody verified them.
UNVERIFIED_SECOND_SOLUTION = "one_question_multi_answers"


class Twin(NamedTuple):
    """Another injection that is nearly the same, and how nearly (Jaccard, 0 to 1)."""

    name: str
    similarity: float


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    family: str
    identity: bytes
    # Of the changed steps: the shingles that the original does not have (all, if it has all).
    changes: frozenset[int]
    whole: frozenset[int]
    question: frozenset[int]
    words: Counter[str]
    figures: Counter[str]


@dataclass(frozen=True, slots=True)
class LintContext:
    """The other injections, the sources of the originals, and what error types imply.

    `no_error` are types without a wrong step, `keeps_answer` those which leave the answer as it
    is. A context without injections checks no duplicates.
    """

    no_error: frozenset[str]
    keeps_answer: frozenset[str]
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _times: Mapping[tuple[str, str], int] = field(default_factory=dict)
    _originals: Mapping[str, Counter[str]] = field(default_factory=dict)
    _entries: tuple[_Entry, ...] = ()
    _copies: Mapping[bytes, int] = field(default_factory=dict)
    _frequency: Mapping[int, int] = field(default_factory=dict)
    _by_shingle: Mapping[int, list[int]] = field(default_factory=dict)
    _by_family: Mapping[str, list[int]] = field(default_factory=dict)
    _by_identity: Mapping[bytes, int] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        solutions: Iterable[Solution] = (),
        *,
        taxonomy: Taxonomy | None = None,
        sources: Mapping[str, Sequence[str]] | None = None,
    ) -> LintContext:
        """The context of a batch. Solutions without an injection are passed over.

        `taxonomy` says what its types imply (PRMBench's where none is given); `sources` maps a
        problem family to the steps that its originals were copied from.
        """
        taxonomy = taxonomy or load_builtin("prmbench-9")
        no_error = taxonomy.no_error_codes | {UNVERIFIED_SECOND_SOLUTION}
        times: Counter[tuple[str, str]] = Counter()
        originals: defaultdict[str, Counter[str]] = defaultdict(Counter)
        entries = []
        for solution in solutions:
            injection = solution.injection
            if injection is None:
                continue
            times[(injection.error_type, name_problem(solution))] += 1
            family = name_family(solution)
            # Second solutions were not made by copying the original: they are no witnesses.
            if family and injection.error_type not in no_error:
                originals[family][_digest_steps(injection.original_steps)] += 1
            steps = [step.text for step in solution.steps]
            changed = changed_positions(injection.original_steps, steps)
            entries.append(_build_entry(solution, injection, changed))
        frequency = Counter(shingle for entry in entries for shingle in entry.changes)
        by_shingle: defaultdict[int, list[int]] = defaultdict(list)
        by_family: defaultdict[str, list[int]] = defaultdict(list)
        for index, entry in enumerate(entries):
            if entry.family and len(by_family[entry.family]) < MOST_CANDIDATES:
                by_family[entry.family].append(index)
            for shingle in _find_prefix(entry.changes, frequency):
                if len(by_shingle[shingle]) < MOST_CANDIDATES:
                    by_shingle[shingle].append(index)
        return cls(
            no_error=no_error,
            keeps_answer=taxonomy.true_step_codes | {UNVERIFIED_SECOND_SOLUTION},
            sources={family: tuple(steps) for family, steps in (sources or {}).items()},
            _times=times,
            _originals=originals,
            _entries=tuple(entries),
            _copies=Counter(entry.identity for entry in entries),
            _frequency=frequency,
            _by_shingle=by_shingle,
            _by_family=by_family,
            _by_identity={entry.identity: index for index, entry in enumerate(entries)},
        )

    def count_same_name(self, solution: Solution, injection: Injection) -> int:
        """How many injections have this type and problem; 1 where the problem has no id."""
        problem = name_problem(solution)
        return self._times.get((injection.error_type, problem), 1) if problem else 1

    def count_other_originals(self, solution: Solution, injection: Injection) -> int:
        """How many injections of the family agree on another original than this one has.

        0 unless they are most of the family and at least LEAST_WITNESSES.
        """
        seen = self._originals.get(name_family(solution))
        if not seen or injection.error_type in self.no_error:
            return 0
        # Ties go to the smaller digest, so that the order of the rows does not matter.
        digest, count = min(seen.items(), key=lambda item: (-item[1], item[0]))
        usual = count >= LEAST_WITNESSES and 2 * count > seen.total()
        return count if usual and digest != _digest_steps(injection.original_steps) else 0

    def find_twin(
        self, solution: Solution, injection: Injection, *, changed: Iterable[int]
    ) -> Twin | None:
        """The injection most like this one, or None where none is nearly the same.

        `changed` are the positions of the steps that are new or edited.
        """
        if not self._entries:
            return None
        known = self._by_identity.get(_identify(solution, injection))
        own = _build_entry(solution, injection, changed) if known is None else self._entries[known]
        if self._copies.get(own.identity, 0) > 1:
            return Twin(own.name, 1.0)
        candidates = {
            index
            for shingle in _find_prefix(own.changes, self._frequency)
            for index in self._by_shingle.get(shingle, ())
        }
        candidates.update(self._by_family.get(own.family, ()))
        twins = [
            Twin(other.name, similarity)
            for other in (self._entries[index] for index in sorted(candidates))
            if other.identity != own.identity
            and (similarity := _compare(own, other)) >= LEAST_SIMILARITY
        ]
        return max(twins, key=lambda twin: twin.similarity, default=None)


def _compare(own: _Entry, other: _Entry) -> float:
    """How nearly the changes are the same, 0 where the problems are others."""
    is_family = own.family == other.family != ""
    similarity = _jaccard(own.changes, other.changes)
    if similarity >= LEAST_SIMILARITY and _jaccard(own.whole, other.whole) >= LEAST_IN_WHOLE:
        is_alike = is_family or _jaccard(own.question, other.question) >= LEAST_SIMILARITY
        return similarity if is_alike else 0.0
    if is_family and own.figures == other.figures and similarity >= LEAST_IN_COMMON:
        either = (own.words | other.words).total()
        return (own.words & other.words).total() / either if either else 0.0
    return 0.0


def name_problem(solution: Solution) -> str:
    return solution.problem.source_id or solution.source_id


def name_family(solution: Solution) -> str:
    return solution.problem.family or solution.problem.source_id


def _build_entry(solution: Solution, injection: Injection, changed: Iterable[int]) -> _Entry:
    steps = [step.text for step in solution.steps]
    text = " ".join(normalise_text(steps[position]) for position in sorted(changed))
    tokens = [token for token in text.split() if token not in PUNCTUATION]
    whole = _cut_shingles(text)
    old = frozenset[int]().union(
        *(_cut_shingles(normalise_text(step)) for step in injection.original_steps)
    )
    return _Entry(
        name=solution.source_id or solution.problem.source_id or "without an id",
        family=name_family(solution),
        identity=_identify(solution, injection),
        changes=whole - old or whole,
        whole=whole,
        question=_cut_shingles(normalise_text(solution.problem.text)),
        words=Counter(tokens),
        figures=Counter(token for token in tokens if not token.isalpha() or len(token) == 1),
    )


def _identify(solution: Solution, injection: Injection) -> bytes:
    """A digest of what makes two injections the same one."""
    steps = [step.text for step in solution.steps]
    content = "\0".join([injection.error_type, solution.problem.text, *steps])
    return hashlib.blake2b(content.encode("utf-8", "replace"), digest_size=16).digest()


# The injections of a family have their originals in common.
@lru_cache(maxsize=16_384)
def _cut_shingles(words: str) -> frozenset[int]:
    """The hashes of all runs of SHINGLE tokens; of the whole text where it is shorter."""
    tokens = words.split()
    if not tokens:
        return frozenset()
    ends = range(SHINGLE, max(len(tokens), SHINGLE) + 1)
    return frozenset(zlib.crc32(" ".join(tokens[end - SHINGLE : end]).encode()) for end in ends)


def _find_prefix(shingles: frozenset[int], frequency: Mapping[int, int]) -> list[int]:
    rarest = sorted(shingles, key=lambda shingle: (frequency.get(shingle, 0), shingle))
    # Without the slack of 1e-9, 0.8 * 5 might be rounded up to 5.
    return rarest[: len(shingles) - ceil(LEAST_SIMILARITY * len(shingles) - 1e-9) + 1]


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    either = len(one | other)
    return len(one & other) / either if either else 0.0


def _digest_steps(steps: Sequence[str]) -> str:
    return hashlib.sha256(
        "\0".join(map(normalise_text, steps)).encode("utf-8", "replace")
    ).hexdigest()
