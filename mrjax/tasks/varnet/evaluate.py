"""Metrics of VarNet's images over held-out slices."""

from collections.abc import Mapping, Sequence

import numpy as np

from mrjax import metrics
from mrjax.arrays import SenseSlice

METRICS = ("nrmse", "ssim", "psnr")
Images = Mapping[str, np.ndarray]


def table(
    images: Sequence[Images], slices: Sequence[SenseSlice]
) -> dict[str, dict[str, list[float]]]:
    """Metrics of magnitude images, over the whole slice, of every method.

    Args:
        images: per slice, method to complex image [row column].
        slices: in the same order; those without a reference are left out.

    Returns:
        method -> metric -> one value a slice: nrmse and ssim as fractions, psnr in dB.
    """
    rows = [
        {method: _judge(np.abs(image), np.abs(one.reference)) for method, image in found.items()}
        for found, one in zip(images, slices, strict=True)
        if one.reference is not None
    ]
    methods = rows[0] if rows else {}
    return {m: {k: [row[m][k] for row in rows] for k in METRICS} for m in methods}


def _judge(image: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    everywhere = np.ones(reference.shape, bool)
    return {k: getattr(metrics, k)(image, reference, everywhere) for k in METRICS}
