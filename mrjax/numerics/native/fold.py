"""Forms of the 3-D cross-correlation: how one axis of the window is folded away.

Notation: the image has channels i, the kernel the window (l, m, n) and i to o channels; x is the
first spatial axis. Every form returns the same sum of l m n i products, in another order.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array


def pad(x: Array, sizes: tuple[int, int, int]) -> Array:
    """Return (b, x, y, z, c) with `sizes` zeros at both ends of the spatial axes."""
    return jnp.pad(x, ((0, 0), *((n, n) for n in sizes), (0, 0)))


def fold_inputs(x: Array, kernel: Array) -> Array:
    """One 2-D convolution of l i channels: the planes x - l//2 .. x + l//2 side by side.

    Reads l copies of the image, so it is for fewer inputs than outputs.
    """
    depth, (length, m, n, inputs, outputs) = x.shape[1], kernel.shape
    padded = pad(x, (length // 2, 0, 0))
    planes = jnp.concatenate([padded[:, a : a + depth] for a in range(length)], axis=-1)
    weights = kernel.transpose(1, 2, 0, 3, 4).reshape(m, n, length * inputs, outputs)
    return _conv_planes(planes, weights)


def fold_outputs(x: Array, kernel: Array) -> Array:
    """One 2-D convolution to l o channels, shifted along x and added.

    Writes l copies of the response, so it is for fewer outputs than inputs.
    """
    depth, (length, m, n, inputs, outputs) = x.shape[1], kernel.shape
    weights = kernel.transpose(1, 2, 3, 0, 4).reshape(m, n, inputs, length * outputs)
    padded = pad(_conv_planes(x, weights), (length // 2, 0, 0))
    total = padded[:, :depth, ..., :outputs]
    for a in range(1, length):
        total = total + padded[:, a : a + depth, ..., a * outputs : (a + 1) * outputs]
    return total


def point(x: Array, kernel: Array) -> Array:
    """A window of one voxel: a matrix product."""
    return jnp.tensordot(x, kernel[0, 0, 0], axes=1)


def _conv_planes(x: Array, kernel: Array) -> Array:
    """Apply a 2-D kernel (m, n, i, o) to every plane x."""
    b, depth, *plane, channels = x.shape
    y = jax.lax.conv_general_dilated(
        x.reshape(b * depth, *plane, channels),
        kernel,
        (1, 1),
        "SAME",
        dimension_numbers=("NyzC", "yzIO", "NyzC"),
    )
    return y.reshape(b, depth, *plane, kernel.shape[-1])


FORMS = {"fold_inputs": fold_inputs, "fold_outputs": fold_outputs, "point": point}
