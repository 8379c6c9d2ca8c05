"""Forms of a convolution's gradient by its kernel.

dK[a, b, c, i, o] = sum over voxels v of x[v + (a, b, c) - half, i] g[v, o], where x is the image
and g the gradient by the output. Every form is a few matrix products that are summed over voxels.
The forms differ in which shifts (a, b, c) are laid side by side in x, and which, with opposite
sign, in g.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from mrjax.numerics.native import fold


def _product(x: Array, g: Array) -> Array:
    """Sum over voxels: (v, i), (v, o) to (i, o)."""
    return jax.lax.dot_general(x, g, (((0,), (0,)), ((), ())))


def _planar(x: Array) -> Array:
    """Turn (b, x, y, z, c) into planes (b x, c, y, z), so that a shift moves whole rows."""
    return x.reshape(-1, *x.shape[2:]).transpose(0, 3, 1, 2)


def _shifted_gradients(g: Array, length: int) -> Array:
    """Lay the l shifts of the gradient along x one after the other: (b x, l o, y z)."""
    b, depth, *plane, outputs = g.shape
    padded = _planar(fold.pad(g, (length // 2, 0, 0))).reshape(b, -1, outputs, *plane)
    starts = range(length - 1, -1, -1)
    shifted = jnp.concatenate([padded[:, a : a + depth] for a in starts], axis=2)
    return shifted.reshape(b * depth, length * outputs, -1)


def _as_kernel(w: Array, window: tuple[int, ...]) -> Array:
    """Undo the layout (l o, m n i)."""
    length, m, n = window
    return w.reshape(length, -1, m, n, w.shape[1] // (m * n)).transpose(0, 2, 3, 4, 1)


def planes(x: Array, g: Array, window: tuple[int, ...]) -> Array:
    """Multiply (l o, v) by (v, m n i) plane by plane, so that m n copies of a plane stay cached."""
    length, m, n = window
    ny, nz = x.shape[2:4]
    padded = _planar(fold.pad(x, (0, m // 2, n // 2)))
    shifted = _shifted_gradients(g, length)

    def add(total: Array, plane: tuple[Array, Array]) -> tuple[Array, None]:
        rows = jnp.concatenate([plane[0][:, :, c : c + nz] for c in range(n)])
        columns = jnp.concatenate([rows[:, b : b + ny] for b in range(m)]).reshape(-1, ny * nz)
        return total + jax.lax.dot_general(plane[1], columns, (((1,), (1,)), ((), ()))), None

    start = jnp.zeros((shifted.shape[1], m * n * x.shape[-1]), x.dtype)
    return _as_kernel(jax.lax.scan(add, start, (padded, shifted))[0], window)


def convolutions(x: Array, g: Array, window: tuple[int, ...]) -> Array:
    """Compute one 2-D convolution for each shift along x; batch and channels change places."""
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
    """Multiply matrices, for a window of one voxel."""
    w = _product(x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1]))
    return w.reshape(*window, *w.shape)


FORMS = {"planes": planes, "convolutions": convolutions, "point": point}
