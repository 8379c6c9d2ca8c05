"""Sums and sums of products whose every partial sum is exact, so that no order changes a bit.

These functions return the exact sum of the operands' grid values, as float64. Callers round it
once, by :func:`mrjax.numerics.reproducible.rounding.narrow`, and define their own gradients.
"""

import math
import string

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.host import MANTISSA
from mrjax.numerics.reproducible.grid import coarsen, integers, log2_ceil, over, quantise, units
from mrjax.numerics.reproducible.rounding import unsigned_zero, wide

BLOCK = 1 << 13
"""Number of products of two 20-bit integers that add exactly in float64."""


def exact_sum(x: Float[Array, "..."], axes: tuple[int, ...]) -> Float[Array, "..."]:
    """Sum over axes; the result depends on the terms, and not on their order or grouping.

    sum = unit * sum of rint(x / unit), where unit = 2^-B times the power of two above the largest
    |x|. With n terms B = min(51, 62 - ceil(log2 n)) bits, and 64-bit integers are added.

    Args:
        x: float32, or float64 of magnitudes from 2^-400 to 2^400.
        axes: the axes to sum over, in rising order; they are dropped.

    Returns:
        float64. The error is at most n 2^-B of the largest magnitude, and one float64 rounding.
        The result is NaN if a term is NaN or infinite.
    """
    n = math.prod(x.shape[a] for a in axes)
    scale, unit = units(x, min(51, 62 - log2_ceil(max(n, 1))), axes)
    total = over(jnp.sum, integers(wide(x) * scale), axes)
    return total.astype(jnp.float64) * jnp.squeeze(unit, axes)


def product_bits(terms: int) -> tuple[int, int]:
    """Return the bits of the two operands of an exact sum of `terms` products.

    Together they are 53 - ceil(log2 terms); each is at least 20 for at most `BLOCK` terms.
    """
    bits = MANTISSA - log2_ceil(terms)
    return (bits + 1) // 2, bits // 2


def exact_dot(spec: str, x: Float[Array, "..."], w: Float[Array, "..."]) -> Float[Array, "..."]:
    """Sum of products over the axes that the operands share and the result lacks.

    Each operand is put on a grid of its own for every index of its other axes. K products leave
    (53 - log2 K) / 2 bits to each factor: 26 bits for one product, 20 for `BLOCK` products. More
    products are added in blocks that the shape fixes: the blocks' exact sums are rounded to a
    coarser grid and then added exactly (:func:`mrjax.numerics.reproducible.grid.coarsen`).

    Args:
        spec: einsum's specification of two operands, without ellipsis, such as "bk,kn->bn".
        x: float32, or float64 of magnitudes from 2^-400 to 2^400.
        w: the other operand, of the same types.

    Returns:
        float64. With b bits for a factor the error is at most K 2^-b times the product of the two
        largest magnitudes, each rounded up to a power of two. A sum with a NaN or infinite factor
        is NaN.
    """
    spec, x, w = _split_long_axes(spec, x, w)
    left, right, out = _parts(spec)
    summed = [c for c in left if c in right and c not in out]
    outer, terms = _blocks([x.shape[left.index(c)] for c in summed])
    left_bits, right_bits = product_bits(terms)
    x, x_unit = quantise(x, left_bits, tuple(left.index(c) for c in summed))
    w, w_unit = quantise(w, right_bits, tuple(right.index(c) for c in summed))
    block = "".join(summed[:outer])
    sums = jnp.einsum(f"{left},{right}->{block}{out}", x, w)
    count = math.prod(sums.shape[:outer])
    total = jnp.sum(coarsen(sums, count), axis=tuple(range(outer)))
    return unsigned_zero(total) * jnp.einsum(spec, x_unit, w_unit)


def _parts(spec: str) -> tuple[str, str, str]:
    left, right, out = spec.replace("->", ",").split(",")
    return left, right, out


def _blocks(sizes: list[int]) -> tuple[int, int]:
    """Return how many leading axes number the blocks, and how many terms a block then has."""
    outer, terms = len(sizes), 1
    while outer and terms * sizes[outer - 1] <= BLOCK:
        outer -= 1
        terms *= sizes[outer]
    return outer, terms


def _split_long_axes(spec: str, x: Array, w: Array) -> tuple[str, Array, Array]:
    """Split each summed axis that is longer than a block into two axes, padded with zeros."""
    left, right, out = _parts(spec)
    unused = iter(sorted(set(string.ascii_letters) - set(spec)))
    for c in left:
        if c in right and c not in out and x.shape[left.index(c)] > BLOCK:
            x, w = _split(x, left.index(c)), _split(w, right.index(c))
            spec = spec.replace(c, next(unused) + c)
            left, right, out = _parts(spec)
    return spec, x, w


def _split(x: Array, axis: int) -> Array:
    blocks = -(-x.shape[axis] // BLOCK)
    size = -(-x.shape[axis] // blocks)
    missing = blocks * size - x.shape[axis]
    x = jnp.pad(x, [(0, missing * (a == axis)) for a in range(x.ndim)])
    return x.reshape(*x.shape[:axis], blocks, size, *x.shape[axis + 1 :])
