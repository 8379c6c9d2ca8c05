r"""Digests of named arrays: a sha256, and a 64-bit fingerprint that a device can compute.

Both depend on contents only, never on files, so two programs that hold the same numbers agree.
Arrays have names such as ``params/conv/kernel``; their order in the mapping does not matter.

Content digest (64 hex digits, `content`)
    sha256 over the arrays in order of their names (compared as UTF-8 bytes). Each contributes
    ``<name>\n<dtype>\n<shape>\n`` in UTF-8 and then its elements in C order, little endian.
    ``<dtype>`` is numpy's name (``float32``, ``bfloat16``, ``uint8``, ``bool``), ``<shape>`` the
    lengths joined by commas, empty for a scalar. A bool is one byte, 0 or 1.

Fingerprint (unsigned 64-bit integer, 16 hex digits in the ledger, `fingerprint`)
    Over all elements of all arrays, all arithmetic modulo 2^64, the sum of::

        mix(seed + index * 0x9E3779B97F4A7C15 + bits * 0xD1342543DE82EF95)

        mix(z): z = (z xor (z >> 30)) * 0xBF58476D1CE4E5B9
                z = (z xor (z >> 27)) * 0x94D049BB133111EB
                z xor (z >> 31)

    ``seed`` is the first 8 bytes of sha256(name in UTF-8), little endian; ``index`` the element's
    place in C order, from 0; ``bits`` its bits as an unsigned integer of its own width (a bool is
    0 or 1; a complex number is two elements, real then imaginary). A sum of integers does not
    depend on its order, so any device, thread count or sharding gives the same value. The value
    depends on names, places and bits, but not on dtype or shape beyond these.

Test vectors, for the one array ``w`` = [1.0, -2.5] in float32:
    content      dd966f7db3e723a03a0dd51342682f2e7fd6464f0edacd1350dfc0cd05c3990b
    fingerprint  fe1f09e5ea221986
"""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

INDEX_FACTOR = 0x9E3779B97F4A7C15
BITS_FACTOR = 0xD1342543DE82EF95
MIX_STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
MIX_LAST = 31

_BLOCK = 1 << 20


def content(arrays: Mapping[str, np.ndarray]) -> str:
    """Sha256 of names, dtypes, shapes and elements, by the rule at the top of this module.

    Args:
        arrays: name -> array of numbers or bools, any shape.

    Returns:
        64 hex digits.

    Raises:
        ValueError: an array holds something other than numbers, or a name holds a line break.
    """
    total = hashlib.sha256()
    for name in sorted(arrays, key=lambda name: name.encode("utf-8")):
        array = _checked(name, arrays[name])
        shape = ",".join(str(length) for length in array.shape)
        total.update(f"{name}\n{array.dtype.name}\n{shape}\n".encode())
        total.update(_unsigned(array).data)
    return total.hexdigest()


def fingerprint(arrays: Mapping[str, np.ndarray]) -> int:
    """64-bit digest for the ledger, by the rule at the top of this module.

    `mrjax.numerics.fingerprint` computes the same value on a device. The digest finds differences,
    but it does not protect against someone who wants two arrays to agree.

    Args:
        arrays: name -> array of numbers or bools, any shape.

    Returns:
        An integer in [0, 2^64).

    Raises:
        ValueError: an array holds something other than numbers, or a name holds a line break.
    """
    total = 0
    for name, array in arrays.items():
        total += _array_sum(seed(name), _unsigned(_checked(name, array)))
    return total % (1 << 64)


def seed(name: str) -> int:
    """First 8 bytes of sha256(name), little endian, which tell arrays apart in a fingerprint."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8")).digest()[:8], "little")


def combine(digests: Iterable[str]) -> str:
    """Combine digests, in their order, into one: sha256 over each with a line feed after it.

    Args:
        digests: content digests, for instance those of the children of a run.

    Returns:
        64 hex digits.
    """
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


def hex64(value: int) -> str:
    """A fingerprint as the ledger holds it: 16 lower-case hex digits."""
    return f"{int(value) % (1 << 64):016x}"


def _checked(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)
    # Types such as bfloat16 are of kind V, but so are raw bytes and records.
    number = array.dtype.kind in "biufcV" and not array.dtype.name.startswith(("void", "record"))
    if not number or _width(array.dtype) not in (1, 2, 4, 8):
        raise ValueError(f"array {name!r} has dtype {array.dtype}; expected numbers or bools")
    if "\n" in name:
        raise ValueError(f"array name {name!r} holds a line break")
    return array


def _unsigned(array: np.ndarray) -> np.ndarray:
    """The elements' bits, flat in C order, as little-endian unsigned integers."""
    flat = np.ascontiguousarray(array).reshape(-1)
    flat = flat.astype(flat.dtype.newbyteorder("<"), copy=False)
    return flat.view(f"<u{_width(flat.dtype)}")


def _width(dtype: np.dtype) -> int:
    return dtype.itemsize // (2 if dtype.kind == "c" else 1)


def _array_sum(start: int, bits: np.ndarray) -> int:
    total = 0
    offset = np.uint64(start)
    for first in range(0, bits.size, _BLOCK):
        block = bits[first : first + _BLOCK].astype(np.uint64)
        index = np.arange(first, first + block.size, dtype=np.uint64)
        mixed = _mix(block * np.uint64(BITS_FACTOR) + index * np.uint64(INDEX_FACTOR) + offset)
        total += int(mixed.sum(dtype=np.uint64))
    return total


def _mix(value: np.ndarray) -> np.ndarray:
    for shift, factor in MIX_STEPS:
        value = (value ^ (value >> np.uint64(shift))) * np.uint64(factor)
    return value ^ (value >> np.uint64(MIX_LAST))
