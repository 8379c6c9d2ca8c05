"""Masks of held-out patients, and their Dice."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrjax import metrics
from mrjax.arrays import DcePatient

METHODS = ("network", "threshold")
THRESHOLD = 0.5
"""Probability above which the network's voxel is breast."""


class Segmented(NamedTuple):
    """Masks of one patient.

    Attributes:
        probability: the network's [x y z], float32.
        masks: method to mask [x y z].
    """

    probability: np.ndarray
    masks: dict[str, np.ndarray]

    @classmethod
    def of(cls, probability: np.ndarray, classical: np.ndarray) -> "Segmented":
        """Return both masks, from the network's probability and the classical mask."""
        masks = (probability > THRESHOLD, classical)
        return cls(probability, dict(zip(METHODS, masks, strict=True)))


def table(
    found: Sequence[Segmented], patients: Sequence[DcePatient]
) -> dict[str, dict[str, list[float]]]:
    """Dice of both methods on every patient that has a reference.

    Args:
        found: masks of each patient.
        patients: in the same order.

    Returns:
        method -> "dice" -> one value a patient; empty where no patient has a reference.
    """
    pairs = zip(patients, found, strict=True)
    known = [(s.masks, p.mask) for p, s in pairs if p.mask is not None]
    return {
        method: {"dice": [metrics.dice(masks[method], truth) for masks, truth in known]}
        for method in METHODS
        if known
    }
