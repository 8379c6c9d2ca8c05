"""How far the results of a step that was taken again lie apart."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mrjax.diverge import distances
from mrjax.diverge.retake.comparison import Pair
from mrjax.diverge.retake.record import VALUES


@dataclasses.dataclass(frozen=True)
class Distance:
    """How far two results lie apart.

    Attributes:
        unequal: number of elements that differ.
        elements: number of elements.
        ulp: largest distance in units in the last place; None where a result is not of floats.
        usual: median of this distance over the elements that differ.
        largest: largest absolute difference.
        relative: norm of the difference over the norm of the first.
    """

    unequal: int
    elements: int
    ulp: int | None
    usual: float | None
    largest: float
    relative: float


class Values:
    """The results of two records."""

    def __init__(self, a: Path, b: Path) -> None:
        """Open the files in the folders of both records."""
        self._files = [np.load(folder / VALUES) for folder in (a, b)]

    def distance(self, pair: Pair, types: Sequence[str]) -> Distance | None:
        """Return the largest distance among the results of an operation; None if not kept.

        Args:
            pair: places of the operation.
            types: of its results.
        """
        found = [distance(one, other, kind) for one, other, kind in self._arrays(pair, types)]
        return max(found, key=lambda one: one.relative, default=None)

    def _arrays(
        self, pair: Pair, types: Sequence[str]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
        a, b = self._files
        for number, kind in enumerate(types):
            one, other = (f"{place}_{number}" for place in pair)
            if one in a and other in b:
                yield a[one], b[other], kind


def distance(a: np.ndarray, b: np.ndarray, kind: str = "") -> Distance:
    """Measure how far two arrays of one type and shape lie apart; NaN equals NaN.

    Args:
        a: an array, of a type that NumPy lacks its bits.
        b: another one.
        kind: the type, such as ``bfloat16[8]``; "": that of the array.
    """
    name = distances.real(kind or a.dtype.name)
    apart = _ulps(name, a, b)
    a, b = (_real(decoded(x, kind)) for x in (a, b))
    same = (a == b) | ((a != a) & (b != b))
    wide = [x.astype(np.float64) for x in (a, b)]
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.where(same, 0, np.abs(wide[0] - wide[1]))
        norm = float(np.linalg.norm(wide[0][np.isfinite(wide[0])]))
    return Distance(
        unequal=int(np.count_nonzero(~same)),
        elements=a.size,
        ulp=None if apart is None else int(apart.max(initial=0)),
        usual=None if apart is None or same.all() else float(np.median(apart[~same.ravel()])),
        largest=float(gap.max(initial=0)),
        relative=float(np.linalg.norm(gap)) / norm if norm else float(np.linalg.norm(gap)),
    )


def decoded(array: np.ndarray, kind: str) -> np.ndarray:
    """Return an array of a record; numbers of a type that NumPy lacks as float32."""
    if distances.real(kind) != "bfloat16":
        return array
    return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def _real(x: np.ndarray) -> np.ndarray:
    """Return complex numbers as pairs of real ones."""
    if not np.iscomplexobj(x):
        return x
    return np.ascontiguousarray(x).reshape(-1).view(f"f{x.dtype.itemsize // 2}")


def _ulps(name: str, a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """Return the units in the last place between each two floats; None for other types."""
    if name not in distances.EPSILON:
        return None
    return distances.ulps(name, *map(distances.bits_of, (a, b)))
