"""What a trace keeps of a tensor's values: a few elements, and sums with random signs.

A trace keeps no tensor. From two traces the distance of two tensors is known all the same: exactly
for the elements kept, and estimated for the whole from the sums. The sum over elements with signs
that are pairwise independent has, squared, the expectation of the summed squares (Alon, Matias and
Szegedy, "The space complexity of approximating the frequency moments", 1999, section 2.2), and the
sums of a difference are the differences of the sums.

The rules are those of ``mrjax/recorder/recorder.py``, so that traces of PyTorch and of JAX can be
read by one program. Positions and signs depend on the number of elements alone.
"""

import functools
from typing import Any

import numpy as np

KEPT = 32
"""Elements of a tensor that a trace keeps."""
SUMS = 32
"""Sums of a tensor; the estimate of a norm has a standard deviation of about 1/8."""
_PERIOD = 1 << 16
_PLACE_FACTOR = 0x9E3779B97F4A7C15
_BLOCK_FACTOR = 0xD1342543DE82EF95
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))

Evidence = tuple[str, str, str]
"""Type and shape, bytes of the elements kept in hex, sums in hex."""


def of(array: Any) -> Evidence:
    """Return what a trace keeps of an array.

    Args:
        array: of numbers or bools, of any shape.

    Returns:
        Type and shape such as ``float32[1,8]``; the bytes of up to `KEPT` elements and the `SUMS`
        sums as float64, both in hex and little-endian.
    """
    array = np.asarray(array)
    lengths = ",".join(map(str, array.shape))
    flat = np.ascontiguousarray(array).reshape(-1)
    if np.iscomplexobj(flat):
        flat = flat.view(array.real.dtype)
    kept = flat[positions(flat.size)]
    kept = kept.astype(kept.dtype.newbyteorder("<")) if kept.dtype.isbuiltin == 1 else kept
    return (
        f"{array.dtype}[{lengths}]",
        kept.tobytes().hex(),
        sums(flat).astype("<f8").tobytes().hex(),
    )


def positions(size: int) -> list[int]:
    """Return the places, in C order, of the elements that are kept of `size` elements."""
    if size <= KEPT:
        return list(range(size))
    # Multiples of the golden ratio, modulo 1, lie evenly at any number of them.
    return [((i * _PLACE_FACTOR) % (1 << 64)) * size >> 64 for i in range(1, KEPT + 1)]


def sums(flat: np.ndarray) -> np.ndarray:
    """Return `SUMS` sums of the elements with signs; elements that are not finite count as 0.

    Args:
        flat: real elements [n].
    """
    total, blocks = np.zeros(SUMS), _signs(-(-flat.size // _PERIOD), _BLOCK_FACTOR)
    for sign, first in zip(blocks, range(0, flat.size, _PERIOD), strict=True):
        part = flat[first : first + _PERIOD].astype(np.float64)
        signed = np.zeros(-(-part.size // SUMS) * SUMS)
        signed[: part.size] = np.where(np.isfinite(part), part, 0) * _place_signs()[: part.size]
        total += signed.reshape(-1, SUMS).sum(0) * sign
    return total


@functools.lru_cache(maxsize=1)
def _place_signs() -> np.ndarray:
    return _signs(_PERIOD, _PLACE_FACTOR)


def _signs(number: int, factor: int) -> np.ndarray:
    """1 or -1 for each place, by the highest bit of the mixture of splitmix64."""
    value = np.arange(1, number + 1, dtype=np.uint64) * np.uint64(factor)
    for shift, multiplier in _MIX:
        value = (value ^ value >> np.uint64(shift)) * np.uint64(multiplier)
    return 1.0 - 2.0 * (value >> np.uint64(63)).astype(np.float64)
