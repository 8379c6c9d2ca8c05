"""Discrete Fourier transforms as exact products: no butterflies, whose order is the library's.

Real and imaginary parts of one line are a vector of integers, the cosines and sines a constant
matrix of integers; their product is exact. Each line of each axis has a grid of its own.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Inexact

from mrjax.numerics.host import dft_matrices
from mrjax.numerics.reproducible.elementwise import exact
from mrjax.numerics.reproducible.grid import quantise
from mrjax.numerics.reproducible.rounding import narrow
from mrjax.numerics.reproducible.sums import BLOCK, product_bits


@functools.lru_cache(maxsize=64)
def _table(n: int, bits: int, inverse: bool, real: bool) -> Float[np.ndarray, "rows columns"]:
    """Matrix from [re | im] (or re) to [re | im] of the transform, as integers of unit 2^-bits."""
    cosine, sine = dft_matrices(n)
    sine = -sine if inverse else sine
    rows = (
        [np.hstack([cosine, -sine])]
        if real
        else [np.hstack([cosine, -sine]), np.hstack([sine, cosine])]
    )
    return np.rint(np.vstack(rows) * 2.0**bits)


def _along(x: Inexact[Array, "..."], axis: int, inverse: bool) -> Complex[Array, "..."]:
    n, real = x.shape[axis], not jnp.iscomplexobj(x)
    if 2 * n > BLOCK:
        raise ValueError(f"the exact transform takes at most {BLOCK // 2} points, not {n}")
    lines = x if real else jnp.concatenate([jnp.real(x), jnp.imag(x)], axis)
    bits, table_bits = product_bits(lines.shape[axis])
    q, unit = quantise(lines, bits, (axis,))
    product = jnp.tensordot(q, jnp.asarray(_table(n, table_bits, inverse, real)), ((axis,), (0,)))
    scale = unit * (2.0**-table_bits / math.sqrt(n))
    both = narrow(jnp.moveaxis(product, -1, axis) * scale)
    parts = [jax.lax.slice_in_dim(both, start, start + n, axis=axis) for start in (0, n)]
    return jax.lax.complex(*parts)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
@exact
def transform(
    x: Inexact[Array, "..."], axes: tuple[int, ...], inverse: bool
) -> Complex[Array, "..."]:
    """Orthonormal DFT over axes one after the other, zero frequency first.

    Args:
        x: float32 or complex64.
        axes: not negative.
        inverse: the inverse transform.

    Returns:
        complex64. At each axis of n points the error is at most sqrt(n) 2^(1 - b) of the power of
        two above the largest real or imaginary part of the line, with b = (52 - ceil(log2 n)) // 2
        (n = 64: 23 bits), and one rounding to float32.

    Raises:
        ValueError: an axis is longer than 4096.
    """
    return _transformed(x, axes, inverse)


def _transformed(x: Array, axes: tuple[int, ...], inverse: bool) -> Array:
    for axis in axes:
        x = _along(x, axis, inverse)
    return x


def _forward(x: Array, axes: tuple[int, ...], inverse: bool) -> tuple[Array, Array]:
    return transform(x, axes, inverse), jnp.zeros((), x.dtype)


@exact
def _backward(axes: tuple[int, ...], inverse: bool, kind: Array, gradient: Array) -> tuple[Array]:
    # The matrix is symmetric, so it is its own transpose.
    result = _transformed(gradient, axes, inverse)
    return (result if jnp.iscomplexobj(kind) else jnp.real(result),)


transform.defvjp(_forward, _backward)
