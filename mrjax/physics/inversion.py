"""Classical inversions of the dipole model: the methods a network has to beat."""

import numpy as np
from jaxtyping import Bool, Float

from mrjax.arrays import Vector
from mrjax.numerics import host
from mrjax.numerics.spectral import filter3d
from mrjax.physics import dipole
from mrjax.physics.grid import along

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
    """Thresholded k-space division (TKD): divide by D, but never by less than the threshold.

    chi = F^-1 [ F(field) / D_t ] inside the mask, with D_t = D where abs(D) >= t, else t with the
    sign of D; the term at k = 0 is zero. The sums do not depend on their order, so that every
    machine finds the same map.

    Args:
        field: local field [ppm].
        mask: True inside the brain.
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.
        threshold: t, the smallest divisor, dimensionless, usually 0.05 to 0.3.

    Returns:
        Susceptibility [ppm], float64, zero outside the mask; its mean has no meaning.

    Raises:
        ValueError: the threshold is not positive, or as :func:`mrjax.physics.dipole.kernel`.

    Source: Shmueli et al., Magn Reson Med 62:1510 (2009).
    """
    _positive(threshold, "threshold")
    divisor = dipole.kernel(field.shape, voxel_size, b0_direction)
    floor = np.where(divisor < 0.0, -threshold, threshold)
    inverse = 1.0 / np.where(np.abs(divisor) < threshold, floor, divisor)
    inverse[0, 0, 0] = 0.0
    return np.where(mask, filter3d(np.where(mask, field, 0.0), inverse), 0.0)


def gradient_energy(shape: tuple[int, ...], voxel_size: Vector) -> Float[np.ndarray, "kx ky kz"]:
    """Squared magnitude E(k) of the finite differences' transfer functions [1/mm^2], FFT order.

    E(k) = sum over axes a of (2 - 2 cos(2 pi j_a / n_a)) / h_a^2, for index j, n points, spacing h.
    """
    total = np.zeros(shape)
    for axis in range(3):
        n, h = shape[axis], voxel_size[axis]
        square = (2.0 - 2.0 * host.cosines(n)) / (h * h)
        total = total + along(square, axis)
    return total


def l2(
    field: Volume,
    mask: Mask,
    voxel_size: Vector = (1.0, 1.0, 1.0),
    b0_direction: Vector = (0.0, 0.0, 1.0),
    weight: float = 0.01,
) -> Volume:
    """Least squares with a gradient regulariser, in closed form.

    chi = argmin |F^-1 D F x - f|^2 + w |grad x|^2 = F^-1 [ D F(f) / (D^2 + w E) ] inside the mask,
    with the field f, the dipole kernel D and E of :func:`gradient_energy`.

    Args:
        field: local field [ppm].
        mask: True inside the brain.
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.
        weight: w, of the squared gradient [mm^2], usually 1e-3 to 1e-1.

    Returns:
        Susceptibility [ppm], float64, zero outside the mask; its mean has no meaning.

    Raises:
        ValueError: the weight is not positive, or as :func:`mrjax.physics.dipole.kernel`.

    Source: Bilgic et al., Magn Reson Med 72:1444 (2014), closed-form solution.
    """
    _positive(weight, "weight")
    transfer = dipole.kernel(field.shape, voxel_size, b0_direction)
    energy = transfer * transfer + weight * gradient_energy(field.shape, voxel_size)
    energy[0, 0, 0] = 1.0
    return np.where(mask, filter3d(np.where(mask, field, 0.0), transfer / energy), 0.0)
