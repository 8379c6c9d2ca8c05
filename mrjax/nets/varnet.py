"""The variational network: unrolled gradient steps on a learnt regulariser and the data term.

u_(t+1) = u_t - (1/F) sum over i = 1 .. F of K_i^T phi_i(K_i u_t) - lambda A*(A u_t - f), with
filters K_i, activation functions phi_i and a data weight lambda of each stage t, the sampling
operator A and the measured k-space f.

Source: Hammernik et al., Magn Reson Med 79:3055 (2018), Eq. 4-6. Where the paper leaves something
open, the public PyTorch code rixez/pytorch_mri_variationalnetwork (models.py): the response is
divided by the number F of filters, edges are reflected, the input's largest magnitude is 1.
"""

import math
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.exact import divisor, finite_or_nan, parts, reflect, safe_unit
from mrjax.physics import sense

LIMIT = 1.0
"""The outermost nodes of the activation functions lie at -LIMIT and LIMIT."""

Image = Complex[Array, "b row column"]
Coils = Complex[Array, "b coil row column"]
Columns = Float[Array, "b column"]
_zeros = nn.initializers.zeros


def to_channels(image: Complex[Array, "*axes"]) -> Float[Array, "*axes 2"]:
    """Put real and imaginary part into a last axis."""
    return jnp.stack(parts(image), axis=-1)


def to_complex(channels: Float[Array, "*axes 2"]) -> Complex[Array, "*axes"]:
    """Inverse of `to_channels`."""
    # The gradient of an index would add zeros; the gradient of a split is a concatenation.
    real, imag = jax.lax.split(channels, (1, 1), axis=channels.ndim - 1)
    return jax.lax.complex(real.reshape(channels.shape[:-1]), imag.reshape(channels.shape[:-1]))


def regulariser_gradient(
    ar: Arithmetic,
    image: Image,
    kernel: Float[Array, "window window 2 f"],
    weights: Float[Array, "f n"],
) -> Image:
    """Gradient of the regulariser, (1/F) sum over filters i = 1 .. F of K_i^T phi_i(K_i u).

    phi_i(x) = sum over j of w_ij exp(-(x - mu_j)^2 / (2 s^2)). The image is reflected at its edges
    by as many pixels as both convolutions reach (the public code reflects one pixel more and cuts
    it off again).

    Args:
        ar: the arithmetic.
        image: u; both axes are longer than twice half the window.
        kernel: K, real and imaginary part of each filter.
        weights: w, of the radial basis functions, whose nodes mu lie on [-1, 1] at a distance s.

    Returns:
        An image of the same shape.

    Source: Hammernik et al. 2018, Eq. 4-6.
    """
    half, filters = kernel.shape[0] // 2, kernel.shape[-1]
    wide = reflect(ar, to_channels(image), 2 * half)
    response = _crop(ar.conv(wide, kernel), half)
    active = ar.rbf(response, weights.astype(response.dtype), -LIMIT, LIMIT)
    transposed = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    back = _crop(ar.conv(active, transposed), half).astype(kernel.dtype)
    return to_complex(ar.div(back, jnp.asarray(filters, back.dtype)))


def _crop(x: Float[Array, "b row column c"], margin: int) -> Array:
    """Cut `margin` pixels off each edge, where the convolution met the zeros outside."""
    rows, columns = x.shape[1:3]
    return x[:, margin : rows - margin, margin : columns - margin]


class Stage(nn.Module):
    """One gradient step: u - grad R(u) - lambda A*(A u - f).

    Attributes:
        width: number of complex filters.
        window: edge of a filter, odd [pixels].
        nodes: number of nodes of each activation function.
        arithmetic: the arithmetic.
    """

    width: int
    window: int
    nodes: int
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, image: Image, kspace: Coils, maps: Coils, mask: Columns) -> Image:
        """Return the next image."""
        ar = self.arithmetic
        kernel = self.param(
            "kernel", _zeros, (self.window, self.window, 2, self.width), jnp.float32
        )
        rbf = self.param("rbf", _zeros, (self.width, self.nodes), jnp.float32)
        data_weight = self.param("data_weight", _zeros, (), jnp.float32)
        filtered, measured, start = ar.copies(image, 3)
        smooth = regulariser_gradient(ar, filtered, kernel, rbf)
        residual = ar.sub(sense.forward(ar, measured, maps, mask), kspace)
        data = ar.mul(sense.adjoint(ar, residual, maps, mask), data_weight)
        return ar.sub(ar.sub(start, smooth), data)


class VarNet(nn.Module):
    """Variational network: one `Stage` after the other.

    Attributes:
        arithmetic: the arithmetic.
        width: number of complex filters of a stage; 24 give 65,530 parameters, 48 give 131,050.
        stages: number of steps, each with parameters of its own.
        window: edge of a filter, odd [pixels].
        nodes: number of nodes of each activation function, equidistant on [-1, 1].
    """

    arithmetic: Arithmetic
    width: int = 24
    stages: int = 10
    window: int = 11
    nodes: int = 31

    @nn.compact
    def __call__(self, image: Image, kspace: Coils, maps: Coils, mask: Columns) -> Image:
        """Reconstruct an image.

        Args:
            image: zero-filled reconstruction, of largest magnitude 1.
            kspace: samples in the same unit, the zero frequency at n // 2; zero where nothing was
                acquired.
            maps: coil sensitivity maps.
            mask: 1 for acquired columns, 0 for others.

        Returns:
            The image in the unit of the input.
        """
        for i in range(self.stages):
            stage = Stage(self.width, self.window, self.nodes, self.arithmetic, name=f"stage{i}")
            image = stage(image, kspace, maps, mask)
        return image


def project(ar: Arithmetic, params: Mapping[str, Any]) -> dict[str, Any]:
    """Project the parameters onto the allowed set after an update.

    k = (k - mean k) / ||k - mean k|| for each filter k, over window, real and imaginary part;
    lambda = max(lambda, 0) for each data weight, and NaN where it overflowed.

    Args:
        ar: the arithmetic.
        params: parameters of a `VarNet`.

    Returns:
        A tree of the same structure.

    Source: Hammernik et al. 2018, "Training"; misc_utils.py (zero_mean_norm_ball) of the public
    code.
    """
    return {
        name: {
            "kernel": zero_mean_unit_norm(ar, stage["kernel"]),
            "rbf": stage["rbf"],
            "data_weight": jnp.maximum(finite_or_nan(stage["data_weight"]), 0),
        }
        for name, stage in params.items()
    }


def zero_mean_unit_norm(
    ar: Arithmetic, kernel: Float[Array, "window window 2 f"]
) -> Float[Array, "window window 2 f"]:
    """Return (k - mean k) / ||k - mean k|| for each filter k; a filter of zeros stays zero."""
    axes, shape = (0, 1, 2), (1, 1, 1, kernel.shape[-1])
    centred = ar.sub(kernel, ar.mean(kernel, axes).reshape(shape))
    centred = ar.div(centred, safe_unit(jnp.max(jnp.abs(centred), axes).reshape(shape)))
    norm = ar.sqrt(ar.sum(ar.mul(centred, centred), axes)).reshape(shape)
    return ar.div(centred, divisor(norm))


def initial_kernel(kernel: Float[np.ndarray, "window window 2 f"]) -> np.ndarray:
    """Do the same on the host by correctly rounded sums, with the same bits on every machine.

    Args:
        kernel: drawn values.

    Returns:
        float32; each filter has zero mean and unit norm.
    """
    flat = np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1])
    centred = flat - np.array([math.fsum(c) / len(c) for c in flat.T])
    norms = np.sqrt(np.array([math.fsum(c * c) for c in centred.T]))
    return (centred / norms).reshape(kernel.shape).astype(np.float32)
