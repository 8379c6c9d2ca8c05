"""Classical inversions of the dipole model: the methods a network has to beat."""

import numpy as np
from jaxtyping import Bool, Float

from mrjax.arrays import Vector
from mrjax.numerics import host
from mrjax.numerics.spectral import filter3d
from mrjax.physics import dipole

Volume = Float[np.ndarray, "x y z"]
Mask = Bool[np.ndarray, "x y z"]


def _positive(value: float, name: str) -> None:
    if not value > 0.0:
        raise ValueError(f"{name} {value}; expected a number above 0")


def tkd(
    field: Volume,
    mask: Mask,
    voxel_size: Vector = (1.0, 1.0, 1.0),
    b0_direction: Vector = (0.0, 0.0, 1.0),
    threshold: float = 0.2,
) -> Volume:
    """Thresholded k-space division: divide by D, but nowhere by less than the threshold.

    Where |D| is below the threshold, the divisor is the threshold with the sign of D. Computed
    order-free, so that the baseline of a study is the same number on every machine.

    Args:
        field: local field [ppm].
        mask: True inside the brain.
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.
        threshold: smallest divisor, dimensionless, usually 0.05 to 0.3.

    Returns:
        Susceptibility [ppm], float64, zero outside the mask, its mean undetermined.

    Raises:
        ValueError: threshold not positive, or as :func:`mrjax.physics.dipole.kernel`.

    Source: Shmueli et al., Magn Reson Med 62:1510 (2009).
    """
    _positive(threshold, "threshold")
    divisor = dipole.kernel(field.shape, voxel_size, b0_direction)
    floor = np.where(divisor < 0.0, -threshold, threshold)
    inverse = 1.0 / np.where(np.abs(divisor) < threshold, floor, divisor)
    inverse[0, 0, 0] = 0.0
    return np.where(mask, filter3d(np.where(mask, field, 0.0), inverse), 0.0)


def gradient_energy(shape: tuple[int, ...], voxel_size: Vector) -> Float[np.ndarray, "kx ky kz"]:
    """Transfer of the sum of squared finite differences [1/mm^2], FFT order."""
    total = np.zeros(shape)
    for axis in range(3):
        n, h = shape[axis], voxel_size[axis]
        square = (2.0 - 2.0 * host.cosines(n)) / (h * h)
        total = total + square.reshape([-1 if i == axis else 1 for i in range(3)])
    return total


def l2(
    field: Volume,
    mask: Mask,
    voxel_size: Vector = (1.0, 1.0, 1.0),
    b0_direction: Vector = (0.0, 0.0, 1.0),
    weight: float = 0.01,
) -> Volume:
    """Closed-form least squares with a gradient regulariser: argmin |D x - f|^2 + w |grad x|^2.

    Args:
        field: local field [ppm].
        mask: True inside the brain.
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.
        weight: of the squared gradient [mm^2], usually 1e-3 to 1e-1.

    Returns:
        Susceptibility [ppm], float64, zero outside the mask, its mean undetermined.

    Raises:
        ValueError: weight not positive, or as :func:`mrjax.physics.dipole.kernel`.

    Source: Bilgic et al., Magn Reson Med 72:1444 (2014), closed-form solution.
    """
    _positive(weight, "weight")
    transfer = dipole.kernel(field.shape, voxel_size, b0_direction)
    energy = transfer * transfer + weight * gradient_energy(field.shape, voxel_size)
    energy[0, 0, 0] = 1.0
    return np.where(mask, filter3d(np.where(mask, field, 0.0), transfer / energy), 0.0)
