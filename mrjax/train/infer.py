"""Whole-volume inference for volumes of any size."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Network = Callable[[np.ndarray], np.ndarray]


def padding(shape: tuple[int, ...], multiple: int) -> tuple[tuple[int, int], ...]:
    """Return how many voxels to add before and after each axis to reach a multiple.

    Args:
        shape: spatial axes.
        multiple: what each axis must be divisible by, 2^levels of the network.

    Returns:
        (before, after) per axis; the odd voxel goes after.
    """
    missing = [-n % multiple for n in shape]
    return tuple((m // 2, m - m // 2) for m in missing)


def whole(apply: Network, volume: np.ndarray, multiple: int) -> np.ndarray:
    """Apply a network to a whole volume, padded with zeros as the network needs and cropped back.

    Args:
        apply: (1, *padded, c) to (1, *padded, 1).
        volume: (*space, c), any size.
        multiple: divisor of the network's spatial axes.

    Returns:
        (*space,).
    """
    margins = padding(volume.shape[:-1], multiple)
    padded = np.pad(volume, (*margins, (0, 0)))
    result = np.asarray(apply(padded[None]))[0, ..., 0]
    inside = tuple(
        slice(before, before + n) for (before, _), n in zip(margins, volume.shape[:-1], strict=True)
    )
    return result[inside]


def one_of_each(items: Sequence[T], kind: Callable[[T], Hashable]) -> list[T]:
    """Return the first item of every kind, such as a volume of every shape."""
    return list({kind(item): item for item in reversed(items)}.values())
