"""Kernel gradients by exact sums over voxels, in blocks that the shape alone determines.

dK[a, b, c, i, o] = sum over voxels v of x[v + (a, b, c) - half, i] g[v, o] has as many terms as
the batch has voxels, more than add exactly with twenty bits in each factor. So the image is
divided into slabs: each slab's sum is exact and is rounded to a coarser grid, and the rounded sums
add exactly. Both forms use the same slabs and return the same bits.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.reproducible.grid import coarsen, quantise
from mrjax.numerics.reproducible.products import slab_gradient
from mrjax.numerics.reproducible.rounding import narrow, unsigned_zero
from mrjax.numerics.reproducible.sums import BLOCK, exact_dot, product_bits

CACHE = 1 << 18
"""How many numbers the shifted copies of a slab may have together (2 MiB)."""


class Slabs(NamedTuple):
    """How the terms of a sum over (sample, x, y, z) are divided.

    Attributes:
        samples: number of samples in one slab: all of the batch, or one.
        planes: number of planes along x in one slab.
        blocks: number of exact sums, which are rounded to a coarser grid; 1 where all terms add
            exactly.
        terms: number of terms of a block.
    """

    samples: int
    planes: int
    blocks: int
    terms: int


def slabs(shape: tuple[int, ...], copies: int) -> Slabs:
    """Divide a volume into slabs of whole planes.

    Args:
        shape: shape of the batch, (b, x, y, z).
        copies: number of shifted copies of each voxel; more copies need smaller slabs.

    Returns:
        The largest slabs of at most `BLOCK` terms and `CACHE` numbers, or single planes.
    """
    batch, depth, rows, columns = shape
    samples = batch if batch * rows * columns <= BLOCK else 1
    plane = samples * rows * columns
    fitting = [
        p
        for p in range(1, depth + 1)
        if depth % p == 0 and p * plane <= BLOCK and p * plane * copies <= CACHE
    ]
    planes = max(fitting, default=1)
    everything = batch * depth * rows * columns
    if everything <= BLOCK:
        return Slabs(samples, planes, 1, everything)
    return Slabs(samples, planes, everything // (planes * plane), planes * plane)


def kernel_gradient(
    x: Float[Array, "b *space i"], g: Float[Array, "b *space o"], window: tuple[int, ...], form: str
) -> Float[Array, "*window i o"]:
    """Return the gradient of a convolution by its kernel: an exact sum, rounded once.

    Each channel has one grid for the whole batch.

    Args:
        x: float32 images that were convolved; two or three spatial axes.
        g: float32 gradient by the response.
        window: odd edges of the kernel's window.
        form: ``lax`` or ``products``, without effect on the result.

    Returns:
        float32. The error of K terms is at most K 2^-b times the product of the largest magnitudes,
        each rounded up to a power of two, with b = (53 - log2 of the terms of a block) / 2 bits; b
        is at least 20 where a plane has at most `BLOCK` voxels.
    """
    if x.ndim == 4:
        flat = (window[0], 1, window[1])
        return kernel_gradient(x[:, :, None], g[:, :, None], flat, form)[:, 0]
    inputs, outputs = x.shape[-1], g.shape[-1]
    if all(w == 1 for w in window):
        summed = exact_dot("vi,vo->io", x.reshape(-1, inputs), g.reshape(-1, outputs))
        return narrow(summed).reshape(*window, inputs, outputs)
    if inputs > outputs:  # x and g change places, mirrored, so that the larger one is not copied
        return jnp.flip(kernel_gradient(g, x, window, form), (0, 1, 2)).swapaxes(3, 4)
    return _volume(x, g, window, form)


def _volume(x: Array, g: Array, window: tuple[int, ...], form: str) -> Array:
    plan = slabs(x.shape[:4], window[1] * window[2] * x.shape[-1])
    bits = product_bits(plan.terms)
    axes = (0, 1, 2, 3)
    (x, x_unit), (g, g_unit) = quantise(x, bits[0], axes), quantise(g, bits[1], axes)
    total = unsigned_zero(sums(x, g, window, plan, form))
    return narrow(total * (x_unit.swapaxes(3, 4) * g_unit))


def sums(
    x: Float[Array, "b x y z i"],
    g: Float[Array, "b x y z o"],
    window: tuple[int, ...],
    plan: Slabs,
    form: str,
) -> Float[Array, "l m n i o"]:
    """Compute the kernel gradient of integers, without their units.

    Args:
        x: integers in float64, of as many bits as the plan's terms allow.
        g: integers of the gradient by the response, likewise.
        window: (l, m, n), odd.
        plan: the division that `slabs` returned.
        form: ``lax`` or ``products``.

    Returns:
        Sums of the slabs' exact sums, which are rounded to the coarser grid if there are several.
    """
    groups = x.shape[0] // plan.samples
    x, g = (q.reshape(groups, plan.samples, *q.shape[1:]) for q in (x, g))
    parts = jax.vmap(lambda image, near: _scan(image, near, window, plan, LAYOUTS[form]))(x, g)
    return jnp.sum(parts, 0).transpose(0, 2, 3, 4, 1)


def _scan(x: Array, g: Array, window: tuple[int, ...], plan: Slabs, product: Callable) -> Array:
    """Add over the slabs of (b, x, y, z, c) integers, giving (l, o, m, n, i)."""
    (_, depth, *plane, inputs), reach = x.shape, window[0] // 2
    image = x.transpose(1, 4, 0, 2, 3).reshape(-1, plan.planes, inputs, plan.samples, *plane)
    near = jnp.pad(g.transpose(1, 4, 0, 2, 3), ((reach, reach), *((0, 0),) * 4))

    def add(total: Array, slab: tuple[Array, Array]) -> tuple[Array, None]:
        start, planes = slab
        halo = jax.lax.dynamic_slice_in_dim(near, start, plan.planes + 2 * reach)
        return total + coarsen(product(planes, halo, window), plan.blocks), None

    start = jnp.zeros((window[0], g.shape[-1], *window[1:], inputs))
    return jax.lax.scan(add, start, (jnp.arange(0, depth, plan.planes), image))[0]


def _library(x: Array, g: Array, window: tuple[int, ...]) -> Array:
    """Convolve g by x once, summing over the batch, and mirror the result."""
    _, m, n = window
    mirrored = jax.lax.conv_general_dilated(
        g,
        x,
        (1, 1, 1),
        ((0, 0), (m // 2, m // 2), (n // 2, n // 2)),
        dimension_numbers=("xNCyz", "xOIyz", "xNyzC"),
    )
    return jnp.flip(mirrored, (0, 2, 3))


LAYOUTS = {"products": slab_gradient, "lax": _library}
"""Form -> function from ((x, i, b, y, z), (x and beyond, o, b, y, z)) to a slab's sum
(l, o, m, n, i)."""
