"""Exact convolutions: integers on grids, added in any order by any form, rounded once.

Each sample has a grid of its own, so that a prediction does not depend on its neighbours in the
batch, and so has the kernel of each output channel. The form changes the time, but no bit.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.native import conv as forms
from mrjax.numerics.native import fold, halves
from mrjax.numerics.reproducible import products
from mrjax.numerics.reproducible.correlate import LAYOUTS, kernel_gradient
from mrjax.numerics.reproducible.elementwise import exact
from mrjax.numerics.reproducible.grid import coarsen, quantise
from mrjax.numerics.reproducible.rounding import narrow, unsigned_zero
from mrjax.numerics.reproducible.sums import BLOCK, exact_dot, product_bits
from mrjax.numerics.stored import stored


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv(
    x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"], form: str
) -> Float[Array, "b *space o"]:
    """Cross-correlate with stride 1 and zero padding to the same size; rounded once.

    y[v, o] = sum over a, i of x[v + a - half, i] kernel[a, i, o], with half = window // 2.

    Args:
        x: float32, with two or three spatial axes.
        kernel: float32; the window has odd edges.
        form: ``lax`` or ``products``, without effect on the result.

    Returns:
        float32. With K terms and b bits the error is at most K 2^-b times the product of the
        largest magnitudes of a sample and of an output channel's kernel, each rounded up to a
        power of two. b is at least 20 if the window has at most `BLOCK` = 2^13 places (a window of
        21^3 has 9261, and its kernel 19 bits).

    Raises:
        ValueError: for an unknown form or an even window.
    """
    return _response(x, kernel, form)


@exact
def _response(x: Array, kernel: Array, form: str) -> Array:
    window, inputs, outputs = kernel.shape[:-2], x.shape[-1], kernel.shape[-1]
    if form not in LAYOUTS or any(w % 2 == 0 for w in window):
        raise ValueError(f"expected lax or products and odd windows, not {form!r} and {window}")
    if all(w == 1 for w in window):
        product = exact_dot("vi,io->vo", x.reshape(-1, inputs), kernel.reshape(inputs, outputs))
        return narrow(product).reshape(*x.shape[:-1], outputs)
    size = max(1, min(inputs, BLOCK // math.prod(window)))
    bits = product_bits(math.prod(window) * size)
    axes = tuple(range(x.ndim))
    x, x_unit = quantise(x, bits[0], axes[1:])
    kernel, kernel_unit = quantise(kernel, bits[1], axes[:-1])
    starts = range(0, inputs, size)
    blocks = [sums(x[..., a : a + size], kernel[..., a : a + size, :], form) for a in starts]
    total = functools.reduce(jnp.add, [coarsen(block, len(blocks)) for block in blocks])
    return stored(narrow(unsigned_zero(total) * (x_unit * kernel_unit)))


def sums(
    x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"], form: str
) -> Float[Array, "b *space o"]:
    """Convolve integers in float64, which is exact if all sums are below 2^53.

    Args:
        x: integers.
        kernel: integers.
        form: ``lax`` calls the device's convolution library; ``products`` calls it on a CPU only.

    Returns:
        An array as large as x.
    """
    if form == "products":
        return jax.lax.platform_dependent(x, kernel, cpu=_on_a_cpu, default=products.response)
    return forms.conv(x, kernel, form)


def _on_a_cpu(x: Array, kernel: Array) -> Array:
    """Compute one convolution of all planes (in 2-D of all rows) to the responses of neighbours.

    In float64 this form is the fastest at every shape: the library is slow with few output
    channels.
    """
    if x.ndim == 4:
        return _on_a_cpu(x[:, :, None], kernel[:, None])[:, :, 0]
    if any(n < w for n, w in zip(x.shape[2:4], kernel.shape[1:3], strict=True)):
        return fold.patches(x, kernel)
    whole = functools.partial(fold.fold_outputs, kernel=kernel)
    return halves.slabs(whole, x, kernel.shape[0] // 2)


def _forward(x: Array, kernel: Array, form: str) -> tuple[Array, tuple[Array, Array]]:
    return _response(x, kernel, form), (x, kernel)


@exact
def _backward(form: str, saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = saved
    window = kernel.shape[:-2]
    mirrored = jnp.flip(kernel, range(len(window))).swapaxes(-2, -1)
    return _response(gradient, mirrored, form), kernel_gradient(x, gradient, window, form)


conv.defvjp(_forward, _backward)


@jax.custom_vjp
def conv_transpose(
    x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"]
) -> Float[Array, "b *larger o"]:
    """Transposed convolution whose stride is its window w: a matrix product, rounded once.

    y[w v + a, o] = sum over i of x[v, i] kernel[a, i, o].

    Args:
        x: float32, with two or three spatial axes.
        kernel: float32, any window.

    Returns:
        float32; the spatial axes are those of x times the window. Every voxel has its own grid.
    """
    return _spread(x, kernel)


@exact
def _spread(x: Array, kernel: Array) -> Array:
    window, space, outputs = kernel.shape[:-2], x.shape[1:-1], kernel.shape[-1]
    product = narrow(exact_dot("vi,iw->vw", _rows(x), _matrix(kernel)))
    voxels = product.reshape(x.shape[0], *space, *window, outputs)
    dims = len(window)
    pairs = itertools.chain(*((1 + a, 1 + dims + a) for a in range(dims)))
    larger = [n * w for n, w in zip(space, window, strict=True)]
    return voxels.transpose(0, *pairs, 1 + 2 * dims).reshape(x.shape[0], *larger, outputs)


def _matrix(kernel: Array) -> Array:
    """Reshape a kernel (window, i, o) to a matrix (i, window o)."""
    return jnp.moveaxis(kernel, -2, 0).reshape(kernel.shape[-2], -1)


def _rows(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])


def _gather(y: Array, window: tuple[int, ...]) -> Array:
    """Undo the interleaving of `_spread`: one row (window o) for each voxel of the small image."""
    dims = len(window)
    split = itertools.chain(*((n // w, w) for n, w in zip(y.shape[1:-1], window, strict=True)))
    small, places = range(1, 2 * dims, 2), range(2, 2 * dims + 1, 2)
    windows = y.reshape(y.shape[0], *split, y.shape[-1])
    windows = windows.transpose(0, *small, *places, 1 + 2 * dims)
    return windows.reshape(-1, math.prod(window) * y.shape[-1])


def _forward_transpose(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _spread(x, kernel), (x, kernel)


@exact
def _backward_transpose(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = saved
    window, (inputs, outputs) = kernel.shape[:-2], kernel.shape[-2:]
    rows = _gather(gradient, window)
    by_x = narrow(exact_dot("vw,iw->vi", rows, _matrix(kernel)))
    by_kernel = narrow(exact_dot("vi,vw->iw", _rows(x), rows)).reshape(inputs, *window, outputs)
    return by_x.reshape(x.shape), jnp.moveaxis(by_kernel, 0, -2)


conv_transpose.defvjp(_forward_transpose, _backward_transpose)
