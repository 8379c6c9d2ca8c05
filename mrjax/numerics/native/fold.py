"""Forms of the 3-D cross-correlation, which fold the window's first axis into another axis.

Notation: the image has i channels; the kernel has the window (l, m, n) and takes i channels to o;
x is the first spatial axis. Every form adds the same l m n i products, in an order of its own.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array


def wide(x: Array) -> Array:
    """Return x in its own type, but 16-bit types as float32, in which they are computed."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def pad(x: Array, sizes: tuple[int, int, int]) -> Array:
    """Pad (b, x, y, z, c) with `sizes` zeros at both ends of the spatial axes."""
    return jnp.pad(x, ((0, 0), *((n, n) for n in sizes), (0, 0)))


def fold_inputs(x: Array, kernel: Array) -> Array:
    """Compute one 2-D convolution of l i channels: the planes x - l//2 .. x + l//2 side by side.

    This form reads l copies of the image, so it suits fewer inputs than outputs.
    """
    depth, (length, m, n, inputs, outputs) = x.shape[1], kernel.shape
    padded = pad(x, (length // 2, 0, 0))
    planes = jnp.concatenate([padded[:, a : a + depth] for a in range(length)], axis=-1)
    weights = kernel.transpose(1, 2, 0, 3, 4).reshape(m, n, length * inputs, outputs)
    return _conv_planes(planes, weights)


def fold_outputs(x: Array, kernel: Array) -> Array:
    """Compute one 2-D convolution to l o channels; shift the l responses along x and add them.

    This form writes l copies of the response, so it suits fewer outputs than inputs.
    """
    length, m, n, inputs, outputs = kernel.shape
    weights = kernel.transpose(1, 2, 3, 0, 4).reshape(m, n, inputs, length * outputs)
    return _shift_add(_conv_planes(x, weights), length)


def patches(x: Array, kernel: Array) -> Array:
    """Compute one matrix product of (m n i) to (l o); shift the l responses along x and add them.

    This form suits planes smaller than the window, for which XLA calls no convolution library.
    """
    length, m, n, inputs, outputs = kernel.shape
    columns = side_by_side(pad(x, (0, m // 2, n // 2)), m, n)
    weights = kernel.transpose(1, 2, 3, 0, 4).reshape(m * n * inputs, length * outputs)
    return _shift_add(jnp.tensordot(columns, weights, axes=1), length)


def point(x: Array, kernel: Array) -> Array:
    """Multiply matrices, for a window of one voxel."""
    return jnp.tensordot(x, kernel[0, 0, 0], axes=1)


def side_by_side(x: Array, m: int, n: int) -> Array:
    """Lay the m n shifts within padded planes (..., y + m - 1, z + n - 1, i) side by side.

    The two axes are shifted one after the other: m + n pieces compile several times faster than
    m n pieces.
    """
    ny, nz = x.shape[-3] - m + 1, x.shape[-2] - n + 1
    rows = jnp.concatenate([x[..., c : c + nz, :] for c in range(n)], axis=-1)
    return jnp.concatenate([rows[..., b : b + ny, :, :] for b in range(m)], axis=-1)


def _shift_add(y: Array, length: int) -> Array:
    """Shift each of the l responses by its offset along x and add: (..., l o) to (..., o)."""
    depth, outputs = y.shape[1], y.shape[-1] // length
    terms = []
    for place in range(length):
        shift = place - length // 2
        term = y[:, max(shift, 0) : depth + min(shift, 0), ..., outputs * place :][..., :outputs]
        # Padding each term, not the whole, is what XLA fuses into the sum.
        ends = (min(max(-shift, 0), depth), min(max(shift, 0), depth))
        term = jnp.pad(term, ((0, 0), ends, (0, 0), (0, 0), (0, 0)))
        terms.append(term)
    return functools.reduce(jnp.add, terms)


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


FORMS = {
    "fold_inputs": fold_inputs,
    "fold_outputs": fold_outputs,
    "patches": patches,
    "point": point,
}
