"""Forms of one convolution: equal in exact arithmetic, different in speed and rounding.

XLA's 3-D convolution reaches a tenth of a CPU core's peak; written as 2-D convolutions or matrix
products it comes near to it. The choice of form is the CPU's counterpart of cuDNN's choice of
algorithm, and a source of variation of the same kind.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array


def conv(x: Array, kernel: Array, form: str) -> Array:
    """Cross-correlate, stride 1, zero padding to the same size, by the named form.

    Args:
        x: (b, *space, i), two or three spatial axes.
        kernel: (*window, i, o), odd windows.
        form: ``lax`` or ``products``.

    Returns:
        (b, *space, o).
    """
    if form == "products" and x.ndim == 5:
        return _depth_sum(x, kernel)
    return _lax(x, kernel)


def conv_transpose(x: Array, kernel: Array) -> Array:
    """Transposed convolution whose stride is its window: one product and a reshape.

    Args:
        x: (b, *space, i).
        kernel: (*window, i, o).

    Returns:
        (b, *space times window, o).
    """
    window, out = kernel.shape[:-2], kernel.shape[-1]
    product = jnp.tensordot(x, jnp.moveaxis(kernel, -2, 0), axes=1)
    dims = len(window)
    order = [0]
    for axis in range(dims):
        order += [1 + axis, 1 + dims + axis]
    larger = [n * w for n, w in zip(x.shape[1:-1], window, strict=True)]
    return product.transpose(*order, 1 + 2 * dims).reshape(x.shape[0], *larger, out)


def _lax(x: Array, kernel: Array) -> Array:
    space = "xyz"[: x.ndim - 2]
    layout = (f"N{space}C", f"{space}IO", f"N{space}C")
    return jax.lax.conv_general_dilated(
        x, kernel, (1,) * len(space), "SAME", dimension_numbers=layout
    )


def _depth_sum(x: Array, kernel: Array) -> Array:
    """Sum, over offsets along the first axis, of 2-D convolutions of the shifted planes."""
    b, depth, *plane, features = x.shape
    half = kernel.shape[0] // 2
    padded = jnp.pad(x, ((0, 0), (half, half), (0, 0), (0, 0), (0, 0)))
    total = None
    for offset in range(kernel.shape[0]):
        planes = padded[:, offset : offset + depth].reshape(b * depth, *plane, features)
        term = _lax(planes, kernel[offset])
        total = term if total is None else total + term
    return total.reshape(b, depth, *plane, kernel.shape[-1])
