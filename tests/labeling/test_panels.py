"""The registry of evidence panels: labelling reads it, and knows nothing of who fills it."""

from __future__ import annotations

import pytest
from django.utils.safestring import SafeString

from labeling import panels
from labeling.models import Project, Solution, User


class FakePanel:
    """A panel with something on the solutions it is given."""

    def __init__(self, name: str, known: set[int] | None = None) -> None:
        self.name = name
        self.title = name.title()
        self.known = known or set()

    def has_evidence(self, *, solution_id: int) -> bool:
        return solution_id in self.known

    def find_open_url(self, *, assignment_id: int) -> str:
        return f"/fake/{assignment_id}/"

    def find_solution_url(self, *, solution_id: int) -> str:
        return f"/fake/solutions/{solution_id}/"

    def render_solution(self, *, solution: Solution, user: User) -> SafeString:
        return SafeString("")


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "_panels", {})
    monkeypatch.setattr(panels, "_equalities", [])


def test_panels_come_in_the_order_of_their_registration():
    first, second = FakePanel("rollouts"), FakePanel("critic")
    panels.register(first)
    panels.register(second)
    assert panels.list_panels() == [first, second]


def test_the_same_panel_twice_is_one():
    panel = FakePanel("critic")
    panels.register(panel)
    panels.register(panel)
    assert panels.list_panels() == [panel]


def test_two_panels_of_one_name_are_a_mistake():
    panels.register(FakePanel("critic"))
    with pytest.raises(ValueError, match="already an evidence panel named 'critic'"):
        panels.register(FakePanel("critic"))


def test_a_panel_is_found_where_it_has_something():
    knowing, silent = FakePanel("critic", {7}), FakePanel("rollouts", {8})
    panels.register(knowing)
    panels.register(silent)
    assert panels.find_panels(solution_id=7) == [knowing]
    assert panels.find_panels(solution_id=9) == []


def test_a_panel_can_be_forgotten():
    panels.register(FakePanel("critic"))
    panels.unregister("critic")
    panels.unregister("critic")
    assert panels.list_panels() == []


# --- Equalities -----------------------------------------------------------------------------------


class FakeDesk:
    """Somebody who checks equalities."""

    def find_assignment_url(self, *, assignment_id: int) -> str:
        return f"/fake/{assignment_id}/"

    def find_item_url(self, *, item_id: int) -> str:
        return f"/fake/items/{item_id}/"

    def may_ask(self, *, user: User, project: Project) -> bool:
        return True


def test_nobody_checks_equalities_until_somebody_says_so():
    assert panels.find_equalities() is None
    desk = FakeDesk()
    panels.register_equalities(desk)
    panels.register_equalities(desk)
    assert panels.find_equalities() is desk


def test_two_who_check_equalities_are_a_mistake():
    panels.register_equalities(FakeDesk())
    with pytest.raises(ValueError, match="already"):
        panels.register_equalities(FakeDesk())
