"""Discrete Fourier transforms as exact matrix products, which do not depend on a library's order.

The real and imaginary parts of one line are a vector of integers, the cosines and sines a constant
matrix of integers, and their product is exact. Each line of each axis has a grid of its own.
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
from mrjax.numerics.reproducible.rounding import narrow, unsigned_zero
from mrjax.numerics.reproducible.sums import BLOCK, product_bits
from mrjax.numerics.stored import stored


@functools.lru_cache(maxsize=64)
def _tables(n: int, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cosines of frequencies 0 .. n // 2 and sines of 1 .. (n - 1) // 2, times 2^bits."""
    cosine, sine = dft_matrices(n)
    low, inner = slice(0, n // 2 + 1), slice(1, (n + 1) // 2)
    return np.rint(cosine[low, low] * 2.0**bits), np.rint(sine[inner, inner] * 2.0**bits)


def _sums(q: Float[Array, "p *lines n"], bits: int, inverse: bool) -> Float[Array, "2 *lines n"]:
    """Transform integers to integers; real and imaginary parts are the first axis.

    Points j and n - j have the same cosine and opposite sines, and so have frequencies k and n - k.
    So a quarter of the products is enough, and their sums are the same integers.
    """
    n = q.shape[-1]
    inner = (n - 1) // 2
    start, end = q[..., 1 : inner + 1], jnp.flip(q[..., n - inner :], -1)
    even = jnp.concatenate([q[..., :1], start + end, q[..., inner + 1 : n - inner]], -1)
    cosines, sines = _tables(n, bits)
    c, s = even @ cosines, (start - end) @ sines
    missing = [(0, 2 - q.shape[0])] + [(0, 0)] * (q.ndim - 2)
    c = jnp.pad(c, [*missing, (0, 0)])
    s = jnp.pad(s, [*missing, (1, n // 2 - inner)])
    turned = jnp.stack([-s[1], s[0]])  # i s
    low, high = (c + turned, c - turned) if inverse else (c - turned, c + turned)
    return jnp.concatenate([low, jnp.flip(high[..., 1 : inner + 1], -1)], -1)


def _along(x: Inexact[Array, "..."], axis: int, inverse: bool) -> Complex[Array, "..."]:
    n, x = x.shape[axis], stored(x)
    if 2 * n > BLOCK:
        raise ValueError(f"the exact transform takes at most {BLOCK // 2} points, not {n}")
    parts = jnp.stack([jnp.real(x), jnp.imag(x)] if jnp.iscomplexobj(x) else [x])
    bits, table_bits = product_bits(n * parts.shape[0])
    lines = jnp.moveaxis(parts, axis + 1, -1)
    q, unit = quantise(lines, bits, (0, lines.ndim - 1))
    scale = unit * (2.0**-table_bits / math.sqrt(n))
    both = narrow(unsigned_zero(_sums(q, table_bits, inverse)) * scale)
    return jax.lax.complex(*jnp.moveaxis(both, -1, axis + 1))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
@exact
def transform(
    x: Inexact[Array, "..."], axes: tuple[int, ...], inverse: bool
) -> Complex[Array, "..."]:
    """Orthonormal DFT over axes one after the other, the zero frequency first.

    X[k] = n^(-1/2) sum over j of x[j] exp(-2 pi i j k / n) along each axis of n points; the inverse
    has + for -.

    Args:
        x: float32 or complex64.
        axes: the axes to transform, not negative.
        inverse: whether to compute the inverse transform.

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
