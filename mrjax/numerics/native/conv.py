"""Convolution and transposed convolution: equal in exact arithmetic, of two forms in rounding.

``lax`` is one call of XLA's convolution, cuDNN on a GPU. On a CPU XLA's 3-D convolution reaches a
tenth of the peak; ``products`` writes it as 2-D convolutions and matrix products, forwards and
backwards. In 2-D it writes the kernel's gradient only. The choice is the CPU's counterpart of
cuDNN's choice of algorithm, and a source of variation of the same kind.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.native import planar, products


def conv(
    x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"], form: str
) -> Float[Array, "b *space o"]:
    """Cross-correlate, stride 1, zero padding to the same size, by the named form.

    Args:
        x: two or three spatial axes.
        kernel: odd windows.
        form: ``lax`` or ``products``.

    Returns:
        As large as x, in the type of x.

    Raises:
        ValueError: for an unknown form or an even window.
    """
    if form not in ("lax", "products"):
        raise ValueError(f"unknown form of convolution {form!r}; lax or products")
    if any(w % 2 == 0 for w in kernel.shape[:-2]):
        raise ValueError(f"windows must be odd, not {kernel.shape[:-2]}")
    if form == "products":
        return products.conv(x, kernel) if x.ndim == 5 else planar.conv(x, kernel)
    space = "xyz"[: x.ndim - 2]
    layout = (f"N{space}C", f"{space}IO", f"N{space}C")
    return jax.lax.conv_general_dilated(
        x, kernel, (1,) * len(space), "SAME", dimension_numbers=layout
    )


def conv_transpose(
    x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"]
) -> Float[Array, "b *larger o"]:
    """Transposed convolution whose stride is its window: one product and a reshape.

    Args:
        x: two or three spatial axes.
        kernel: any window.

    Returns:
        Each spatial axis times its window.
    """
    window, out = kernel.shape[:-2], kernel.shape[-1]
    product = jnp.tensordot(x, jnp.moveaxis(kernel, -2, 0), axes=1)
    dims = len(window)
    order = [0]
    for axis in range(dims):
        order += [1 + axis, 1 + dims + axis]
    larger = [n * w for n, w in zip(x.shape[1:-1], window, strict=True)]
    return product.transpose(*order, 1 + 2 * dims).reshape(x.shape[0], *larger, out)
