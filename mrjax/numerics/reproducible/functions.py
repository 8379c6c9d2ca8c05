"""The exponential function and the sigmoid, from operations that every machine rounds alike.

Within a function numbers are float64. Every product is exact, or sealed before something is added
to it; polynomials are short; the result is rounded to float32 at the end.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.exact import finite_or_nan
from mrjax.numerics.reproducible.elementwise import exact, mul, sub
from mrjax.numerics.reproducible.grid import nearest, power
from mrjax.numerics.reproducible.rounding import narrow, quotient, sealed, wide

LOG2_E = float.fromhex("0x1.71547652b82fep+0")
LN_2 = float.fromhex("0x1.62e42fefa38p-1")
"""ln 2 to 42 bits: its product with an integer of 11 bits is exact."""
COEFFICIENTS = [1.0, 1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040, 1 / 40320, 1 / 362880]
"""Coefficients of the exponential series; for |t| <= ln(2) / 2 the omitted terms are below 2^-37
of e^t."""
SATURATED = 90.0
"""exp(SATURATED) overflows in float32, and exp(-SATURATED) is smaller than any float32."""


def exponential(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """e^x = 2^n e^t, with n the integer nearest to x / ln 2, t = x - n ln 2, a polynomial for e^t.

    Args:
        x: float64, |x| <= 700, or NaN.

    Returns:
        float64, with a relative error below 2^-33.
    """
    n = nearest(x * LOG2_E)
    t = x - n * LN_2
    value = jnp.full_like(x, COEFFICIENTS[-1])
    for c in reversed(COEFFICIENTS[:-1]):
        value = c + sealed(value * t)
    return value * power(n.astype(jnp.int32))


@jax.custom_vjp
@exact
def sigmoid(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return s = 1 / (1 + e^-x), computed in float64 and rounded once; its gradient is s (1 - s).

    Args:
        x: float32.

    Returns:
        float32 with an error of at most 0.51 units in the last place; zero below 2^-126; NaN for
        infinite x, which means an overflow.
    """
    e = exponential(-jnp.clip(finite_or_nan(wide(x)), -SATURATED, SATURATED))
    return narrow(quotient(jnp.ones_like(e), 1 + e))


def _sigmoid_forward(x: Array) -> tuple[Array, Array]:
    y = sigmoid(x)
    return y, y


def _sigmoid_backward(y: Array, gradient: Array) -> tuple[Array]:
    return (mul(gradient, mul(y, sub(jnp.ones_like(y), y))),)


sigmoid.defvjp(_sigmoid_forward, _sigmoid_backward)
