"""Keeps numpy's matrix products in the thread that asks for them."""

from __future__ import annotations

import contextlib
import ctypes
from functools import lru_cache
from pathlib import Path

import numpy as np

# OpenBLAS as numpy's wheels bundle it, with and without 64-bit indices, by its own names.
SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)


@lru_cache(maxsize=1)
def use_one_thread() -> bool:
    """Make numpy's OpenBLAS work in one thread, in the whole process; False where there is none.

    The tiny models' products are so small that its threads wait for each other most of the time:
    on two busy cores a review took fifty times as long with them.
    """
    folder = Path(np.__file__).resolve().parent
    places = (folder.parent / "numpy.libs", folder / ".dylibs")
    for path in sorted(path for place in places for path in place.glob("*openblas*")):
        with contextlib.suppress(OSError):
            # It is loaded already: this is another handle on the same library.
            library = ctypes.CDLL(str(path))
            for name in SETTERS:
                if hasattr(library, name):
                    getattr(library, name)(ctypes.c_int(1))
                    return True
    return False
