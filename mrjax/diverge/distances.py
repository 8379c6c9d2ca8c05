"""How far two tensors lie apart: in units in the last place, and relative to their norm.

One unit in the last place is the step from a floating-point number to the next; the distance of two
numbers is the count of such steps between them, the same for numbers of any size. Integers are
apart by their difference.
"""

import dataclasses
import math
import re
from typing import Any

import numpy as np

from mrjax.diverge.evidence import SUMS, Evidence, positions

_EXPONENT = {
    "float16": 0x7C00,
    "bfloat16": 0x7F80,
    "float32": 0x7F800000,
    "float64": 0x7FF0000000000000,
}
"""Bits of the exponent, which are all set in infinity and NaN."""
_REAL = {"complex64": "float32", "complex128": "float64"}
_SIZES = {"bool": 1, "bfloat16": 2}
EPSILON = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-23, "float64": 2**-52}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Element:
    """One element that differs.

    Attributes:
        place: index along each axis; of complex numbers, the last axis has both parts.
        values: in both tensors.
        ulp: units in the last place between them; None if one is not finite.
    """

    place: tuple[int, ...]
    values: tuple[float, float]
    ulp: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Distance:
    """How far two tensors of one type and shape lie apart.

    Attributes:
        type: of both, such as ``float32[1,8]``.
        whole: whether all elements were compared; else `seen` of them were, at fixed places.
        seen: elements compared.
        unequal: how many of these differ in a bit.
        ulp: the largest distance among them in units in the last place; None if none is finite.
        relative: norm of the difference over that of the first tensor; estimated within about a
            quarter where not `whole`; None if not known.
        elements: the largest differences among `seen`, the largest one first.
    """

    type: str
    whole: bool
    seen: int
    unequal: int
    ulp: int | None
    relative: float | None
    elements: tuple[Element, ...]

    @property
    def steps(self) -> float | None:
        """`relative` in units of the type's relative precision; None for integers."""
        epsilon = EPSILON.get(real(self.type))
        return None if self.relative is None or epsilon is None else self.relative / epsilon


def estimated(one: Evidence, other: Evidence) -> Distance | None:
    """Return the distance of two tensors of which only evidence was kept.

    Returns:
        None if they differ in type or shape, or the evidence is not of such a tensor.
    """
    shape, name = shape_of(one[0]), real(one[0])
    size = math.prod(shape)
    a, b = (_decoded(name, text) for text in (one[1], other[1]))
    sums = [np.frombuffer(bytes.fromhex(text), "<f8") for text in (one[2], other[2]) if _even(text)]
    if one[0] != other[0] or a is None or b is None or size >= 1 << 60:
        return None
    places = positions(size)
    if not len(a) == len(b) == len(places) or [len(s) for s in sums] != [SUMS, SUMS]:
        return None
    return Distance(
        type=one[0],
        whole=size == len(places),
        seen=len(places),
        relative=_relative(np.linalg.norm(sums[1] - sums[0]), np.linalg.norm(sums[0])),
        **_compared(name, shape, places, a, b),
    )


def whole(kind: str, one: np.ndarray, other: np.ndarray) -> Distance:
    """Return the distance of two tensors whose values are known.

    Args:
        kind: type and shape as in a trace.
        one: the tensor; types that numpy lacks as unsigned integers of their bits.
        other: of the same type and shape.
    """
    name, shape = real(kind), shape_of(kind)
    bits = [bits_of(array) for array in (one, other)]
    values = [_values(name, array) for array in bits]
    with np.errstate(all="ignore"):
        finite = np.isfinite(values[0]) & np.isfinite(values[1])
        norms = [np.linalg.norm(array[finite]) for array in (values[1] - values[0], values[0])]
    places = range(math.prod(shape))
    return Distance(
        type=kind,
        whole=True,
        seen=len(places),
        relative=_relative(*norms),
        **_compared(name, shape, places, *bits),
    )


def real(kind: str) -> str:
    """Return the type of the real numbers that a tensor consists of."""
    name = kind.partition("[")[0]
    return _REAL.get(name, name)


def shape_of(kind: str) -> tuple[int, ...]:
    """Return the shape in reals: complex numbers have one more axis of two."""
    lengths = kind.partition("[")[2].rstrip("]")
    shape = tuple(map(int, lengths.split(","))) if lengths else ()
    return (*shape, 2) if kind.startswith("complex") else shape


def ulps(name: str, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the units in the last place between elements, as uint64.

    Args:
        name: type of the elements.
        one: their bits, as unsigned integers.
        other: likewise.
    """
    a, b = _ordered(name, one), _ordered(name, other)
    return np.maximum(a, b) - np.minimum(a, b)


def _ordered(name: str, bits: np.ndarray) -> np.ndarray:
    """Map bits to unsigned integers in the order of the numbers; both zeros become one."""
    wide = bits.astype(np.uint64)
    if name.startswith(("uint", "bool")):
        return wide
    sign = np.uint64(1 << 8 * bits.dtype.itemsize - 1)
    negative, size = (wide & sign) != 0, wide & (sign - np.uint64(1))
    if name.startswith("int"):
        return np.where(negative, size, size + sign)
    return np.where(negative, sign - size, sign + size)


def _compared(
    name: str, shape: tuple[int, ...], places: Any, one: np.ndarray, other: np.ndarray
) -> dict[str, Any]:
    unequal = np.flatnonzero(one != other)
    mask = _EXPONENT.get(name)
    bits = [array[unequal] for array in (one, other)]
    finite = np.ones(unequal.size, bool)
    if mask is not None:
        finite = np.all([(array & mask) != mask for array in bits], axis=0)
    apart = ulps(name, *bits)
    order = np.lexsort((unequal, -apart.astype(np.float64), ~finite))[:8]
    values = [_values(name, array[order]) for array in bits]
    elements = [
        Element(
            place=tuple(int(i) for i in np.unravel_index(places[unequal[where]], shape)),
            values=(float(values[0][k]), float(values[1][k])),
            ulp=int(apart[where]) if finite[where] else None,
        )
        for k, where in enumerate(order)
    ]
    largest = int(apart[finite].max()) if finite.any() else None
    if not unequal.size:
        largest = 0
    return {"unequal": int(unequal.size), "ulp": largest, "elements": tuple(elements)}


def _relative(difference: Any, norm: Any) -> float | None:
    with np.errstate(all="ignore"):
        ratio = float(difference) / float(norm) if norm else (math.inf if difference else 0.0)
    return ratio if math.isfinite(ratio) else None


def _width(name: str) -> int:
    """Bytes of an element; 0 for an unknown type."""
    found = re.fullmatch(r"(?:u?int|float)(8|16|32|64)(?:_\w+)?", name)
    return int(found[1]) // 8 if found else _SIZES.get(name, 0)


def _even(text: str) -> bool:
    return len(text) % 16 == 0


def _decoded(name: str, text: str) -> np.ndarray | None:
    """Return the bits of elements as unsigned integers; None if the text is not of that type."""
    width = _width(name)
    if not width or len(text) % (2 * width):
        return None
    return np.frombuffer(bytes.fromhex(text), f"<u{width}")


def bits_of(array: np.ndarray) -> np.ndarray:
    """Return the bits of all elements as unsigned integers, complex numbers as pairs of reals."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if np.iscomplexobj(flat):
        flat = flat.view(np.real(flat).dtype)
    return flat.view(f"u{flat.dtype.itemsize}")


def _values(name: str, bits: np.ndarray) -> np.ndarray:
    """Return elements as float64, from their bits; of types unknown to numpy, the bits."""
    if name == "bfloat16":
        return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    known = bits.view(name) if re.fullmatch(r"float(16|32|64)|int\d+", name) else bits
    return known.astype(np.float64)
