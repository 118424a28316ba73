"""Reading and writing of safetensors files: a header's length, the header as JSON, raw numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# No file of ours comes near it; a length beyond it is no safetensors file.
HEADER_LIMIT = 1_000_000
DTYPES: dict[str, np.dtype[np.floating[Any]]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}


def read_safetensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The tensors by name, as float32; ValueError where the file is not of this format."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or length > min(HEADER_LIMIT, len(raw) - 8):
        raise ValueError(f"{path.name} is no safetensors file: its header does not fit into it.")
    header: dict[str, Any] = json.loads(raw[8 : 8 + length])
    body = raw[8 + length :]
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype = DTYPES.get(entry["dtype"])
        if dtype is None:
            raise ValueError(f"{path.name} holds {entry['dtype']} numbers in {name!r}.")
        begin, end = entry["data_offsets"]
        made = np.frombuffer(body[begin:end], dtype=dtype).astype(np.float32)
        tensors[name] = made.reshape(entry["shape"])
    return tensors


def write_safetensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Store the tensors as float16, in the order of their names."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    parts: list[bytes] = []
    position = 0
    for name in sorted(tensors):
        part = np.ascontiguousarray(tensors[name], dtype="<f2").tobytes()
        header[name] = {
            "dtype": "F16",
            "shape": list(tensors[name].shape),
            "data_offsets": [position, position + len(part)],
        }
        parts.append(part)
        position += len(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    # The numbers begin at a multiple of eight bytes.
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))
