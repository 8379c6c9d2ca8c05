"""Metrics of reconstructed images over held-out slices."""

from collections.abc import Mapping, Sequence

import numpy as np

from mrjax import metrics
from mrjax.arrays import SenseSlice
from mrjax.tasks import records
from mrjax.tasks.multicoil.slices import largest_of_volumes, volume

METRICS = ("nrmse", "ssim", "psnr", "ssim_fastmri")
Images = Mapping[str, np.ndarray]


def table(
    images: Sequence[Images], slices: Sequence[SenseSlice]
) -> dict[str, dict[str, list[float]]]:
    """Return the metrics of every method's magnitude images, over the whole slice.

    Args:
        images: for each slice, method -> complex image [row column].
        slices: the slices in the same order; a slice without a reference is left out.

    Returns:
        method -> metric -> one value for each slice: psnr in dB, the others as fractions.
    """
    largest = largest_of_volumes(slices)
    return records.by_method(
        {
            method: _judge(np.abs(image), np.abs(one.reference), largest[volume(one)])
            for method, image in found.items()
        }
        for found, one in zip(images, slices, strict=True)
        if one.reference is not None
    )


def _judge(image: np.ndarray, reference: np.ndarray, largest: float) -> dict[str, float]:
    everywhere = np.ones(reference.shape, bool)
    found = {
        k: getattr(metrics, k)(image, reference, everywhere) for k in ("nrmse", "ssim", "psnr")
    }
    return found | {"ssim_fastmri": metrics.ssim_fastmri(image, reference, largest)}
