from __future__ import annotations

import numpy as np

from modeljobs.tiny.threads import use_one_thread


def test_products_are_the_same_in_one_thread() -> None:
    left = np.arange(200 * 300, dtype=np.float64).reshape(200, 300) % 7
    before = left @ left.T
    use_one_thread()
    # Whole numbers: no rounding hides a difference.
    assert (left @ left.T == before).all()


def test_asking_twice_gives_the_same_answer() -> None:
    assert use_one_thread() is use_one_thread()
