"""The magnetic field of a susceptibility map: the dipole model in k-space.

field = F^-1 [ D F chi ], with the kernel D of :func:`kernel`.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mrjax.arrays import Vector
from mrjax.numerics.spectral import even_part, filter3d
from mrjax.physics.grid import along, frequencies

Shape = tuple[int, ...]


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
    parallel, square = np.zeros(shape), np.zeros(shape)
    for axis in range(3):
        k = along(frequencies(shape[axis], voxel_size[axis]), axis)
        parallel = parallel + k * (b0_direction[axis] / length)
        square = square + k * k
    square[0, 0, 0] = 1.0
    dipole = 1.0 / 3.0 - parallel * parallel / square
    dipole[0, 0, 0] = 0.0
    dipole = even_part(dipole)
    dipole.setflags(write=False)
    return dipole


def kernel(
    shape: Shape,
    voxel_size: Vector = (1.0, 1.0, 1.0),
    b0_direction: Vector = (0.0, 0.0, 1.0),
) -> Float[np.ndarray, "kx ky kz"]:
    """Dipole kernel D(k) = 1/3 - (k . b)^2 / |k|^2, with D(0) = 0, in FFT order.

    The model does not define D(0); with zero, the mean of a map has no influence on its field.
    Where b is oblique, Nyquist planes hold the even part of D, so that the convolution stays real.
    Only ``+ - * /`` are used, which give the same bits on every machine. The array is cached and
    read-only.

    Args:
        shape: grid size of the three axes.
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.

    Returns:
        float64 kernel, dimensionless (ppm of field per ppm of susceptibility).

    Raises:
        ValueError: there are not three axes, a size is not positive, or the direction is not a unit
            vector.

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
    """Field [ppm] of a susceptibility map [ppm], by multiplication with the dipole in k-space.

    field = crop( F^-1 [ D F pad(chi) ] ). Without padding, the periodic copies of the object act on
    it as well; twofold zero padding keeps them away. The operator is linear and self-adjoint (the
    kernel is real and even, and cropping is the adjoint of padding), so there is no separate
    adjoint.

    Args:
        chi: [... x y z] susceptibility [ppm], real; leading axes are batch axes.
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.
        padding: factor by which zeros extend each axis; 1: circular convolution, as for a patch.

    Returns:
        [... x y z] field relative to B0 [ppm], of the dtype of ``chi``.

    Raises:
        ValueError: as :func:`kernel`, or ``padding`` below 1.

    Source: see :func:`kernel`.
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
    """The field of :func:`field` on the host, for data sets: its bits are the same on any machine.

    Args:
        chi: susceptibility [ppm].
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.
        padding: factor by which zeros extend each axis.

    Returns:
        float64 field [ppm]; it differs from :func:`field` by about 1e-6 of the largest
        susceptibility.

    Raises:
        ValueError: as :func:`field`.
    """
    return filter3d(chi, kernel(_padded(chi.shape, padding), voxel_size, b0_direction))
