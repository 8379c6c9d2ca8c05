"""2-D convolution whose kernel gradient is fast on a CPU, whatever the numbers of channels.

XLA's 2-D convolution is fast forwards. Its kernel gradient uses the output's gradient as a kernel
as large as the image, which is slow for few channels and for large windows. There are two
remedies, equal in exact arithmetic. *Exchange*: sum over v of x[v + a] g[v] is, mirrored, the sum
over v of g[v + a] x[v], so the image and the output's gradient may change places. *Rows*: one
matrix product for each image row; one factor holds the shifts along rows side by side, the other
factor the shifts along columns.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.native import correlate, halves
from mrjax.numerics.native.fold import wide

LARGE_WINDOW = 5
"""Smallest number of window rows for which products row by row beat the library's gradient."""

LAYOUT = ("NHWC", "HWIO", "NHWC")


class Choice(NamedTuple):
    """Form of the kernel gradient, and whether the image and the output's gradient change places.

    Attributes:
        form: key of `FORMS`.
        exchange: whether they change places.
    """

    form: str
    exchange: bool


def choose(inputs: int, outputs: int, window: tuple[int, ...]) -> Choice:
    """Choose how the kernel gradient is computed, from the shape alone.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        window: edges of the kernel's window.

    Returns:
        The choice. BUILD_NOTES.md has the measured times behind it.
    """
    if all(w == 1 for w in window):
        return Choice("point", exchange=False)
    return Choice("rows" if window[0] >= LARGE_WINDOW else "library", inputs > outputs)


@jax.custom_vjp
def conv(
    x: Float[Array, "b row column i"], kernel: Float[Array, "m n i o"]
) -> Float[Array, "b row column o"]:
    """Cross-correlate with stride 1 and zero padding to the same size.

    y[v, o] = sum over a, i of x[v + a - half, i] kernel[a, i, o], with half = window // 2.

    Args:
        x: images.
        kernel: the window has odd edges.

    Returns:
        An array as large as x, of the type of x; 16-bit types are computed in float32.
    """
    return _product(wide(x), wide(kernel)).astype(x.dtype)


def _product(x: Array, kernel: Array) -> Array:
    def whole(images: Array) -> Array:
        return jax.lax.conv_general_dilated(
            images, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT
        )

    return halves.slabs(whole, x, kernel.shape[0] // 2)


def library(x: Array, g: Array, window: tuple[int, int]) -> Array:
    """Compute the kernel gradient as one convolution in which batch and channels change places."""
    m, n = window
    return jax.lax.conv_general_dilated(
        x,
        g,
        (1, 1),
        ((m // 2, m // 2), (n // 2, n // 2)),
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )


def rows(x: Array, g: Array, window: tuple[int, int]) -> Array:
    """Compute the kernel gradient as a sum over rows of (m o, b column) (b column, n i)."""
    (m, n), (b, height, width, inputs), outputs = window, x.shape, g.shape[-1]
    columns = jnp.pad(x.transpose(1, 3, 0, 2), ((0, 0),) * 3 + ((n // 2, n // 2),))
    shifted = jnp.concatenate([columns[..., c : c + width] for c in range(n)], axis=1)
    shifted = shifted.reshape(height, n * inputs, b * width)
    padded = jnp.pad(g.transpose(1, 3, 0, 2), ((m // 2, m // 2),) + ((0, 0),) * 3)
    padded = padded.reshape(-1, outputs, b * width)

    def add(total: Array, row: tuple[Array, Array]) -> tuple[Array, None]:
        place, image = row
        near = jax.lax.dynamic_slice_in_dim(padded, place, m).reshape(m * outputs, -1)
        return total + jax.lax.dot_general(near, image, (((1,), (1,)), ((), ()))), None

    start = jnp.zeros((m * outputs, n * inputs), x.dtype)
    total = jax.lax.scan(add, start, (jnp.arange(height), shifted))[0]
    # A gradient that lies one row further down belongs to a tap one row further up.
    return jnp.flip(total.reshape(m, outputs, n, inputs), 0).transpose(0, 2, 3, 1)


FORMS = {"library": library, "rows": rows, "point": correlate.point}


def kernel_gradient(x: Array, g: Array, window: tuple[int, int], choice: Choice) -> Array:
    """Return sum over pixels v of x[v + (a, b) - half, i] g[v, o] in the chosen way.

    Args:
        x: images (b, row, column, i).
        g: gradient by the response (b, row, column, o).
        window: odd edges of the kernel's window (m, n).
        choice: how to compute, see `choose`.

    Returns:
        The gradient (m, n, i, o).
    """
    form = FORMS[choice.form]
    if not choice.exchange:
        return form(x, g, window)
    return jnp.flip(form(g, x, window), (0, 1)).swapaxes(2, 3)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return conv(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = saved
    m, n, inputs, outputs = kernel.shape
    g, choice = wide(gradient), choose(inputs, outputs, (m, n))
    by_kernel = kernel_gradient(wide(x), g, (m, n), choice)
    by_x = _product(g, jnp.flip(wide(kernel), (0, 1)).swapaxes(2, 3))
    return by_x.astype(x.dtype), by_kernel.astype(kernel.dtype)


conv.defvjp(_forward, _backward)
