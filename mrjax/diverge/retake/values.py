"""How far the results of a step that was taken again lie apart."""

import dataclasses
from collections.abc import Iterator
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

    def distance(self, pair: Pair) -> Distance | None:
        """Return the largest distance among the results of an operation; None if not kept."""
        found = [distance(*one) for one in self._arrays(pair)]
        return max(found, key=lambda one: one.relative, default=None)

    def _arrays(self, pair: Pair) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        number = 0
        while all(f"{p}_{number}" in f for f, p in zip(self._files, pair, strict=True)):
            one, other = (f[f"{p}_{number}"] for f, p in zip(self._files, pair, strict=True))
            yield one, other
            number += 1


def distance(a: np.ndarray, b: np.ndarray) -> Distance:
    """Measure how far two arrays of one type and shape lie apart; NaN equals NaN."""
    a, b = (_real(x) for x in (a, b))
    same = (a == b) | ((a != a) & (b != b))
    wide = [x.astype(np.float64) for x in (a, b)]
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.where(same, 0, np.abs(wide[0] - wide[1]))
        norm = float(np.linalg.norm(wide[0][np.isfinite(wide[0])]))
    apart = _ulps(a, b)
    return Distance(
        unequal=int(np.count_nonzero(~same)),
        elements=a.size,
        ulp=None if apart is None else int(apart.max(initial=0)),
        usual=None if apart is None or same.all() else float(np.median(apart[~same])),
        largest=float(gap.max(initial=0)),
        relative=float(np.linalg.norm(gap)) / norm if norm else float(np.linalg.norm(gap)),
    )


def _real(x: np.ndarray) -> np.ndarray:
    """Return complex numbers as pairs of real ones."""
    if not np.iscomplexobj(x):
        return x
    return np.ascontiguousarray(x).reshape(-1).view(f"f{x.dtype.itemsize // 2}")


def _ulps(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """Return the units in the last place between each two floats; None for other types."""
    if a.dtype.kind != "f":
        return None
    return distances.ulps(a.dtype.name, *map(distances.bits_of, (a, b))).reshape(a.shape)
