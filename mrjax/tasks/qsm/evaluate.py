"""Metrics of susceptibility maps over held-out subjects."""

from collections.abc import Mapping, Sequence

import numpy as np

from mrjax import metrics
from mrjax.arrays import QsmSubject

METRICS = ("nrmse", "ssim", "psnr", "hfen")
Maps = Mapping[str, np.ndarray]


def evaluate(chi: np.ndarray, subject: QsmSubject) -> dict[str, float]:
    """Compare one map with its subject's reference.

    A susceptibility map is known up to a constant, so both maps lose their in-mask mean first.

    Args:
        chi: [x y z], [ppm].
        subject: with a reference.

    Returns:
        nrmse, ssim and hfen as fractions, psnr in dB.

    Raises:
        ValueError: if the subject has no reference.
    """
    if subject.chi is None:
        raise ValueError(f"subject {subject.name} has no reference")
    mask = subject.mask
    found, truth = _demeaned(chi, mask), _demeaned(subject.chi, mask)
    return {
        "nrmse": metrics.nrmse(chi, subject.chi, mask, demean=True),
        "ssim": metrics.ssim(found, truth, mask),
        "psnr": metrics.psnr(found, truth, mask),
        "hfen": metrics.hfen(found, truth, mask),
    }


def table(maps: Sequence[Maps], subjects: Sequence[QsmSubject]) -> dict[str, dict[str, list]]:
    """Metrics of every method on every subject that has a reference.

    Args:
        maps: per subject, method to map [ppm].
        subjects: in the same order.

    Returns:
        method -> metric -> one value per subject.
    """
    rows = [
        {method: evaluate(chi, subject) for method, chi in found.items()}
        for found, subject in zip(maps, subjects, strict=True)
        if subject.chi is not None
    ]
    methods = rows[0] if rows else {}
    return {m: {k: [row[m][k] for row in rows] for k in METRICS} for m in methods}


def _demeaned(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    wide = np.asarray(x, np.float64)
    return np.where(mask, wide - wide[mask].mean(), 0.0)
