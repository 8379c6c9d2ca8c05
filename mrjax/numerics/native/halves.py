"""A convolution of two halves of its images, which two cores compute at the same time.

XLA's convolution library for CPUs computes one call on one core. Two calls of which neither needs
the other's result run side by side, in a program that is large enough.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

SMALLEST = 8
"""Edge from which a volume is worth two calls."""


def batches(convolve: Callable[[Array], Array], x: Array) -> Array:
    """Convolve both halves of a batch, if it is even and the images are not tiny.

    Args:
        convolve: a convolution.
        x: images (b, x, ..., i).

    Returns:
        The response to x.
    """
    b, depth = x.shape[:2]
    if b % 2 or depth < SMALLEST:
        return convolve(x)
    return jnp.concatenate([convolve(x[: b // 2]), convolve(x[b // 2 :])])


def slabs(convolve: Callable[[Array], Array], x: Array, reach: int) -> Array:
    """Convolve both halves of a batch, or of the first spatial axis if the batch is odd.

    Small volumes, and those of an odd batch that are thinner than twice the reach, stay whole.

    Args:
        convolve: a convolution with zero padding that keeps the spatial axes.
        x: images (b, x, ..., i).
        reach: how many planes along x an output lies at most from the inputs that it needs.

    Returns:
        The response to x.
    """
    b, depth = x.shape[:2]
    if b % 2 == 0 or depth < max(SMALLEST, 2 * reach):
        return batches(convolve, x)
    middle = depth // 2
    first = convolve(x[:, : middle + reach])[:, :middle]
    return jnp.concatenate([first, convolve(x[:, middle - reach :])[:, reach:]], axis=1)
