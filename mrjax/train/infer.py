"""Inference on whole volumes of any size."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Network = Callable[[np.ndarray], np.ndarray]


def padding(shape: tuple[int, ...], multiple: int) -> tuple[tuple[int, int], ...]:
    """Return how many voxels to add before and after each axis to reach a multiple.

    Args:
        shape: lengths of the spatial axes.
        multiple: divisor that each padded axis must have, 2^levels of the network.

    Returns:
        (before, after) for each axis; of an odd number one voxel more is added after.
    """
    missing = [-n % multiple for n in shape]
    return tuple((m // 2, m - m // 2) for m in missing)


def whole(apply: Network, volume: np.ndarray, multiple: int) -> np.ndarray:
    """Apply a network to a whole volume, which is padded with zeros before and cropped after.

    Args:
        apply: the network, from (1, *padded, c) to (1, *padded, 1).
        volume: input (*space, c) of any size.
        multiple: divisor that the network needs of the spatial axes.

    Returns:
        The output (*space,).
    """
    margins = padding(volume.shape[:-1], multiple)
    padded = np.pad(volume, (*margins, (0, 0)))
    result = np.asarray(apply(padded[None]))[0, ..., 0]
    inside = tuple(
        slice(before, before + n) for (before, _), n in zip(margins, volume.shape[:-1], strict=True)
    )
    return result[inside]


def one_of_each(items: Sequence[T], kind: Callable[[T], Hashable]) -> list[T]:
    """Return the first item of each kind, for instance one volume of each shape."""
    return list({kind(item): item for item in reversed(items)}.values())
