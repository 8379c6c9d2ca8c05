"""3-D convolution by 2-D convolutions and matrix products, with its gradients: fast on a CPU.

Which form computes what is :func:`choose`, a pure function of the shape, so that the choice is
the same in every run and can be read. Gradients are convolutions and correlations again and
choose for themselves: the input's is the convolution of the output's gradient with the mirrored
kernel, inputs and outputs exchanged. 16-bit operands are widened, because the partial sums would
otherwise be rounded; XLA's own CPU convolution widens them too.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.native import correlate, fold

Volume = Float[Array, "b x y z i"]
Response = Float[Array, "b x y z o"]
Kernel = Float[Array, "l m n i o"]


LARGE_PLANE = 32 * 32
"""Voxels of a plane from which on copies of the whole volume no longer stay in the cache."""


class Choice(NamedTuple):
    """Names of the form of the product and of the form of the kernel's gradient."""

    product: str
    kernel_gradient: str


def choose(volume: tuple[int, ...], inputs: int, outputs: int, window: tuple[int, ...]) -> Choice:
    """Return the forms for one shape.

    Args:
        volume: spatial axes of the image.
        inputs: channels in.
        outputs: channels out.
        window: of the kernel.

    Returns:
        Keys of `fold.FORMS` and of `correlate.FORMS`. Measured times: BUILD_NOTES.md.
    """
    if all(w == 1 for w in window):
        return Choice("point", "point")
    large = volume[1] * volume[2] >= LARGE_PLANE and inputs > 1
    gradient = "planes" if large else "convolutions"
    if any(n < w for n, w in zip(volume[1:], window[1:], strict=True)):
        return Choice("patches", gradient)
    return Choice("fold_inputs" if inputs < outputs else "fold_outputs", gradient)


@jax.custom_vjp
def conv(x: Volume, kernel: Kernel) -> Response:
    """Cross-correlate, stride 1, zero padding to the same size.

    Args:
        x: images.
        kernel: odd window.

    Returns:
        As large as x, in the type of x.
    """
    return _product(x, kernel)


def _product(x: Array, kernel: Array) -> Array:
    choice = _choice(x, kernel.shape[-1], kernel.shape[:3])
    return fold.FORMS[choice.product](_wide(x), _wide(kernel)).astype(x.dtype)


def _choice(x: Array, outputs: int, window: tuple[int, ...]) -> Choice:
    return choose(x.shape[1:4], x.shape[-1], outputs, window)


def _wide(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _product(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = saved
    window = kernel.shape[:3]
    mirrored = jnp.flip(kernel, (0, 1, 2)).swapaxes(3, 4)
    form = correlate.FORMS[_choice(x, kernel.shape[-1], window).kernel_gradient]
    by_kernel = form(_wide(x), _wide(gradient), window)
    return _product(gradient, mirrored), by_kernel.astype(kernel.dtype)


conv.defvjp(_forward, _backward)
