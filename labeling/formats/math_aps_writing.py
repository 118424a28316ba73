"""Building MATH-APS trees again out of the solutions along their paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from labeling.formats.affixes import affix_after, affix_before
from labeling.formats.base import BuildContext, FormatOption, dump_row
from labeling.formats.fields import is_number
from labeling.records import EMPTY, LabelSet, Problem, Solution, Step

NAME = "math_aps"
# On a solution: the layout of its row, the numbers of the nodes it runs through, the row's own id,
# the root (number, mc and, if unlike the question, text), entries that repeat the root.
LAYOUT = f"{NAME}.layout"
NODES = f"{NAME}.nodes"
QUESTION_ID = f"{NAME}.question_id"
ROOT = f"{NAME}.root"
ROOT_REPEATS = f"{NAME}.root_repeats"
OTHER = f"{NAME}.other"
# On a step: fields of its node that the format does not know.
MORE = f"{NAME}.more"

MC_SCALE = "mc_estimate"

LAYOUTS = FormatOption(
    "layout",
    "as_read: the layout that the row had, nested for solutions from elsewhere. tree: nested. "
    "flat: a list of prefixes.",
    ("as_read", "tree", "flat"),
)

# A node's place: its number in the row, then a serial number for nodes that share it or have none.
_Key = tuple[int, int]
_NO_NUMBER = 2**62


class _Node(NamedTuple):
    """A node to write. `before` and `after` stand around the text in a flat list."""

    parent: _Key | None
    before: str
    text: str
    after: str
    mc: float | None
    more: Mapping[str, Any]


class _Group:
    """The solutions of one tree, put together again as they come."""

    def __init__(self, first: Solution, choice: str) -> None:
        self.problem: Problem = first.problem
        extra = first.extra
        self.layout = extra.get(LAYOUT, "tree") if choice == "as_read" else choice
        self.known = LAYOUT in extra
        self.question_id = extra.get(QUESTION_ID)
        self.root: Mapping[str, Any] | None = (
            extra.get(ROOT) if self.known else {"number": 0, "mc": None}
        )
        self.other: Mapping[str, Any] = extra.get(OTHER, EMPTY)
        self.repeats: list[Any] = extra.get(ROOT_REPEATS, [])
        self.nodes: dict[_Key, _Node] = {}
        self.children: dict[_Key | None, list[_Key]] = {}
        self._last_leaf = -1
        self._by_text: dict[tuple[_Key | None, str], _Key] = {}

    def takes(self, solution: Solution) -> bool:
        """Whether the solution is a further path of this tree: leaves come in rising order."""
        extra = solution.extra
        if solution.problem != self.problem or (LAYOUT in extra) != self.known:
            return False
        if not self.known:
            return True
        numbers = extra.get(NODES, ())
        same_row = extra.get(QUESTION_ID) == self.question_id and extra.get(ROOT) == self.root
        return same_row and bool(numbers) and numbers[-1] > self._last_leaf

    def add(self, solution: Solution, label_set: LabelSet | None) -> None:
        numbers = solution.extra.get(NODES, ())
        parent: _Key | None = None
        for position, step in enumerate(solution.steps):
            number = numbers[position] if position < len(numbers) else _NO_NUMBER
            parent = self._place(parent, number, step, _read_mc(label_set, position))
        # A row without steps is a root alone: no further path belongs to it.
        self._last_leaf = numbers[-1] if numbers else _NO_NUMBER

    @property
    def root_text(self) -> str:
        root = self.root or EMPTY
        return str(root.get("text", self.problem.text))

    def _place(self, parent: _Key | None, number: int, step: Step, mc: float | None) -> _Key:
        """The node of this step below `parent`: the one that is there already, or a new one.

        Numbered steps meet by number (two nodes may have equal texts), others by their text. A
        numbered step whose text was changed on one path only becomes a node beside the other.
        """
        node = _Node(
            parent,
            affix_before(step.extra, NAME, "\n\n"),
            step.text,
            affix_after(step.extra, NAME),
            mc,
            step.extra.get(MORE, EMPTY),
        )
        if number == _NO_NUMBER:
            known = self._by_text.get((parent, step.text))
            if known is not None:
                return known
            key = (_NO_NUMBER, len(self.nodes))
        else:
            key = (number, 0)
            while (there := self.nodes.get(key)) is not None:
                if there[:4] == node[:4]:
                    return key
                key = (number, key[1] + 1)
        self.nodes[key] = node
        self.children.setdefault(parent, []).append(key)
        self._by_text.setdefault((parent, step.text), key)
        return key

    def build(self, ordinal: int) -> bytes:
        """The row, serialised here because a tree may be deeper than a JSON library nests."""
        head = {"question": self.problem.text, "final_answer": self.problem.reference_answer}
        tail: dict[str, Any] = {}
        if self.known:
            if self.question_id is not None:
                tail["question_id"] = self.question_id
        else:
            tail["question_id"] = self.problem.source_id or f"row-{ordinal}"
        tail.update(self.other)
        steps = self._dump_flat() if self.layout == "flat" else self._dump_tree()
        after = b"," + dump_row(tail)[1:] if tail else b"}"
        return dump_row(head)[:-1] + b',"reasoning_steps":' + steps + after

    def _dump_flat(self) -> bytes:
        entries: dict[_Key, dict[str, Any]] = {}
        for number, mc in self.repeats:
            entries[(number, 0)] = {"solution_prefix": self.problem.text, "mc_value": mc}
        if self.root is not None:
            entries[(self.root["number"], -1)] = {
                "solution_prefix": self.root_text,
                "mc_value": self.root["mc"],
                **self.root.get("more", EMPTY),
            }
        # From the root down, because a node may have a lower number than its parent.
        waiting: list[tuple[_Key | None, str]] = [(None, self.root_text)]
        while waiting:
            parent, beginning = waiting.pop()
            for key in self.children.get(parent, ()):
                node = self.nodes[key]
                whole = beginning + node.before + node.text + node.after
                entries[key] = {"solution_prefix": whole, "mc_value": node.mc, **node.more}
                waiting.append((key, whole))
        return dump_row([entries[key] for key in sorted(entries)])

    def _dump_tree(self) -> bytes:
        """The nested nodes, children by number; pieces are joined once at the end."""
        root = self.root or {"mc": None}
        pieces = [_open_node(self.root_text, root["mc"])]
        waiting: list[_Key | bytes] = [_close_node(root.get("more", EMPTY))]
        waiting += self._children_of(None)
        while waiting:
            item = waiting.pop()
            if isinstance(item, bytes):
                pieces.append(item)
                continue
            node = self.nodes[item]
            pieces.append(_open_node(node.text, node.mc))
            waiting.append(_close_node(node.more))
            waiting += self._children_of(item)
        return b"".join(pieces)

    def _children_of(self, key: _Key | None) -> list[_Key | bytes]:
        """The children last first, as a stack wants them, with commas between them."""
        stacked: list[_Key | bytes] = []
        for child in sorted(self.children.get(key, ()), reverse=True):
            if stacked:
                stacked.append(b",")
            stacked.append(child)
        return stacked


def _open_node(text: str, mc: float | None) -> bytes:
    return b'{"text":' + dump_row(text) + b',"mc_value":' + dump_row(mc) + b',"children":['


def _close_node(more: Mapping[str, Any]) -> bytes:
    return b"]," + dump_row(more)[1:] if more else b"]}"


def _read_mc(label_set: LabelSet | None, position: int) -> float | None:
    if label_set is None or position >= len(label_set.labels):
        return None
    label = label_set.labels[position]
    score = None if label is None else label.score
    return score.raw if score is not None and is_number(score.raw) else None


def _choose_estimates(solution: Solution) -> LabelSet | None:
    """The first set of labels that holds Monte-Carlo estimates."""
    for label_set in solution.label_sets:
        if any(
            label is not None and label.score is not None and label.score.scale == MC_SCALE
            for label in label_set.labels
        ):
            return label_set
    return None


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[bytes]:
    """One row per run of solutions of the same tree: only one tree is held in memory."""
    log = context.log
    group: _Group | None = None
    for solution in solutions:
        label_set = _choose_estimates(solution)
        if label_set is None and LAYOUT not in solution.extra:
            log.skip(solution, "It has no Monte-Carlo estimates.")
            continue
        if group is not None and not group.takes(solution):
            yield group.build(log.rows)
            group = None
        if group is None:
            group = _Group(solution, context.options["layout"])
        group.add(solution, label_set)
    if group is not None:
        yield group.build(log.rows)
