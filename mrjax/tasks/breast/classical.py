"""The classical breast mask: an interval of intensities, tuned on training patients."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from mrjax.arrays import DcePatient
from mrjax.data.breast_slices import CHANNELS, enlarged, images

STEP = 0.04
BINS = 75
"""The limits tried are the multiples of STEP up to STEP * BINS, relative to the patient's scale,
and no limit."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Threshold:
    """The rule of a mask: a voxel is breast if one volume's intensity s has low <= s < high.

    Attributes:
        channel: the volume, an index into `mrjax.data.breast_slices.CHANNELS`.
        low: lower limit, relative to the patient's scale.
        high: upper limit, likewise; beyond STEP * BINS there is no upper limit.
    """

    channel: int
    low: float
    high: float


def tune(patients: Sequence[DcePatient], shrink: int = 1) -> Threshold:
    """Choose volume and interval by the mean Dice over training patients.

    All intervals between multiples of STEP are tried. The voxels of each bin are counted once, so
    that an interval costs one subtraction.

    Args:
        patients: training patients, each with a mask.
        shrink: edge of the blocks that are averaged in the network's images.

    Returns:
        The best of the tried thresholds.
    """
    total = np.zeros((len(CHANNELS), BINS + 2, BINS + 2))
    for patient in patients:
        assert patient.mask is not None
        bins = _bins(patient, shrink)
        for channel in range(len(CHANNELS)):
            whole = enlarged(bins[..., channel], patient.mask.shape, shrink)
            total[channel] += _overlaps(whole, patient.mask)
    channel, low, high = np.unravel_index(np.argmax(total), total.shape)
    return Threshold(channel=int(channel), low=float(low * STEP), high=float(high * STEP))


def segment(patient: DcePatient, threshold: Threshold, shrink: int = 1) -> np.ndarray:
    """Return the breast mask of one patient by a tuned threshold.

    Args:
        patient: any patient.
        threshold: result of `tune`.
        shrink: the value with which the threshold was tuned.

    Returns:
        The mask [x y z], bool.
    """
    bins = _bins(patient, shrink)[..., threshold.channel]
    low, high = round(threshold.low / STEP), round(threshold.high / STEP)
    inside = (bins >= low) & (bins < high)
    return enlarged(inside, patient.signal.shape[:3], shrink)


def _bins(patient: DcePatient, shrink: int) -> np.ndarray:
    """Return the bin of every smoothed voxel; the last bin holds all brighter voxels."""
    smooth = smoothed(images(patient, shrink).astype(np.float64))
    return np.minimum(np.floor(smooth / STEP), BINS).astype(np.int64)


def smoothed(volume: np.ndarray) -> np.ndarray:
    """Average over 3 x 3 neighbours within each slice, in a fixed order, with repeated borders."""
    padded = np.pad(volume, [(1, 1), (1, 1)] + [(0, 0)] * (volume.ndim - 2), mode="edge")
    rows, columns = volume.shape[:2]
    total = np.zeros_like(volume)
    for i, j in itertools.product(range(3), repeat=2):
        total = total + padded[i : i + rows, j : j + columns]
    return total / 9.0


def _overlaps(bins: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the Dice [low, high] of voxels with low <= bin < high; 0 where low >= high."""
    counts = [np.bincount(b, minlength=BINS + 1) for b in (bins.ravel(), bins[mask])]
    below, hits = (np.concatenate([[0], np.cumsum(c)]) for c in counts)
    inside, common = below[None] - below[:, None], hits[None] - hits[:, None]
    return np.where(inside > 0, 2.0 * common / (np.maximum(inside, 0) + hits[-1]), 0.0)
