"""Operations that round nothing, with gradients that are as exact.

In plain ``jax.numpy`` their values are exact too, but JAX's derivatives change with its version:
the derivative of a maximum is a product (in 0.10.2 with a quotient), that of an absolute value is
1 at 0, and that of a reflection is a sum in an order of its own. Here the first two derivatives
select, as in :mod:`mrjax.numerics.pooling`; the third adds by the arithmetic, in a fixed order.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.stored import stored


@jax.custom_vjp
def absolute(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Absolute value |x|, with derivative sign(x), which is 0 at 0 as in torch.

    Args:
        x: real, any shape.

    Returns:
        |x|.
    """
    return jnp.abs(x)


def _absolute_backward(x: Array, gradient: Array) -> tuple[Array]:
    # An x that is neither above nor below 0 is 0 or NaN; NaN must stay visible in the gradient.
    return (jnp.where(x > 0, gradient, jnp.where(x < 0, -gradient, _zero_or_nan(x))),)


def _absolute_forward(x: Array) -> tuple[Array, Array]:
    kept = stored(x)
    return absolute(kept), kept


absolute.defvjp(_absolute_forward, _absolute_backward)


@jax.custom_vjp
def rectify(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Rectifier max(x, 0), with derivative 1 for x > 0 and 0 elsewhere, as torch's ``relu`` has it.

    Args:
        x: real, any shape.

    Returns:
        max(x, 0).
    """
    return jnp.maximum(x, 0)


def _rectify_backward(x: Array, gradient: Array) -> tuple[Array]:
    return (jnp.where(x > 0, gradient, _zero_or_nan(x)),)


rectify.defvjp(lambda x: (rectify(x), x), _rectify_backward)


def _zero_or_nan(x: Array) -> Array:
    """Return 0, but NaN where x is NaN, so that an error stays visible."""
    return jnp.where(jnp.isnan(x), jnp.full_like(x, jnp.nan), jnp.zeros_like(x))


@jax.custom_vjp
def parts(z: Complex[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Real and imaginary part, whose gradients are joined to one complex number.

    JAX's own gradient would add zeros instead.

    Args:
        z: any shape.

    Returns:
        Re z and Im z.
    """
    return jnp.real(z), jnp.imag(z)


def _parts_backward(_: None, gradients: tuple[Array, Array]) -> tuple[Array]:
    by_real, by_imag = gradients
    return (jax.lax.complex(by_real, -by_imag),)


parts.defvjp(lambda z: (parts(z), None), _parts_backward)


def finite_or_nan(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return x with NaN for infinity, which a later function might turn into a finite number."""
    return jax.lax.select(jnp.abs(x) < jnp.inf, x, jnp.full_like(x, jnp.nan))


def divisor(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return a divisor that brings numbers to the scale x: x itself, but 1 for 0.

    Args:
        x: not negative; no gradient is taken.

    Returns:
        x, with NaN for infinity: a quotient by infinity would be 0 and hide the overflow.
    """
    return jnp.where(x == 0, jnp.ones_like(x), finite_or_nan(x))


def safe_unit(largest: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return a divisor that keeps a sum of squares in range: 1 unless squares would be lost.

    Args:
        largest: largest magnitude of the numbers.

    Returns:
        1 from 2^-40 to 2^40, so that ordinary numbers keep their bits; `divisor` elsewhere.
    """
    ordinary = (largest > 2.0**-40) & (largest < 2.0**40)
    return jnp.where(ordinary, jnp.ones_like(largest), divisor(largest))


def reflect(
    ar: Arithmetic, x: Float[Array, "b row column c"], margin: int
) -> Float[Array, "b larger_row larger_column c"]:
    """Continue an image beyond its edges by its mirror image; the edge itself is not repeated.

    Along each axis of n pixels y[margin + j] = x[j], with x[-j] = x[j] and x[n - 1 + j] =
    x[n - 1 - j].

    Args:
        ar: the arithmetic that adds gradients.
        x: images, each axis longer than the margin.
        margin: pixels added at each edge.

    Returns:
        Images that are larger by twice the margin along rows and columns.

    Raises:
        ValueError: an axis is too short.
    """
    if min(x.shape[1:3]) <= margin:
        raise ValueError(f"an image of {x.shape[1]} x {x.shape[2]} has no reflection of {margin}")
    return _reflect(ar, x, margin)


def _reflected(ar: Arithmetic, x: Array, margin: int) -> Array:
    del ar
    for axis in (1, 2):
        n = x.shape[axis]
        before = jnp.flip(_part(x, axis, 1, 1 + margin), axis)
        after = jnp.flip(_part(x, axis, n - 1 - margin, n - 1), axis)
        x = jnp.concatenate([before, x, after], axis)
    return x


def _part(x: Array, axis: int, start: int, stop: int) -> Array:
    return jax.lax.slice_in_dim(x, start, stop, axis=axis)


def _folded(ar: Arithmetic, gradient: Array, axis: int, margin: int) -> Array:
    """Add the gradient in both margins of an axis to the pixels that the margins mirror."""
    n = gradient.shape[axis] - 2 * margin
    rest = n - 1 - margin
    total = _part(gradient, axis, margin, margin + n)
    for start, widths in ((0, (1, rest)), (margin + n, (rest, 1))):
        mirrored = jnp.flip(_part(gradient, axis, start, start + margin), axis)
        margins = [widths if i == axis else (0, 0) for i in range(gradient.ndim)]
        total = ar.add(total, jnp.pad(mirrored, margins))
    return total


def _reflect_backward(
    ar: Arithmetic, margin: int, saved: None, gradient: Array
) -> tuple[Float[Array, "b row column c"]]:
    del saved
    return (_folded(ar, _folded(ar, gradient, 2, margin), 1, margin),)


_reflect = jax.custom_vjp(_reflected, nondiff_argnums=(0, 2))
_reflect.defvjp(lambda ar, x, margin: (_reflected(ar, x, margin), None), _reflect_backward)
