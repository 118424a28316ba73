"""The training set of the demo project: a few settled items, each with a word of explanation."""

from __future__ import annotations

from labeling.content import Content, VerdictContent
from labeling.demo.content import DemoContent
from labeling.demo.lessons import LESSONS
from labeling.models import Project, User
from labeling.selectors.training import SettledItem, list_settled_items, load_settled
from labeling.services.training import add_items, explain_item


def add_demo_training(project: Project, *, lead: User, content: DemoContent) -> int:
    """Make the training set of the demo project; how many items it has.

    Only of what was settled as the answer key has it: invented annotators may agree on an error.
    """
    settled = load_settled(
        list_settled_items(project)
        .filter(solution__source_key__in=LESSONS)
        .values_list("pk", flat=True)
    )
    by_key = {one.item.solution.source_key: one for one in settled if _is_right(one, content)}
    chosen = [by_key[key] for key in LESSONS if key in by_key]
    rows = add_items(project=project, by=lead, items=[one.item.pk for one in chosen])
    for one, row in zip(chosen, rows, strict=True):
        explain_item(row=row, by=lead, explanation=LESSONS[one.item.solution.source_key])
    return len(rows)


def _is_right(one: SettledItem, content: DemoContent) -> bool:
    key, said = one.item.solution.source_key, one.content
    if one.hindrance:
        return False
    return _agrees(said, one.item.solution.n_steps, key, content)


def _agrees(said: Content, n_steps: int, key: str, content: DemoContent) -> bool:
    if isinstance(said, VerdictContent):
        truth = next(one.truth for one in content.injections if one.id == key)
        positions = tuple(sorted(truth.error_positions))
        return said.verdict is truth.verdict and said.error_positions == positions
    solution = next(one for one in content.solutions if one.id == key)
    return said.first_error(n_steps) == solution.first_error
