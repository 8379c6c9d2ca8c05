"""What no arithmetic rounds, with gradients that are as exact.

The values of these are exact in plain ``jax.numpy``, but their derivatives there are the library's
own and change with its version: that of a maximum is a product (in 0.10.2 of a quotient), that of
an absolute value is 1 at 0, that of a reflection a sum in an order of its own. Here the first two
select, as in :mod:`mrjax.numerics.pooling`, and the third adds by the arithmetic, in a fixed order.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.stored import stored


@jax.custom_vjp
def absolute(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Absolute value; its derivative at 0 is 0, as torch has it.

    Args:
        x: real, any shape.

    Returns:
        |x|.
    """
    return jnp.abs(x)


def _absolute_backward(x: Array, gradient: Array) -> tuple[Array]:
    # Where x is neither above nor below 0 it is 0, or not a number, and then x + 0 would be, too.
    return (jnp.where(x > 0, gradient, jnp.where(x < 0, -gradient, _zero_or_nan(x))),)


def _absolute_forward(x: Array) -> tuple[Array, Array]:
    kept = stored(x)
    return absolute(kept), kept


absolute.defvjp(_absolute_forward, _absolute_backward)


@jax.custom_vjp
def rectify(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Larger one of x and 0; its derivative at 0 is 0, as torch's ``relu`` has it.

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
    """0, and NaN where x is one: what is wrong shall stay visible."""
    return jnp.where(jnp.isnan(x), jnp.full_like(x, jnp.nan), jnp.zeros_like(x))


@jax.custom_vjp
def parts(z: Complex[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Real and imaginary part. Their gradients become one number; JAX's own would add zeros.

    Args:
        z: any shape.

    Returns:
        Two arrays of that shape.
    """
    return jnp.real(z), jnp.imag(z)


def _parts_backward(_: None, gradients: tuple[Array, Array]) -> tuple[Array]:
    by_real, by_imag = gradients
    return (jax.lax.complex(by_real, -by_imag),)


parts.defvjp(lambda z: (parts(z), None), _parts_backward)


def finite_or_nan(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The same with NaN for infinity, which a function that is finite there would hide."""
    return jax.lax.select(jnp.abs(x) < jnp.inf, x, jnp.full_like(x, jnp.nan))


def divisor(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """What to divide by to bring numbers to the scale x: 1 for 0.

    Args:
        x: not negative; no gradient is taken.

    Returns:
        x, with NaN for infinity: a quotient by it would be 0, and what overflowed be forgotten.
    """
    return jnp.where(x == 0, jnp.ones_like(x), finite_or_nan(x))


def safe_unit(largest: Float[Array, "..."]) -> Float[Array, "..."]:
    """What to divide numbers by before their squares are added: 1, unless those would be lost.

    Args:
        largest: largest magnitude of the numbers.

    Returns:
        1 from 2^-40 to 2^40, so that ordinary numbers keep their bits; `divisor` of others.
    """
    ordinary = (largest > 2.0**-40) & (largest < 2.0**40)
    return jnp.where(ordinary, jnp.ones_like(largest), divisor(largest))


def reflect(
    ar: Arithmetic, x: Float[Array, "b row column c"], margin: int
) -> Float[Array, "b larger_row larger_column c"]:
    """Continue an image beyond its edges by its mirror image; the edge itself is not repeated.

    Args:
        ar: what adds gradients.
        x: images, each axis longer than the margin.
        margin: pixels at each edge.

    Returns:
        Images larger by twice the margin along rows and columns.

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
    """Add what lies in both margins of an axis to the pixels it mirrors."""
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
