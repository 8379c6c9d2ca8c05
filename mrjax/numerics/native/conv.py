"""Convolution and transposed convolution in two forms, which differ in rounding only.

``lax`` is one call of XLA's convolution, which is cuDNN on a GPU. On a CPU XLA's 3-D convolution
reaches a tenth of the peak rate; ``products`` computes it, and its gradients, by 2-D convolutions
and matrix products. In 2-D ``products`` replaces the kernel's gradient only. The choice of the
form is on a CPU what cuDNN's choice of algorithm is on a GPU: a source of variation.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.native import planar, products


def conv(
    x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"], form: str
) -> Float[Array, "b *space o"]:
    """Cross-correlate with stride 1 and zero padding to the same size, by the named form.

    y[v, o] = sum over a, i of x[v + a - half, i] kernel[a, i, o], with half = window // 2.

    Args:
        x: images with two or three spatial axes.
        kernel: the window has odd edges.
        form: ``lax`` or ``products``.

    Returns:
        An array as large as x, of the type of x.

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
    """Transposed convolution whose stride is its window w: one matrix product and a reshape.

    y[w v + a, o] = sum over i of x[v, i] kernel[a, i, o].

    Args:
        x: images with two or three spatial axes.
        kernel: any window.

    Returns:
        An array whose spatial axes are those of x times the window.
    """
    window, out = kernel.shape[:-2], kernel.shape[-1]
    product = jnp.tensordot(x, jnp.moveaxis(kernel, -2, 0), axes=1)
    dims = len(window)
    order = [0]
    for axis in range(dims):
        order += [1 + axis, 1 + dims + axis]
    larger = [n * w for n, w in zip(x.shape[1:-1], window, strict=True)]
    return product.transpose(*order, 1 + 2 * dims).reshape(x.shape[0], *larger, out)
