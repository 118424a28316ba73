from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from modeljobs.tiny.safetensors_file import read_safetensors, write_safetensors


def test_it_works(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    write_safetensors(path, {"b": np.array([[1.5, -2.0]]), "a": np.array([0.25])})
    read = read_safetensors(path)
    assert {name: tensor.tolist() for name, tensor in read.items()} == {
        "a": [0.25],
        "b": [[1.5, -2.0]],
    }
    assert all(tensor.dtype == np.float32 for tensor in read.values())


@pytest.mark.parametrize("raw", [b"", b"abc", b"\xff" * 16, (100).to_bytes(8, "little") + b"{}"])
def test_another_kind_of_file_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "one.safetensors"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="no safetensors file"):
        read_safetensors(path)


def test_numbers_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    header = json.dumps({"a": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(ValueError, match="holds I64 numbers in 'a'"):
        read_safetensors(path)


@pytest.mark.models
def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    path = tmp_path / "one.safetensors"
    write_safetensors(path, {"a": np.array([[0.5, 1.0], [2.0, 4.0]])})
    assert load_file(path)["a"].tolist() == [[0.5, 1.0], [2.0, 4.0]]
