"""MATH-APS: trees of partial solutions with Monte-Carlo estimates (OmegaPRM).

Source: the data of OpenR's OmegaPRM (Luo et al. 2024). One row is one tree, in two layouts:

- tree: `reasoning_steps` is a node `{text, mc_value, children}`, the root being the question;
- flat: `reasoning_steps` lists the same nodes in the order they were made, each as the whole text
  from the question to its end (`solution_prefix`). A node's parent is the one with the longest
  text that its own begins with; its step is what comes after.

Each path from the root to a leaf becomes one solution; all of a tree share the problem and its
family. The family comes from the question's text, because `question_id` repeats: in OpenR's own
sample two questions have the same. Which nodes a path runs through is noted in `extra`, so that
the tree is built again when the solutions are written. `mc_value` is the share of completions that
reached the answer, as it was estimated; no threshold is applied. `final_answer` is the known
answer of the question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from labeling.formats.affixes import note_affixes, strip_around
from labeling.formats.base import FieldDoc, FormatInfo, ParseContext, RowFormat
from labeling.formats.fields import (
    FieldError,
    Row,
    as_object,
    is_number,
    take_list,
    take_optional_text,
    take_others,
    take_problem_text,
    take_text,
    too_many,
    wrong_type,
)
from labeling.formats.math_aps_writing import (
    LAYOUT,
    LAYOUTS,
    MC_SCALE,
    MORE,
    NAME,
    NODES,
    OTHER,
    QUESTION_ID,
    ROOT,
    ROOT_REPEATS,
    build_rows,
)
from labeling.records import (
    EMPTY,
    Author,
    LabelSet,
    Problem,
    Score,
    Solution,
    Step,
    StepLabel,
    Unknown,
)

METHOD = "omegaprm"
_KNOWN = frozenset({"question", "final_answer", "reasoning_steps", "question_id"})
_KNOWN_NODE = frozenset({"text", "mc_value", "children"})
_KNOWN_ENTRY = frozenset({"solution_prefix", "mc_value"})


@dataclass(slots=True)
class _Node:
    """A node with its number in the row; the parent is None right below the root."""

    number: int
    parent: int | None
    step: Step
    mc: float | None
    is_leaf: bool = True


@dataclass(slots=True)
class _Tree:
    nodes: list[_Node] = field(default_factory=list)
    root: dict[str, Any] | None = None
    repeats: list[list[Any]] = field(default_factory=list)


def parse_row(row: Row, context: ParseContext) -> Iterator[Solution]:
    question = take_problem_text(row, "question")
    given = row.get("reasoning_steps")
    if isinstance(given, dict):
        layout, tree = "tree", _read_tree(given, question, context.max_steps)
    elif isinstance(given, list):
        entries = take_list(row, "reasoning_steps", limit=context.max_steps)
        layout, tree = "flat", _read_flat(entries, question)
    else:
        raise wrong_type("reasoning_steps", "a tree (an object) or a list of prefixes", given)

    name = row.get("question_id")
    if name is not None and (isinstance(name, bool) or not isinstance(name, str | int)):
        raise wrong_type("question_id", "a whole number or a text", name)
    source_id = "" if name is None else str(name)
    problem = Problem(
        question,
        source_id=source_id,
        reference_answer=take_optional_text(row, "final_answer"),
        family=_name_family(question),
    )
    extra: dict[str, Any] = {LAYOUT: layout, QUESTION_ID: name, ROOT: tree.root}
    others = take_others(row, _KNOWN)
    if others:
        extra[OTHER] = others
    paths = _find_paths(tree.nodes, context.max_steps)
    for index, path in enumerate(paths or [[]]):
        noted = {**extra, NODES: [node.number for node in path]}
        if tree.repeats and index == 0:
            noted[ROOT_REPEATS] = tree.repeats
        labels = (_label_path(path),) if path else ()
        leaf = f"{source_id}/{path[-1].number}" if path and source_id else ""
        yield Solution(
            problem=problem,
            steps=tuple([node.step for node in path]),
            source_id=leaf,
            label_sets=labels,
            extra=noted,
        )


def _name_family(question: str) -> str:
    return f"{NAME}-{hashlib.sha256(question.encode()).hexdigest()[:12]}"


def _label_path(path: Sequence[_Node]) -> LabelSet:
    return LabelSet(
        Author.MACHINE,
        tuple(
            [
                None if node.mc is None else StepLabel(score=Score(node.mc, MC_SCALE))
                for node in path
            ]
        ),
        Unknown("the labels are Monte-Carlo estimates without a threshold"),
        method=METHOD,
    )


def _find_paths(nodes: list[_Node], max_steps: int) -> list[list[_Node]]:
    """The paths to all leaves, by the number of the leaf.

    The steps of all paths together are limited: a comb of n nodes has paths of n²/4 steps.
    """
    by_number = {node.number: node for node in nodes}
    for node in nodes:
        if node.parent is not None:
            by_number[node.parent].is_leaf = False
    paths = []
    total = 0
    for leaf in sorted(nodes, key=lambda node: node.number):
        if not leaf.is_leaf:
            continue
        path = [leaf]
        while (parent := path[-1].parent) is not None:
            path.append(by_number[parent])
        total += len(path)
        if total > max_steps:
            raise FieldError(
                "reasoning_steps",
                f"The paths of this tree have more than {max_steps:,} steps together; at most "
                "that many are read from one row.",
            )
        paths.append(path[::-1])
    return paths


def _read_mc(node: Row, at: str) -> float | None:
    value = node.get("mc_value")
    if value is None:
        return None
    if isinstance(value, int | float) and is_number(value):
        return float(value)
    raise wrong_type(f"{at}.mc_value", "a number or null", value)


# --- Tree -------------------------------------------------------------------------------------


def _read_tree(given: Row, question: str, max_steps: int) -> _Tree:
    """The nodes numbered in the order of the file, the root being 0."""
    tree = _Tree()
    # A stack of our own: a tree may be deeper than Python recurses.
    waiting: list[tuple[object, int]] = [(given, 0)]
    number = 0
    while waiting:
        item, parent = waiting.pop()
        at = f"reasoning_steps (node {number})"
        node = as_object(item, at)
        text = take_text(node, "text", at=f"{at}.")
        mc = _read_mc(node, at)
        childless = node.get("children") is None
        children = [] if childless else take_list(node, "children", at=f"{at}.")
        more = take_others(node, _KNOWN_NODE)
        if number == 0:
            tree.root = _note_root(0, mc, text, question, more)
        else:
            step = Step(text, extra={MORE: more} if more else EMPTY)
            tree.nodes.append(_Node(number, parent or None, step, mc))
        waiting.extend((child, number) for child in reversed(children))
        number += 1
        if number > max_steps:
            raise too_many("reasoning_steps", number, max_steps)
    return tree


def _note_root(
    number: int, mc: float | None, text: str, question: str, more: dict[str, Any]
) -> dict[str, Any]:
    root: dict[str, Any] = {"number": number, "mc": mc}
    if text != question:
        root["text"] = text
    if more:
        root["more"] = more
    return root


# --- Flat -------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    number: int
    text: str
    mc: float | None
    more: dict[str, Any]


def _read_flat(items: list[Any], question: str) -> _Tree:
    """The tree of which the list holds every node's whole text; numbers are places in the list."""
    tree = _Tree()
    below: list[_Entry] = []
    for number, item in enumerate(items):
        at = f"reasoning_steps[{number}]"
        given = as_object(item, at)
        entry = _Entry(
            number,
            take_text(given, "solution_prefix", at=f"{at}."),
            _read_mc(given, at),
            take_others(given, _KNOWN_ENTRY),
        )
        if not entry.text.startswith(question):
            raise FieldError(
                f"{at}.solution_prefix",
                f"'{at}.solution_prefix' should begin with the question, and does not.",
            )
        if len(entry.text) > len(question):
            below.append(entry)
        elif tree.root is None:
            tree.root = _note_root(number, entry.mc, question, question, entry.more)
        else:
            tree.repeats.append([number, entry.mc])
    tree.nodes = _join_flat(below, question)
    return tree


def _join_flat(entries: list[_Entry], question: str) -> list[_Node]:
    """The entries as nodes, each below the longest other text that it begins with.

    In the order of the texts everything that a text begins with stands before it, so one pass with
    a stack of open beginnings finds all parents. Of equal texts the first listed is the parent.
    """
    nodes: list[_Node] = []
    open_texts: list[_Entry] = []
    for entry in sorted(entries, key=lambda item: (item.text, item.number)):
        while open_texts and not entry.text.startswith(open_texts[-1].text):
            open_texts.pop()
        repeated = bool(open_texts) and open_texts[-1].text == entry.text
        parents = open_texts[:-1] if repeated else open_texts
        parent = parents[-1] if parents else None
        stripped = strip_around(entry.text[len(parent.text if parent else question) :])
        extra = note_affixes(stripped, format_name=NAME, before="\n\n")
        if entry.more:
            extra[MORE] = entry.more
        step = Step(stripped.text, extra=extra or EMPTY)
        nodes.append(_Node(entry.number, parent.number if parent else None, step, entry.mc))
        if not repeated:
            open_texts.append(entry)
    return nodes


FORMAT = RowFormat(
    info=FormatInfo(
        name=NAME,
        title="MATH-APS (OmegaPRM)",
        description="Trees of partial solutions with Monte-Carlo estimates, nested or flat.",
        suffixes=(".jsonl", ".json"),
        index_convention="No indices: steps are nodes on the way from the question to a leaf.",
        fields=(
            FieldDoc("question", "text", "the problem"),
            FieldDoc("final_answer", "text", "the known answer"),
            FieldDoc("reasoning_steps", "object", "tree: text, mc_value, children"),
            FieldDoc("reasoning_steps", "list", "flat: solution_prefix, mc_value"),
            FieldDoc("question_id", "whole number or text", "name of the problem"),
        ),
        write_options=(LAYOUTS,),
    ),
    parse=parse_row,
    build=build_rows,
)
