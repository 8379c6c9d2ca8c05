"""Max pooling whose gradient is the same on every backend and equals torch's.

The library's pooling gradient is a scatter on GPUs (atomic, and refused by XLA's deterministic
mode: google/flax#4233); reshape-then-max splits the gradient among equal maxima. On a masked
brain most windows hold nothing but equal zeros, so the rule for ties matters: here, as in torch,
the first maximum in row-major order takes the whole gradient. The code only compares and selects,
so the result is exact in any arithmetic.
"""

import itertools
from collections.abc import Sequence
from functools import reduce

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def _corners(x: Array) -> list[Array]:
    """Return the 2^d strided views of x, in row-major order of their place in a window."""
    offsets = itertools.product((0, 1), repeat=x.ndim - 2)
    return [x[(slice(None), *(slice(o, None, 2) for o in place))] for place in offsets]


def _interleave(corners: Sequence[Array]) -> Array:
    """Undo `_corners`: stack the last axis's pairs first, then the next."""
    dims = corners[0].ndim - 2
    parts = list(corners)
    for axis in range(dims, 0, -1):
        pairs = [
            jnp.stack(pair, axis=axis + 1) for pair in zip(parts[::2], parts[1::2], strict=True)
        ]
        shape = list(parts[0].shape)
        shape[axis] *= 2
        parts = [p.reshape(shape) for p in pairs]
    return parts[0]


@jax.custom_vjp
def max_pool(x: Float[Array, "b *space c"]) -> Float[Array, "b *halved c"]:
    """Maximum over windows of 2 along each spatial axis: y[v] = max over a of x[2 v + a].

    Args:
        x: batch first, channels last; spatial axes of even length.

    Returns:
        An array half as long along each spatial axis.

    Raises:
        ValueError: if a spatial axis is odd.
    """
    if any(n % 2 for n in x.shape[1:-1]):
        raise ValueError(f"max_pool needs even spatial axes, not {x.shape[1:-1]}")
    return reduce(jnp.maximum, _corners(x))


def _forward(x: Array) -> tuple[Array, tuple[Array, Array]]:
    y = max_pool(x)
    return y, (x, y)


def _backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    x, y = saved
    zero = jnp.zeros_like(gradient)
    free = jnp.ones(y.shape, bool)
    parts = []
    for corner in _corners(x):
        chosen = (corner == y) & free
        free = free & ~chosen
        parts.append(jnp.where(chosen, gradient, zero))
    return (_interleave(parts),)


max_pool.defvjp(_forward, _backward)
