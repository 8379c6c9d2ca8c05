"""Convolution and kernel gradient as matrix products, plane after plane: exact on any device.

A library's convolution may be a Fourier transform or Winograd's algorithm, which round; a matrix
product consists of sums of products. In 2-D each plane has a single row.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def columns(x: Float[Array, "x i b y z"], window: tuple[int, int]) -> Float[Array, "mni x b y z"]:
    """Lay the m n shifts within planes one after the other, with zeros outside the image."""
    (m, n), (rows, width) = window, x.shape[3:]
    wide = jnp.pad(x, ((0, 0),) * 3 + ((m // 2,) * 2, (n // 2,) * 2)).swapaxes(0, 1)
    wide = jnp.concatenate([wide[..., c : c + width] for c in range(n)])
    return jnp.concatenate([wide[..., b : b + rows, :] for b in range(m)])


def response(
    x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"]
) -> Float[Array, "b *space o"]:
    """Cross-correlate: multiply (l o, m n i) (m n i, b y z) in each plane, shift along x and add.

    y[v, o] = sum over a, i of x[v + a - half, i] kernel[a, i, o], with half = window // 2.

    Args:
        x: images with two or three spatial axes.
        kernel: the window has odd edges.

    Returns:
        An array as large as x.
    """
    if x.ndim == 4:
        return response(x[:, :, None], kernel[:, None])[:, :, 0]
    (batch, depth, *plane, _), (length, *window, _, outputs) = x.shape, kernel.shape
    weights = kernel.transpose(0, 4, 1, 2, 3).reshape(length * outputs, -1)

    def multiply(image: Array) -> Array:
        shifts = columns(image[None], (window[0], window[1]))
        return weights @ shifts.reshape(weights.shape[1], -1)

    parts = jax.lax.map(multiply, x.transpose(1, 4, 0, 2, 3))
    parts = parts.reshape(depth, length, outputs, batch, *plane)
    parts = jnp.pad(parts, ((length // 2,) * 2, *((0, 0),) * 5))
    shifted = [parts[a : a + depth, a] for a in range(length)]
    return functools.reduce(jnp.add, shifted).transpose(2, 0, 3, 4, 1)


def slab_gradient(
    x: Float[Array, "x i b y z"], g: Float[Array, "beyond o b y z"], window: tuple[int, ...]
) -> Float[Array, "l o m n i"]:
    """Compute a slab's part of the kernel gradient, the product (l o, v) (v, m n i).

    Args:
        x: planes of the image.
        g: gradient by the response in these planes and in l // 2 more on each side.
        window: (l, m, n), odd.

    Returns:
        Sum over voxels of x, shifted within planes, times g, shifted along x.
    """
    length, planes = window[0], x.shape[0]
    wide = columns(x, (window[1], window[2]))
    # A plane of g that lies further along x belongs to an earlier tap.
    near = [g[a : a + planes].swapaxes(0, 1) for a in range(length - 1, -1, -1)]
    flat = [y.reshape(y.shape[0], -1) for y in (jnp.concatenate(near), wide)]
    sums = jax.lax.dot_general(flat[0], flat[1], (((1,), (1,)), ((), ())))
    return sums.reshape(length, -1, *window[1:], x.shape[1])
