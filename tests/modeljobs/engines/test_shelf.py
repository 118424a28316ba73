from __future__ import annotations

import threading
from dataclasses import dataclass, field

from modeljobs.engines.shelf import Shelf


@dataclass
class Thing:
    name: str
    closed: list[str]

    def close(self) -> None:
        self.closed.append(self.name)


@dataclass
class Workshop:
    """Makes things and notes which were made and closed."""

    shelf: Shelf[Thing] = field(default_factory=Shelf)
    made: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def get(self, name: str) -> Thing:
        def make() -> Thing:
            self.made.append(name)
            return Thing(name, self.closed)

        return self.shelf.acquire(name, make)


def test_what_was_loaded_serves_the_next_as_well() -> None:
    shop = Workshop()
    first = shop.get("a")
    shop.shelf.release("a")
    assert shop.get("a") is first
    assert (shop.made, shop.closed) == (["a"], [])


def test_what_nobody_uses_makes_room_for_another() -> None:
    shop = Workshop()
    shop.get("a")
    shop.shelf.release("a")
    shop.get("b")
    assert shop.closed == ["a"]


def test_what_is_in_use_is_not_closed() -> None:
    shop = Workshop()
    shop.get("a")
    shop.get("b")
    shop.shelf.clear()
    assert shop.closed == []
    shop.shelf.release("a")
    shop.shelf.clear()
    assert shop.closed == ["a"]


def test_a_broken_one_goes_with_its_last_user() -> None:
    shop = Workshop()
    shop.get("a")
    shop.get("a")
    shop.shelf.release("a", discard=True)
    assert shop.closed == []
    shop.shelf.release("a", discard=True)
    assert shop.closed == ["a"]
    shop.get("a")
    assert shop.made == ["a", "a"]


def test_a_failure_to_make_leaves_nothing_behind() -> None:
    shop = Workshop()

    def fail() -> Thing:
        raise ValueError("no memory")

    for _ in range(2):
        try:
            shop.shelf.acquire("a", fail)
        except ValueError:
            continue
    assert shop.get("a").name == "a"


def test_two_at_once_make_one() -> None:
    shop = Workshop()
    threads = [threading.Thread(target=shop.get, args=("a",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shop.made == ["a"]
