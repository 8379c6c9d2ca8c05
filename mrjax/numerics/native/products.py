"""3-D convolution by 2-D convolutions and matrix products, with its gradients: fast on a CPU.

:func:`choose` selects the form from the shape alone, so the choice is the same in every run.
Gradients are convolutions and correlations too, each with a choice of its own: the gradient by the
input is the convolution of the output's gradient with the mirrored kernel, whose inputs and
outputs change places. 16-bit operands are widened, because their partial sums would otherwise be
rounded; XLA's own CPU convolution widens them too.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.native import correlate, fold, halves

Volume = Float[Array, "b x y z i"]
Response = Float[Array, "b x y z o"]
Kernel = Float[Array, "l m n i o"]


LARGE_PLANE = 16 * 16
"""Number of voxels of a plane from which copies of the whole volume do not fit in the cache."""


class Choice(NamedTuple):
    """The chosen forms.

    Attributes:
        product: key of `fold.FORMS`.
        kernel_gradient: key of `correlate.FORMS`.
    """

    product: str
    kernel_gradient: str


def choose(volume: tuple[int, ...], inputs: int, outputs: int, window: tuple[int, ...]) -> Choice:
    """Choose the forms for one shape.

    Args:
        volume: lengths of the image's spatial axes.
        inputs: number of input channels.
        outputs: number of output channels.
        window: edges of the kernel's window.

    Returns:
        The choice. BUILD_NOTES.md has the measured times behind it.
    """
    if all(w == 1 for w in window):
        return Choice("point", "point")
    gradient = "planes" if volume[1] * volume[2] >= LARGE_PLANE else "convolutions"
    if any(n < w for n, w in zip(volume[1:], window[1:], strict=True)):
        return Choice("patches", gradient)
    return Choice("fold_inputs" if 1 < inputs < outputs else "fold_outputs", gradient)


@jax.custom_vjp
def conv(x: Volume, kernel: Kernel) -> Response:
    """Cross-correlate with stride 1 and zero padding to the same size.

    y[v, o] = sum over a, i of x[v + a - half, i] kernel[a, i, o], with half = window // 2.

    Args:
        x: images.
        kernel: the window has odd edges.

    Returns:
        An array as large as x, of the type of x.
    """
    return _product(x, kernel)


def _product(x: Array, kernel: Array) -> Array:
    choice = _choice(x, kernel.shape[-1], kernel.shape[:3])
    form = functools.partial(fold.FORMS[choice.product], kernel=fold.wide(kernel))
    return halves.slabs(form, fold.wide(x), kernel.shape[0] // 2).astype(x.dtype)


def _choice(x: Array, outputs: int, window: tuple[int, ...]) -> Choice:
    return choose(x.shape[1:4], x.shape[-1], outputs, window)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _product(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = saved
    window = kernel.shape[:3]
    mirrored = jnp.flip(kernel, (0, 1, 2)).swapaxes(3, 4)
    form = correlate.FORMS[_choice(x, kernel.shape[-1], window).kernel_gradient]
    by_kernel = form(fold.wide(x), fold.wide(gradient), window)
    return _product(gradient, mirrored), by_kernel.astype(kernel.dtype)


conv.defvjp(_forward, _backward)
