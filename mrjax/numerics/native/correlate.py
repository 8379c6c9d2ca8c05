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


def planes(x: Array, g: Array, window: tuple[int, ...]) -> Array:
    """Multiply (l o, v) by (v, m n i) plane by plane, so that the copies of a plane stay cached.

    The first and the second half of the planes are summed side by side, on two cores.
    """
    length, m, n = window
    b, depth, ny, nz, inputs = x.shape
    images = x.reshape(b * depth, ny, nz, inputs)
    padded = fold.pad(g, (length // 2, 0, 0)).reshape(b, -1, ny * nz, g.shape[-1])

    def add(total: Array, place: Array) -> tuple[Array, None]:
        image = jax.lax.dynamic_index_in_dim(images, place, keepdims=False).transpose(2, 0, 1)
        columns = _shifted(jnp.pad(image, ((0, 0), (m // 2,) * 2, (n // 2,) * 2)), ny, nz)
        start = (place // depth, place % depth, 0, 0)
        near = jax.lax.dynamic_slice(padded, start, (1, length, *padded.shape[2:]))
        rows = near[0, ::-1].transpose(0, 2, 1).reshape(-1, ny * nz)
        return total + jax.lax.dot_general(rows, columns, (((1,), (1,)), ((), ()))), None

    zeros = jnp.zeros((length * g.shape[-1], m * n * inputs), x.dtype)
    halves = jnp.arange(b * depth // 2), jnp.arange(b * depth // 2, b * depth)
    first, second = (jax.lax.scan(add, zeros, half)[0] for half in halves)
    return _as_kernel(first + second, window)


def _shifted(image: Array, ny: int, nz: int) -> Array:
    """Lay the shifts of a padded plane (i, y + m - 1, z + n - 1) one after the other."""
    starts = range(image.shape[2] - nz + 1)
    rows = jnp.concatenate([image[..., c : c + nz] for c in starts])
    starts = range(image.shape[1] - ny + 1)
    return jnp.concatenate([rows[:, b : b + ny] for b in starts]).reshape(-1, ny * nz)


def _as_kernel(w: Array, window: tuple[int, ...]) -> Array:
    """Undo the layout (l o, m n i)."""
    length, m, n = window
    return w.reshape(length, -1, m, n, w.shape[1] // (m * n)).transpose(0, 2, 3, 4, 1)


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
