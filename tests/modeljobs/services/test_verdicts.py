from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from modeljobs import models
from modeljobs.desk import DatabaseDesk
from modeljobs.methods.answer_checks import AnswerVerdict, VerdictKey
from modeljobs.services.verdicts import StoredVerdicts, find_verdict, name_verdict, store_verdict
from tests.modeljobs.desks import run_beside
from tests.modeljobs.worlds import NOON

KEY = VerdictKey("math_verify", "0.9.0", "x+1", "1+x")
EQUAL = AnswerVerdict(True, "math_verify/0.9.0")

pytestmark = pytest.mark.usefixtures("db")


def test_it_works() -> None:
    store_verdict(KEY, EQUAL, now=NOON)

    assert find_verdict(KEY) == EQUAL
    [row] = models.AnswerVerdict.objects.all()
    assert (row.key, row.checker, row.version) == (name_verdict(KEY), "math_verify", "0.9.0")
    assert (row.answer, row.reference, row.is_equal) == ("x+1", "1+x", True)
    assert row.created_at == NOON


@pytest.mark.parametrize("field", KEY._fields)
def test_another_checker_version_or_pair_has_a_verdict_of_its_own(field: str) -> None:
    store_verdict(KEY, EQUAL, now=NOON)

    assert find_verdict(KEY._replace(**{field: "other"})) is None


def test_answer_and_reference_are_not_exchanged() -> None:
    store_verdict(KEY, EQUAL, now=NOON)

    assert find_verdict(KEY._replace(answer="1+x", reference="x+1")) is None


def test_an_undecided_verdict_keeps_its_reason() -> None:
    open_one = AnswerVerdict(None, "math_verify/0.9.0", "timed_out")
    store_verdict(KEY, open_one, now=NOON)

    assert find_verdict(KEY) == open_one


def test_who_stored_first_is_right() -> None:
    store_verdict(KEY, EQUAL, now=NOON)
    store_verdict(KEY, AnswerVerdict(False, "math_verify/0.9.0"), now=NOON)

    assert find_verdict(KEY) == EQUAL


def test_any_text_can_be_stored() -> None:
    key = KEY._replace(answer="\x00\ud83d" + "é" * 900)
    store_verdict(key, EQUAL, now=NOON)

    assert find_verdict(key) == EQUAL


class CountingDesk(DatabaseDesk):
    """`asked` are the functions that were called."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.asked.append(function.__name__)
        return await super().call(function, *args, **kwargs)


def test_a_run_asks_the_database_once() -> None:
    store_verdict(KEY, EQUAL, now=NOON)
    desk = CountingDesk()
    verdicts = StoredVerdicts(desk=desk, now=lambda: NOON)
    new = KEY._replace(answer="2")

    async def use() -> None:
        assert await verdicts.get(KEY) == EQUAL
        assert await verdicts.get(KEY) == EQUAL
        assert await verdicts.get(new) is None
        await verdicts.put(new, EQUAL)
        assert await verdicts.get(new) == EQUAL

    run_beside(desk, use)

    assert desk.asked == ["find_verdict", "find_verdict", "store_verdict"]
    assert find_verdict(new) == EQUAL
