"""Forms of the gradient by the kernel: correlations of the image with the output's gradient.

dK[a, b, c, i, o] = sum over voxels v of x[v + (a, b, c) - half, i] g[v, o]. Every form is a few
matrix products whose contracted axis is the voxels; they differ in which shifts are laid out side
by side in x, and which, with opposite sign, in g.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from mrjax.numerics.native import fold


def _product(x: Array, g: Array) -> Array:
    """Sum over voxels: (v, i), (v, o) to (i, o)."""
    return jax.lax.dot_general(x, g, (((0,), (0,)), ((), ())))


def _shifted_gradients(g: Array, length: int) -> Array:
    """Lay the gradient's l shifts along x side by side: (b, x, y, z, l o)."""
    depth, padded = g.shape[1], fold.pad(g, (length // 2, 0, 0))
    starts = range(length - 1, -1, -1)
    return jnp.concatenate([padded[:, a : a + depth] for a in starts], axis=-1)


def _as_kernel(w: Array, window: tuple[int, ...]) -> Array:
    """Undo the layout (m n i, l o)."""
    length, m, n = window
    return w.reshape(m, n, w.shape[0] // (m * n), length, -1).transpose(3, 0, 1, 2, 4)


def planes(x: Array, g: Array, window: tuple[int, ...]) -> Array:
    """(l o, v) (v, m n i), plane after plane: the m n copies of one plane stay in the cache."""
    length, m, n = window
    padded = fold.pad(x, (0, m // 2, n // 2))
    shifted = _shifted_gradients(g, length)
    voxels, outputs = g.shape[2] * g.shape[3], shifted.shape[-1]

    def add(total: Array, plane: tuple[Array, Array]) -> tuple[Array, None]:
        columns = fold.side_by_side(plane[0], m, n).reshape(voxels, -1)
        return total + _product(plane[1], columns), None

    start = jnp.zeros((outputs, m * n * x.shape[-1]), x.dtype)
    each = (padded.reshape(-1, *padded.shape[2:]), shifted.reshape(-1, voxels, outputs))
    return _as_kernel(jax.lax.scan(add, start, each)[0].T, window)


def convolutions(x: Array, g: Array, window: tuple[int, ...]) -> Array:
    """For each shift along x a 2-D convolution in which batch and channels change places."""
    depth, (length, m, n) = x.shape[1], window
    padded = fold.pad(x, (length // 2, 0, 0))
    flat = g.reshape(-1, *g.shape[2:])

    def plane_kernel(a: int) -> Array:
        image = padded[:, a : a + depth].reshape(-1, *x.shape[2:])
        return jax.lax.conv_general_dilated(
            image,
            flat,
            (1, 1),
            ((m // 2, m // 2), (n // 2, n // 2)),
            dimension_numbers=("CyzN", "IyzO", "yzNC"),
        )

    return jnp.stack([plane_kernel(a) for a in range(length)])


def point(x: Array, g: Array, window: tuple[int, ...]) -> Array:
    """A window of one voxel: a matrix product."""
    w = _product(x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1]))
    return w.reshape(*window, *w.shape)


FORMS = {"planes": planes, "convolutions": convolutions, "point": point}
