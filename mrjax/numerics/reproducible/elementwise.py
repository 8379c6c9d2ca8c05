"""Operations of one rounding for each element, sums, and their gradients by the same rules.

The public functions take float32 or complex64 arrays and broadcast them. Their gradients follow
JAX's convention for complex numbers: the gradient of a linear map is its transpose, not conjugated.
Broadcasting is an operation of its own, because its gradient is a sum.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from mrjax.numerics.reproducible.rounding import narrow, quotient, root, wide
from mrjax.numerics.reproducible.sums import exact_sum
from mrjax.numerics.stored import stored

Number = Inexact[Array, "..."]
exact = jax.named_scope("order_free")
"""Marks operations of this arithmetic; a rounding operation of a jaxpr without it is a mistake."""


def by_parts(operation: Callable[..., Array], *arrays: Array) -> Array:
    """Apply a real operation to real numbers, or to real and imaginary parts separately."""
    if not jnp.iscomplexobj(arrays[0]):
        return operation(*arrays)
    real, imag = ([part(x) for x in arrays] for part in (jnp.real, jnp.imag))
    return jax.lax.complex(operation(*real), operation(*imag))


@jax.custom_vjp
@exact
def flush(x: Number) -> Number:
    """Return x with zeros for subnormal numbers and one bit pattern for NaN.

    The result and its gradient are stored: this serves numbers with many readers, each of which
    would recompute them.
    """
    _check_types(x)
    return stored(by_parts(lambda part: narrow(wide(part)), x))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def copies(x: Number, n: int) -> tuple[Number, ...]:
    """Return x n times. The n gradients are added in rounded steps, the last one first.

    JAX's own additions leave a subnormal sum to the device: some devices flush it before the next
    addition, others do not.
    """
    _check_types(x)
    return (x,) * n


def add(x: Number, y: Number) -> Number:
    """Return x + y, rounded once."""
    return _add(*_alike(x, y))


def sub(x: Number, y: Number) -> Number:
    """Return x - y, rounded once."""
    return _sub(*_alike(x, y))


def mul(x: Number, y: Number) -> Number:
    """Return x * y, rounded once.

    Complex numbers: (a + bi)(c + di) = (ac - bd) + (ad + bc)i, each part rounded to 53 bits, then
    to 24.
    """
    return _mul(*_of_one_shape(x, y))


def div(x: Number, y: Number) -> Number:
    """Return x / y, rounded once; by a complex y it is x conj(y) / |y|^2, in float64 to the end."""
    return _div(*_of_one_shape(x, y))


@jax.custom_vjp
@exact
def sqrt(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the square root, rounded once; NaN below zero."""
    _check_types(x)
    return narrow(root(wide(x)))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
@exact
def total(x: Number, axes: tuple[int, ...]) -> Number:
    """Return the exact sum over axes (not negative), which are dropped; see :func:`exact_sum`."""
    _check_types(x)
    return by_parts(lambda part: narrow(exact_sum(part, axes)), x)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
@exact
def mean(x: Number, axes: tuple[int, ...]) -> Number:
    """Return the exact sum over axes (not negative) divided by the number of its terms."""
    _check_types(x)
    n = _count(x, axes)
    return by_parts(lambda part: narrow(quotient(exact_sum(part, axes), n)), x)


def broadcast(x: Number, shape: tuple[int, ...]) -> Number:
    """Repeat along axes of length 1 and new leading axes; the gradient is an exact sum."""
    return x if x.shape == shape else _broadcast(x, x.shape, shape)


def _count(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.asarray(math.prod(x.shape[a] for a in axes), jnp.float64)


def _check_types(*operands: Array) -> None:
    for operand in operands:
        if operand.dtype not in (jnp.float32, jnp.complex64):
            raise TypeError(f"reproducible arithmetic is of float32, not {operand.dtype}")


def _of_one_shape(x: Array, y: Array) -> tuple[Array, Array]:
    _check_types(x, y)
    shape = jnp.broadcast_shapes(x.shape, y.shape)
    return broadcast(x, shape), broadcast(y, shape)


def _alike(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the operands in one shape, and both complex if one is."""
    x, y = _of_one_shape(x, y)
    if jnp.iscomplexobj(x) == jnp.iscomplexobj(y):
        return x, y
    x, y = (z if jnp.iscomplexobj(z) else jax.lax.complex(z, jnp.zeros_like(z)) for z in (x, y))
    return x, y


def _as_part_of(x: Array, gradient: Array) -> Array:
    """Return the gradient by x, whose imaginary part is dropped where x is real."""
    return gradient if jnp.iscomplexobj(x) else jnp.real(gradient)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _broadcast(x: Array, old: tuple[int, ...], new: tuple[int, ...]) -> Array:
    return jax.lax.broadcast_in_dim(x, new, range(len(new) - len(old), len(new)))


def _broadcast_backward(
    old: tuple[int, ...], new: tuple[int, ...], _: None, gradient: Array
) -> tuple[Array]:
    padded = (1,) * (len(new) - len(old)) + old
    axes = tuple(a for a, n in enumerate(padded) if n != new[a])
    return (jnp.reshape(total(gradient, axes), old),)


_broadcast.defvjp(lambda x, old, new: (_broadcast(x, old, new), None), _broadcast_backward)


def _total_backward(axes: tuple[int, ...], shape: Array, gradient: Array) -> tuple[Array]:
    return (_spread(gradient, shape.shape, axes),)


def _spread(x: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """Broadcast x along the axes that a reduction dropped."""
    kept = tuple(a for a in range(len(shape)) if a not in axes)
    return jax.lax.broadcast_in_dim(x, shape, kept)


@exact
def _mean_backward(axes: tuple[int, ...], shape: Array, gradient: Array) -> tuple[Array]:
    n = _count(shape, axes)
    share = by_parts(lambda part: narrow(quotient(wide(part), n)), gradient)
    return (_spread(share, shape.shape, axes),)


def _shape_of(x: Array) -> Array:
    """Return an array that records the shape of x only, because residuals must be arrays."""
    return jax.lax.broadcast_in_dim(jnp.zeros((), bool), x.shape, ())


flush.defvjp(lambda x: (flush(x), None), lambda _, gradient: (flush(gradient),))
copies.defvjp(
    lambda x, n: (copies(x, n), None),
    lambda n, _, gradients: (functools.reduce(_stored_sum, reversed(gradients)),),
)
total.defvjp(lambda x, axes: (total(x, axes), _shape_of(x)), _total_backward)
mean.defvjp(lambda x, axes: (mean(x, axes), _shape_of(x)), _mean_backward)


@jax.custom_vjp
@exact
def _add(x: Array, y: Array) -> Array:
    return by_parts(lambda a, b: narrow(wide(a) + wide(b)), x, y)


@jax.custom_vjp
@exact
def _sub(x: Array, y: Array) -> Array:
    return by_parts(lambda a, b: narrow(wide(a) - wide(b)), x, y)


_add.defvjp(lambda x, y: (_add(x, y), None), lambda _, g: (g, g))
_sub.defvjp(lambda x, y: (_sub(x, y), None), lambda _, g: (g, _negative(g)))


def _stored_sum(x: Array, y: Array) -> Array:
    return stored(_add(x, y))


def _negative(x: Array) -> Array:
    """Return -x; NaN keeps its bit pattern."""
    return by_parts(lambda part: jax.lax.select(part == part, -part, part), x)


def _product(x: Array, y: Array) -> Array:
    if jnp.iscomplexobj(x) and jnp.iscomplexobj(y):
        a, b, c, d = _parts(x, y)
        return jax.lax.complex(narrow(a * c - b * d), narrow(a * d + b * c))
    x, y = (y, x) if jnp.iscomplexobj(y) else (x, y)
    return by_parts(lambda part: narrow(wide(part) * wide(y)), x)


def _ratio(x: Array, y: Array) -> Array:
    if not jnp.iscomplexobj(y):
        return by_parts(lambda part: narrow(quotient(wide(part), wide(y))), x)
    a, b, c, d = _parts(x, y)
    norm = c * c + d * d
    return jax.lax.complex(
        narrow(quotient(a * c + b * d, norm)), narrow(quotient(b * c - a * d, norm))
    )


def _parts(x: Array, y: Array) -> list[Array]:
    return [wide(part(z)) for z in (x, y) for part in (jnp.real, jnp.imag)]


@jax.custom_vjp
@exact
def _mul(x: Array, y: Array) -> Array:
    return _product(x, y)


@exact
def _mul_backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, y = saved
    return _as_part_of(x, _product(gradient, y)), _as_part_of(y, _product(gradient, x))


_mul.defvjp(lambda x, y: (_mul(x, y), (x, y)), _mul_backward)


@jax.custom_vjp
@exact
def _div(x: Array, y: Array) -> Array:
    return _ratio(x, y)


def _div_forward(x: Array, y: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    result = _div(x, y)
    return result, (x, y, result)


@exact
def _div_backward(saved: tuple[Array, ...], gradient: Array) -> tuple[Array, Array]:
    x, y, result = saved
    by_y = _negative(_ratio(_product(gradient, result), y))
    return _as_part_of(x, _ratio(gradient, y)), _as_part_of(y, by_y)


_div.defvjp(_div_forward, _div_backward)


def _sqrt_forward(x: Array) -> tuple[Array, Array]:
    result = sqrt(x)
    return result, result


@exact
def _sqrt_backward(result: Array, gradient: Array) -> tuple[Array]:
    return (narrow(quotient(wide(gradient), 2 * wide(result))),)


sqrt.defvjp(_sqrt_forward, _sqrt_backward)
