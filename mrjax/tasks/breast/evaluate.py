"""Masks of held-out patients, and their Dice."""

from collections.abc import Mapping, Sequence

import numpy as np

from mrjax import metrics
from mrjax.arrays import DcePatient
from mrjax.tasks import records

THRESHOLD = 0.5
"""Probability above which the network's voxel is breast."""
Outputs = Mapping[str, np.ndarray]
"""Method -> output [x y z]: the network's probability, the mask of another method."""


def masks(found: Outputs) -> dict[str, np.ndarray]:
    """Return the mask of every method for one patient."""
    return {**found, "network": found["network"] > THRESHOLD}


def table(
    found: Sequence[Outputs], patients: Sequence[DcePatient]
) -> dict[str, dict[str, list[float]]]:
    """Return the Dice of every method on every patient that has a reference.

    Args:
        found: outputs of all methods for each patient.
        patients: the patients in the same order.

    Returns:
        method -> "dice" -> one value for each patient; empty if no patient has a reference.
    """
    return records.by_method(
        {method: {"dice": metrics.dice(mask, one.mask)} for method, mask in masks(outputs).items()}
        for outputs, one in zip(found, patients, strict=True)
        if one.mask is not None
    )
