"""Training losses, written against an arithmetic.

Source: Yoon et al., NeuroImage 179 (2018), "Loss function", and the authors' code
(SNU-LIST/QSMnet, Code/utils.py: l1, model_loss, grad_loss).
"""

import itertools
import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.arithmetic import Arithmetic

Batch = Float[Array, "b x y z 1"]
SPACE = (1, 2, 3)


def l1(ar: Arithmetic, x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, ""]:
    """Mean absolute difference.

    Args:
        ar: what computes.
        x: any shape.
        y: same shape.

    Returns:
        Scalar, in the unit of the arguments.
    """
    return ar.mean(jnp.abs(ar.sub(x, y)))


def circular_field(
    ar: Arithmetic, chi: Batch, kernel: Float[Array, "x y z"]
) -> Float[Array, "b x y z 1"]:
    """Field of a periodic susceptibility map: one product in k-space, no padding.

    Args:
        ar: what computes.
        chi: susceptibility [ppm].
        kernel: dipole kernel in FFT order.

    Returns:
        Local field [ppm]. On a patch the sources outside it are missing and those inside wrap
        around; the authors train with this approximation, so it is kept.
    """
    spectrum = ar.mul(ar.fft(chi, SPACE), kernel[None, ..., None].astype(chi.dtype))
    return jnp.real(ar.ifft(spectrum, SPACE))


def model(
    ar: Arithmetic, chi: Batch, field: Batch, mask: Batch, kernel: Float[Array, "x y z"]
) -> Float[Array, ""]:
    """Disagreement of a susceptibility map with the measured field, by the dipole model.

    Args:
        ar: what computes.
        chi: predicted susceptibility [ppm].
        field: measured local field [ppm].
        mask: 1 inside the brain, 0 outside.
        kernel: dipole kernel of the patch in FFT order.

    Returns:
        Mean over all voxels of |mask * (field of chi) - mask * field| [ppm].
    """
    predicted = circular_field(ar, chi, kernel)
    return l1(ar, ar.mul(predicted, mask), ar.mul(field, mask))


def rectified_differences(ar: Arithmetic, x: Batch) -> Float[Array, "b inner_x inner_y inner_z 1"]:
    """Sum over the 26 neighbours of max(0, neighbour - centre) / distance.

    Args:
        ar: what computes.
        x: image; each spatial axis at least 3.

    Returns:
        One voxel shorter at each end; distance in voxels.
    """
    centre = x[:, 1:-1, 1:-1, 1:-1]
    total = jnp.zeros_like(centre)
    for offset in itertools.product((-1, 0, 1), repeat=3):
        squared = sum(o * o for o in offset)
        if squared == 0:
            continue
        place = tuple(slice(1 + o, n - 1 + o) for o, n in zip(offset, x.shape[1:4], strict=True))
        rise = jnp.maximum(ar.sub(x[:, *place], centre), 0)
        total = ar.add(total, ar.mul(rise, jnp.asarray(1 / math.sqrt(squared), x.dtype)))
    return total


def gradient_difference(ar: Arithmetic, x: Batch, y: Batch) -> Float[Array, ""]:
    """Mean absolute difference of the rectified differences of two images.

    Args:
        ar: what computes.
        x: image.
        y: image of the same shape.

    Returns:
        Scalar, in the unit of the images.
    """
    return l1(ar, rectified_differences(ar, x), rectified_differences(ar, y))
