"""Metrics of susceptibility maps over held-out subjects."""

from collections.abc import Mapping, Sequence

import numpy as np

from mrjax import metrics
from mrjax.arrays import QsmSubject
from mrjax.tasks import records

METRICS = ("nrmse", "ssim", "psnr", "hfen", "xsim")
Maps = Mapping[str, np.ndarray]


def evaluate(chi: np.ndarray, subject: QsmSubject) -> dict[str, float]:
    """Compare one map with its subject's reference.

    A field determines a susceptibility map up to a constant, so the in-mask mean of both maps is
    subtracted first.

    Args:
        chi: susceptibility [x y z], [ppm].
        subject: a subject with a reference.

    Returns:
        nrmse, ssim, hfen and xsim as fractions, psnr in dB.

    Raises:
        ValueError: the subject has no reference.
    """
    if subject.chi is None:
        raise ValueError(f"subject {subject.name} has no reference")
    mask = subject.mask
    found, truth = demeaned(chi, mask), demeaned(subject.chi, mask)
    return {
        "nrmse": metrics.nrmse(chi, subject.chi, mask, demean=True),
        "ssim": metrics.ssim(found, truth, mask),
        "psnr": metrics.psnr(found, truth, mask),
        "hfen": metrics.hfen(found, truth, mask),
        "xsim": metrics.xsim(found, truth, mask),
    }


def table(maps: Sequence[Maps], subjects: Sequence[QsmSubject]) -> dict[str, dict[str, list]]:
    """Return the metrics of every method on every subject that has a reference.

    Args:
        maps: for each subject, method -> map [ppm].
        subjects: the subjects in the same order.

    Returns:
        method -> metric -> one value for each subject.
    """
    return records.by_method(
        {method: evaluate(chi, subject) for method, chi in found.items()}
        for found, subject in zip(maps, subjects, strict=True)
        if subject.chi is not None
    )


def demeaned(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a map less its mean over the mask, zero outside the mask."""
    wide = np.asarray(x, np.float64)
    return np.where(mask, wide - wide[mask].mean(), 0.0)
