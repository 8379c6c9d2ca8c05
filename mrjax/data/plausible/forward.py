"""Whether a local field is the one that its susceptibility map makes."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from mrjax.arrays import Vector
from mrjax.data.intake import Intake

Volume = Float[np.ndarray, "x y z"]

_LOWEST = 0.3
"""Correlation of field and model: 0.9 of the synthetic brains, and as little as this under noise of
twice the field's spread."""
_CLEARLY = 0.05
"""By so much the field is better explained by a map that is turned end for end."""

_LARGE = 64
"""Shortest axis from which on volumes are looked at with half of their resolution [voxels]."""


def check(
    name: str,
    field: Volume,
    chi: Volume,
    mask: Bool[np.ndarray, "x y z"],
    voxel_size: Vector,
    b0_direction: Vector,
    intake: Intake,
) -> None:
    """Say so where a field is hardly correlated with that of its map, or better if this is turned.

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
    if min(field.shape) >= _LARGE:  # an eighth of the time and memory, for the same question
        field, chi, mask = _halved(field), _halved(chi), _halved(mask.astype(np.float32)) > 0.5
        voxel_size = (2 * voxel_size[0], 2 * voxel_size[1], 2 * voxel_size[2])
    inside, modelled = field[mask], _model(chi.shape, voxel_size, b0_direction)
    found = correlation(inside, modelled(chi)[mask])
    if found > 1 - _CLEARLY:
        return
    turned = [correlation(inside, modelled(np.flip(chi, axis))[mask]) for axis in range(3)]
    if found >= _LOWEST and max(turned) <= found + _CLEARLY:
        return
    if max(turned) > max(found, _LOWEST) + _CLEARLY:
        intake.note(
            "the local field is that of the susceptibility map beside it turned end for end",
            f"{name} (correlation {found:.2f} with the dipole model of the map, "
            f"{max(turned):.2f} with that of the map turned along {'xyz'[int(np.argmax(turned))]})",
        )
        return
    sign = "; its sign would be the other one" if found <= -_LOWEST else ""
    intake.note(
        "the local field is not that of the susceptibility map beside it (sign, axes, direction of "
        "B0 or subject)",
        f"{name} (correlation {found:.2f} with the dipole model of the map{sign})",
    )


def _model(
    shape: tuple[int, ...], voxel_size: Vector, b0_direction: Vector
) -> Callable[[np.ndarray], np.ndarray]:
    """The field of maps by the dipole model; no result depends on its last bits."""
    from mrjax.physics import dipole  # imports jax, and breast series need none

    kernel = dipole.kernel(shape, voxel_size, b0_direction)[..., : shape[2] // 2 + 1]
    return lambda chi: np.fft.irfftn(np.fft.rfftn(chi) * kernel, shape, axes=(0, 1, 2))


def _halved(volume: np.ndarray) -> np.ndarray:
    """Means of blocks of 2 x 2 x 2 voxels; a last plane without a partner is left out."""
    x, y, z = (n // 2 for n in volume.shape)
    blocks = volume[: 2 * x, : 2 * y, : 2 * z].reshape(x, 2, y, 2, z, 2)
    return blocks.mean(axis=(1, 3, 5))


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation; 0 where one of the two is constant."""
    one, other = x - np.mean(x, dtype=np.float64), y - np.mean(y, dtype=np.float64)
    length = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(np.dot(one, other)) / length if length > 0 else 0.0
