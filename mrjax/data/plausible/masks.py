"""Which voxels a mask means, whatever values it has."""

import numpy as np

from mrjax.data.intake import Intake

_USUAL, _NEAR = (1.0, 100.0, 255.0), 0.05
_LARGEST_LABEL = 32
"""Whole numbers up to here are labels; masks of more than two values go to 100, 255 or more."""


def inside(name: str, mask: np.ndarray, intake: Intake) -> np.ndarray:
    """The voxels inside a mask.

    Two values, one of them zero, need no choice. A mask of more values is one that was resampled,
    or a probability: it is cut at half of its value well inside, since above zero lies also the
    ringing of the interpolation. Whole numbers of which the largest is not the most frequent are
    labels, which a cut would take apart.

    Args:
        name: of the subject, for messages.
        mask: any shape and type; NaN counts as 0.
        intake: the run's account.

    Returns:
        bool of the same shape.

    Raises:
        UserError: the values look like labels, and the user has not accepted that.
    """
    values = np.nan_to_num(np.asarray(mask, np.float64))
    if values.size == 0 or ((values == 0) | (values == values.max())).all():
        return values > 0
    levels, counts = np.unique(values, return_counts=True)
    if _are_labels(levels, counts):
        intake.doubt(
            "mask",
            f"the mask of {name} has the {len(levels)} values {_range(levels)}, which look like "
            "labels; expected two values, 0 and 1 (accepted, all above zero count as inside)",
            "write the voxels that are meant as 1 and all others as 0",
        )
        return values > 0
    half = _plateau(values) / 2
    intake.note(
        f"the mask of {name} has {len(levels)} values {_range(levels)}: it was cut at {half:.4g}, "
        f"half of its value inside, which leaves {np.count_nonzero(values > half)} voxels of "
        f"{np.count_nonzero(values > 0)} above zero"
    )
    return values > half


def _plateau(values: np.ndarray) -> float:
    """The value well inside a mask; splines overshoot it, so it is not the maximum."""
    top = float(np.median(values[values > values.max() / 2])) if values.max() > 0 else 0.0
    for usual in _USUAL:
        if abs(top / usual - 1) < _NEAR:
            return usual
    return top


def _are_labels(levels: np.ndarray, counts: np.ndarray) -> bool:
    if (levels != np.round(levels)).any():
        return False
    positive = levels > 0
    if not positive.any():
        return False  # no voxel is inside, which is refused elsewhere
    commonest = levels[positive][np.argmax(counts[positive])]
    rings = levels[0] < 0  # as splines do below zero; then they overshoot above as well
    return bool(levels[-1] < _LARGEST_LABEL or (commonest != levels[-1] and not rings))


def _range(levels: np.ndarray) -> str:
    return f"{levels[0]:.4g} to {levels[-1]:.4g}"
