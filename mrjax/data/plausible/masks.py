"""Which voxels a mask means, whatever values it has."""

import numpy as np

from mrjax.data.intake import Intake
from mrjax.errors import UserError

_USUAL, _NEAR = (1.0, 100.0, 255.0), 0.05
_LEVEL, _FLAT = 0.1, 0.5
"""At least so large a share of the voxels above the cut lies within 10 % of the value inside."""
_OVERSHOOT = 0.7
"""Of the most frequent to the largest value: splines overshoot a corner by up to 30 %."""
_LARGEST_LABEL = 32
"""Whole numbers up to here are labels; masks of more than two values go to 100, 255 or more."""


def inside(name: str, mask: np.ndarray, intake: Intake) -> np.ndarray:
    """The voxels inside a mask.

    Two values, one of them zero, need no choice. A mask of more values is one that was resampled,
    or a probability: it is cut at half of its value well inside, since above zero lies also the
    ringing of the interpolation. Whole numbers of which the most frequent is far below the largest
    are labels, which a cut would take apart; values that gather nowhere are those of an image.

    Args:
        name: of the subject, for messages.
        mask: any shape and type; NaN counts as 0.
        intake: the run's account.

    Returns:
        bool of the same shape.

    Raises:
        UserError: a value is infinite; or the values look like labels or like an image, and the
            user has not accepted that.
    """
    stored = np.asarray(mask)
    if stored.size == 0 or stored.dtype == bool:
        return stored > 0
    _check_infinite(name, stored)
    top = np.nanmax(stored) if stored.dtype.kind != "f" or not np.isnan(stored).all() else 0
    # A mask of two values is told in its own type: converted, a large one takes eight times more.
    if not np.any((stored != 0) & (stored != top) & (stored == stored)):  # NaN is not itself
        return stored > 0
    values = np.nan_to_num(stored.astype(np.result_type(stored.dtype, np.float32), copy=False))
    levels, counts = np.unique(values, return_counts=True)
    if _are_labels(levels, counts):
        intake.doubt(
            "mask",
            f"the mask of {name} has the {len(levels)} values {_range(levels)}, which look like "
            "labels; expected two values, 0 and 1 (accepted, all above zero count as inside)",
            "write the voxels that are meant as 1 and all others as 0",
        )
        return values > 0
    top = _plateau(values)
    inside = values > top / 2
    _check_plateau(name, values[inside], top, levels, intake)
    intake.note(
        "a mask of more than two values was cut at half of its value inside",
        f"{name} (values {_range(levels)}, cut at {top / 2:.4g}, which leaves "
        f"{np.count_nonzero(inside)} voxels of {np.count_nonzero(values > 0)} above zero)",
    )
    return inside


def _check_infinite(name: str, stored: np.ndarray) -> None:
    """Refuse infinite values, which no resampling writes and of which no half can be taken."""
    wrong = int(np.count_nonzero(np.isinf(stored))) if stored.dtype.kind in "fc" else 0
    if wrong:
        raise UserError(
            f"the mask of {name} is infinite in {wrong} of {stored.size} voxels; expected 1 inside "
            "and 0 outside; repair the file"
        )


def _plateau(values: np.ndarray) -> float:
    """The value well inside a mask; splines overshoot it, so it is not the maximum."""
    top = float(np.median(values[values > values.max() / 2])) if values.max() > 0 else 0.0
    for usual in _USUAL:
        if abs(top / usual - 1) < _NEAR:
            return usual
    return top


def _check_plateau(
    name: str, inside: np.ndarray, top: float, levels: np.ndarray, intake: Intake
) -> None:
    """Doubt an image: a mask, resampled or a probability, has one value in most of its voxels."""
    share = np.count_nonzero(np.abs(inside - top) <= _LEVEL * top) / max(inside.size, 1)
    if inside.size and share < _FLAT:
        intake.doubt(
            "mask",
            f"the mask of {name} has {len(levels)} values {_range(levels)}, of which only "
            f"{100 * share:.0f} % of those above its cut lie near one value, so it looks like an "
            "image; expected two values, 0 and 1 (accepted, it is cut at half of its median)",
            "write the voxels that are meant as 1 and all others as 0",
        )


def _are_labels(levels: np.ndarray, counts: np.ndarray) -> bool:
    if (levels != np.round(levels)).any():
        return False
    positive = levels > 0
    if not positive.any():
        return False  # no voxel is inside, which is refused elsewhere
    commonest = levels[positive][np.argmax(counts[positive])]
    rings = levels[0] < 0  # as splines do below zero; then they overshoot above as well
    return bool(levels[-1] < _LARGEST_LABEL or (commonest < _OVERSHOOT * levels[-1] and not rings))


def _range(levels: np.ndarray) -> str:
    return f"{levels[0]:.4g} to {levels[-1]:.4g}"
