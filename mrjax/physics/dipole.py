"""The magnetic field of a susceptibility map: the dipole model in k-space."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mrjax.arrays import Vector
from mrjax.numerics.spectral import even_part, filter3d

Shape = tuple[int, ...]


def frequencies(n: int, spacing: float) -> Float[np.ndarray, " n"]:
    """Frequencies of an n-point DFT in FFT order [1/mm]; the Nyquist term is the negative one."""
    index = np.arange(n)
    return np.where(2 * index >= n, index - n, index).astype(np.float64) / (n * spacing)


def _check(shape: Shape, voxel_size: Vector, b0_direction: Vector) -> None:
    """Raise ValueError unless these describe a volume in a field."""
    if len(shape) != 3 or len(voxel_size) != 3 or len(b0_direction) != 3:
        raise ValueError(f"three axes needed: {shape=}, {voxel_size=}, {b0_direction=}")
    if min(shape) < 1 or not all(h > 0 for h in voxel_size):
        raise ValueError(f"positive sizes needed: {shape=}, {voxel_size=}")
    length = math.sqrt(sum(b * b for b in b0_direction))
    if not abs(length - 1.0) < 1e-3:
        raise ValueError(f"b0_direction {b0_direction} has length {length}; expected a unit vector")


@functools.lru_cache(maxsize=16)
def _kernel(shape: Shape, voxel_size: Vector, b0_direction: Vector) -> np.ndarray:
    _check(shape, voxel_size, b0_direction)
    length = math.sqrt(sum(b * b for b in b0_direction))
    along, square = np.zeros(shape), np.zeros(shape)
    for axis in range(3):
        k = frequencies(shape[axis], voxel_size[axis])
        k = k.reshape([-1 if i == axis else 1 for i in range(3)])
        along = along + k * (b0_direction[axis] / length)
        square = square + k * k
    square[0, 0, 0] = 1.0
    dipole = 1.0 / 3.0 - along * along / square
    dipole[0, 0, 0] = 0.0
    dipole = even_part(dipole)
    dipole.setflags(write=False)
    return dipole


def kernel(
    shape: Shape,
    voxel_size: Vector = (1.0, 1.0, 1.0),
    b0_direction: Vector = (0.0, 0.0, 1.0),
) -> Float[np.ndarray, "kx ky kz"]:
    """Dipole kernel D(k) = 1/3 - (k.b)^2 / |k|^2, with D(0) = 0, in FFT order.

    D(0) is not defined by the model: zero makes every field one of a map whose mean is unknown.
    On Nyquist planes of an oblique field the even part is taken, so the convolution stays real.
    Only ``+ - * /``: the same bits on every machine. The array is cached and read-only.

    Args:
        shape: grid size of the three axes.
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.

    Returns:
        float64 kernel, dimensionless (ppm of field for ppm of susceptibility).

    Raises:
        ValueError: not three axes, sizes not positive, or a direction that is no unit vector.

    Source: Salomir et al., Concepts Magn Reson 19B:26 (2003); Marques and Bowtell, Concepts Magn
    Reson 25B:65 (2005).
    """
    vectors = tuple(map(float, voxel_size)), tuple(map(float, b0_direction))
    return _kernel(tuple(map(int, shape)), *vectors)


def _padded(shape: Shape, padding: int) -> Shape:
    if padding < 1:
        raise ValueError(f"padding {padding}; expected a whole factor of at least 1")
    return tuple(padding * n for n in shape)


def field(
    chi: jax.Array,
    voxel_size: Vector = (1.0, 1.0, 1.0),
    b0_direction: Vector = (0.0, 0.0, 1.0),
    padding: int = 2,
) -> jax.Array:
    """Field [ppm] of a susceptibility map [ppm], by convolution with the dipole in k-space.

    Without padding the object's periodic copies act on it; twofold zero padding keeps them off.
    Linear and self-adjoint (the kernel is real and even, cropping is the adjoint of padding), so
    its own gradient: there is no separate adjoint.

    Args:
        chi: [... x y z] susceptibility [ppm], real; leading axes are batch axes.
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.
        padding: factor of zero padding on each axis; 1 is the circular convolution of a patch.

    Returns:
        [... x y z] field relative to B0 [ppm], of the dtype of ``chi``.

    Raises:
        ValueError: as :func:`kernel`, or ``padding`` below 1.
    """
    shape, axes = chi.shape[-3:], (-3, -2, -1)
    larger = _padded(shape, padding)
    half = kernel(larger, voxel_size, b0_direction)[..., : larger[2] // 2 + 1]
    half = half.reshape((1,) * (chi.ndim - 3) + half.shape)
    spectrum = jnp.fft.rfftn(chi, s=larger, axes=axes)
    result = jnp.fft.irfftn(spectrum * jnp.asarray(half, chi.dtype), s=larger, axes=axes)
    return result[..., : shape[0], : shape[1], : shape[2]].astype(chi.dtype)


def field_host(
    chi: Float[np.ndarray, "x y z"],
    voxel_size: Vector = (1.0, 1.0, 1.0),
    b0_direction: Vector = (0.0, 0.0, 1.0),
    padding: int = 2,
) -> Float[np.ndarray, "x y z"]:
    """The same field on the host, with bits that do not depend on the machine (for data sets).

    Args:
        chi: susceptibility [ppm].
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.
        padding: factor of zero padding on each axis.

    Returns:
        float64 field [ppm], within about 1e-6 of the largest susceptibility of :func:`field`.

    Raises:
        ValueError: as :func:`field`.
    """
    return filter3d(chi, kernel(_padded(chi.shape, padding), voxel_size, b0_direction))
