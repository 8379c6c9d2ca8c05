"""Whether a local field is a phase that nobody unwrapped."""

import numpy as np
from jaxtyping import Bool, Float

from mrjax.data.intake import Intake

_JUMP = 0.75
"""Of the whole range of values: so far do neighbours at a wrap lie apart at least."""
_MOST = 1e-3
"""Share of pairs of neighbours that noise, veins and the rim of a mask may set apart so far."""
_FEWEST = 50
"""Number of such pairs below which chance may have set them apart."""


def check(
    name: str, field: Float[np.ndarray, "x y z"], mask: Bool[np.ndarray, "x y z"], intake: Intake
) -> None:
    """Doubt a field that jumps by nearly its whole range from voxel to voxel.

    Where a phase passes pi it goes on at -pi. The spread of such a phase is that of a head if the
    echo time is about 20 ms, so the spread does not show it. The range tells in any unit.

    Args:
        name: of the subject.
        field: local field.
        mask: True inside the brain.
        intake: the run's account.

    Raises:
        UserError: such a field, and the user has not accepted it.
    """
    share = _share_of_jumps(field, mask)
    if share > _MOST:
        intake.doubt(
            "field",
            f"the field of {name} jumps by more than three quarters of its range between "
            f"{100 * share:.2g} % of neighbouring voxels, as a wrapped phase does; expected a "
            "local field without wraps",
            "unwrap the phase and remove the background field",
        )


def _share_of_jumps(field: np.ndarray, mask: np.ndarray) -> float:
    """Of the pairs of neighbours along the three axes, both inside the mask; 0 for a few."""
    inside = field[mask]
    limit = _JUMP * float(np.ptp(inside)) if inside.size else 0.0
    if limit == 0.0:
        return 0.0
    jumps, pairs = 0, 0
    for axis in range(3):
        one, other = _neighbours(field, axis)
        both = np.logical_and(*_neighbours(mask, axis))
        jumps += int(np.count_nonzero((np.abs(one - other) > limit) & both))
        pairs += int(np.count_nonzero(both))
    return jumps / pairs if jumps >= _FEWEST else 0.0


def _neighbours(volume: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """All voxels but the last and all but the first along an axis."""
    along = np.moveaxis(volume, axis, 0)
    return along[:-1], along[1:]
