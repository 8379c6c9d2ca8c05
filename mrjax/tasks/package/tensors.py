"""Named arrays in the safetensors format, which holds numbers and cannot hold code.

The header is checked before the loader sees it, since a few bytes can declare any size.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mrjax.runs import jsonfile

_TYPES = {"F32": 4, "F64": 8, "C64": 8, "I32": 4}
"""Types that packages use -> bytes of an element."""
_LONGEST_HEADER = 2**20
_MOST_TENSORS = 4096
_MOST_AXES = 8


def dump(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Write arrays; equal arrays give equal bytes.

    Args:
        arrays: name -> float32, float64, complex64 or int32, any shape.
    """
    import safetensors.numpy

    return safetensors.numpy.save({k: np.asarray(v, order="C") for k, v in arrays.items()})


def load(content: bytes) -> dict[str, np.ndarray]:
    """Read arrays.

    Args:
        content: bytes of a file.

    Returns:
        Name -> array, in the order of the names.

    Raises:
        ValueError: it is no such file, or holds other types, gaps or a text; the message says what
            was expected.
    """
    import safetensors
    import safetensors.numpy

    _check_header(content)
    try:
        found = safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise ValueError("a safetensors file") from error
    return {name: found[name] for name in sorted(found)}


def _check_header(content: bytes) -> None:
    """Compare what the header declares with the bytes that follow it."""
    length = int.from_bytes(content[:8], "little")
    _require(8 + length <= len(content) and length <= _LONGEST_HEADER, "a header that is there")
    header = jsonfile.parse(content[8 : 8 + length])
    _require(isinstance(header, dict) and len(header) <= _MOST_TENSORS, "a list of tensors")
    compact = json.dumps(header, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    _require(compact.encode() == content[8 : 8 + length].rstrip(b" "), "each name once")
    spans = sorted(_span(name, entry) for name, entry in header.items())
    end = 0
    for first, last in spans:
        _require(first == end, "tensors without gaps")
        end = last
    _require(8 + length + end == len(content), "as many bytes as the header declares")


def _span(name: str, entry: Any) -> tuple[int, int]:
    """The first byte of a tensor and that after its last one."""
    _require(
        isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"}, "tensors"
    )
    shape, offsets = entry["shape"], entry["data_offsets"]
    width = _TYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    _require(width is not None, f"one of {', '.join(_TYPES)} in {name[:60]!a}")
    _require(_are_counts(shape) and len(shape) <= _MOST_AXES, f"a shape in {name[:60]!a}")
    _require(_are_counts(offsets) and len(offsets) == 2, f"two offsets in {name[:60]!a}")
    size = math.prod(shape) * (width or 0)
    _require(offsets[1] - offsets[0] == size, f"the size of its shape in {name[:60]!a}")
    return offsets[0], offsets[1]


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(map(jsonfile.is_count, values))


def _require(good: bool, expected: str) -> None:
    if not good:
        raise ValueError(expected)
