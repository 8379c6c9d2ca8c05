"""Whether a local field is the one that its susceptibility map makes."""

import numpy as np
from jaxtyping import Bool, Float

from mrjax.arrays import Vector
from mrjax.data.intake import Intake

Volume = Float[np.ndarray, "x y z"]

_LOWEST = 0.3
"""Correlation of field and model: 0.9 of the synthetic brains, and as little as this under noise of
twice the field's spread."""


def check(
    name: str,
    field: Volume,
    chi: Volume,
    mask: Bool[np.ndarray, "x y z"],
    voxel_size: Vector,
    b0_direction: Vector,
    intake: Intake,
) -> None:
    """Say so where a field is hardly correlated, or negatively, with the field of its map.

    Programs differ in the sign of a phase, and a map may be that of another subject or lie in
    other axes. Networks and metrics do not show it: everything is computed, and is wrong.

    Args:
        name: of the subject.
        field: local field.
        chi: susceptibility map.
        mask: True inside the brain.
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.
        intake: the run's account.
    """
    found = correlation(field[mask], _modelled(chi, voxel_size, b0_direction)[mask])
    if found >= _LOWEST:
        return
    sign = "; its sign would be the other one" if found <= -_LOWEST else ""
    intake.note(
        "the local field is not that of the susceptibility map beside it (sign, axes, direction of "
        "B0 or subject)",
        f"{name} (correlation {found:.2f} with the dipole model of the map{sign})",
    )


def _modelled(chi: Volume, voxel_size: Vector, b0_direction: Vector) -> Volume:
    """The field of a map by the dipole model; no result depends on its last bits."""
    from mrjax.physics import dipole  # imports jax, and breast series need none

    kernel = dipole.kernel(chi.shape, voxel_size, b0_direction)[..., : chi.shape[2] // 2 + 1]
    return np.fft.irfftn(np.fft.rfftn(chi) * kernel, chi.shape, axes=(0, 1, 2))


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation; 0 where one of the two is constant."""
    one, other = x - np.mean(x, dtype=np.float64), y - np.mean(y, dtype=np.float64)
    length = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(np.dot(one, other)) / length if length > 0 else 0.0
