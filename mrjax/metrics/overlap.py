"""Overlap of two masks."""

import numpy as np

from mrjax.errors import UserError
from mrjax.metrics.checks import Image


def dice(x: Image, reference: Image) -> float:
    """Dice overlap of two binary masks, 2 |A and B| / (|A| + |B|).

    Args:
        x: mask A to judge; nonzero voxels are inside.
        reference: mask B of the same shape.

    Returns:
        A fraction: 1 for equal masks, 0 for disjoint ones.

    Raises:
        UserError: both masks are empty.
        ValueError: shapes differ.

    Source: Dice, Ecology 26:297 (1945).
    """
    x, reference = np.asarray(x).astype(bool), np.asarray(reference).astype(bool)
    if x.shape != reference.shape:
        raise ValueError(f"shapes differ: {x.shape=}, {reference.shape=}")
    total = int(x.sum()) + int(reference.sum())
    if total == 0:
        raise UserError(
            "both masks are empty, so their overlap is not defined; "
            "expected at least one voxel in one of them; check the segmentations"
        )
    return 2.0 * int((x & reference).sum()) / total
