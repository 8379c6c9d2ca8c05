"""Classical inversions that the network is compared with, tuned on training subjects only."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.metrics import nrmse
from mrjax.physics import inversion

TKD_THRESHOLDS = (0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.5, 0.6)
L2_WEIGHTS = (1e-3, 3e-3, 1e-2, 2e-2, 3e-2, 5e-2, 1e-1, 3e-1)
# Tuning curves are flat near their minimum; more subjects move the choice by at most one value.
SUBJECTS_TO_TUNE_ON = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tuned:
    """Parameters of the classical inversions.

    Attributes:
        tkd_threshold: smallest dipole kernel |D| by which k-space is divided (Shmueli et al. 2009).
        l2_weight: weight of the gradient penalty (Bilgic et al. 2014).
    """

    tkd_threshold: float
    l2_weight: float


def tune(subjects: Sequence[QsmSubject]) -> Tuned:
    """Choose each parameter by the mean NRMSE over training subjects.

    Args:
        subjects: training subjects with a reference; the first few are used.

    Returns:
        The best of the tried values.
    """
    used = [s for s in subjects if s.chi is not None][:SUBJECTS_TO_TUNE_ON]

    def best(invert: Callable[[QsmSubject, float], np.ndarray], values: Sequence[float]) -> float:
        means = [float(np.mean([_error(invert(s, v), s) for s in used])) for v in values]
        return float(values[int(np.argmin(means))])

    return Tuned(tkd_threshold=best(tkd, TKD_THRESHOLDS), l2_weight=best(l2, L2_WEIGHTS))


def tkd(subject: QsmSubject, threshold: float) -> np.ndarray:
    """Return chi [ppm] by thresholded k-space division of a subject's field."""
    return np.asarray(
        inversion.tkd(
            subject.field, subject.mask, subject.voxel_size, subject.b0_direction, threshold
        )
    )


def l2(subject: QsmSubject, weight: float) -> np.ndarray:
    """Return chi [ppm] by closed-form L2-regularised inversion of a subject's field."""
    return np.asarray(
        inversion.l2(subject.field, subject.mask, subject.voxel_size, subject.b0_direction, weight)
    )


def reconstruct(subject: QsmSubject, tuned: Tuned) -> dict[str, np.ndarray]:
    """Return both inversions of one subject, by name."""
    return {"tkd": tkd(subject, tuned.tkd_threshold), "l2": l2(subject, tuned.l2_weight)}


def _error(chi: np.ndarray, subject: QsmSubject) -> float:
    assert subject.chi is not None
    return nrmse(chi, subject.chi, subject.mask, demean=True)
