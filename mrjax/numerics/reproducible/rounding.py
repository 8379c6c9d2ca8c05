"""Exactly one IEEE rounding after every operation.

Numbers travel as float32 and are computed in float64. A product of two float32 numbers is exact
in float64; a sum, quotient or square root is rounded to 53 bits first and to 24 bits next, which
is the same as rounding to 24 bits at once because 53 >= 2 * 24 + 2. So whether a compiler fuses a
multiplication with an addition changes nothing, and the float64 operation followed by
:func:`narrow` is the IEEE float32 operation.

``reduce_precision`` is the only rounding that compilers leave in place: XLA deletes a cast to
float32 and back on a GPU, and LLVM turns a float64 quotient that is cast to float32 into an
approximate float32 quotient.

Subnormal float32 numbers are zeros, as operands and as results (some hardware flushes them, some
does not): a result is rounded to 24 bits, then replaced by a zero of its sign if it is smaller
than 2^-126.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

SIGN = np.uint32(0x80000000)
SMALLEST = np.uint32(0x00800000)
"""Bits of 2^-126, the smallest normal float32."""


def wide(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Widen float32 operands to float64; subnormal numbers become zeros of their sign.

    Args:
        x: float32, or the float64 result of an earlier step, which is returned unchanged.

    Returns:
        float64.
    """
    if x.dtype == jnp.float64:
        return x
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
    flushed = jax.lax.select((bits & ~SIGN) >= SMALLEST, bits, bits & SIGN)
    return jax.lax.bitcast_convert_type(flushed, jnp.float32).astype(jnp.float64)


def r(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Round to float32 numbers, and subnormal results to zero; the type stays float64."""
    return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=23)


def shortened(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Round to 24 bits, with the range of float64, before another multiplication."""
    return jax.lax.reduce_precision(x, exponent_bits=11, mantissa_bits=23)


def narrow(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Round a float64 result once to float32, with one bit pattern for NaN.

    Args:
        x: float64.

    Returns:
        float32; infinity where x rounds to 2^128 or more.
    """
    rounded = r(x).astype(jnp.float32)
    return jax.lax.select(rounded != rounded, jnp.full_like(rounded, np.nan), rounded)


def sealed(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Clear the last bit of a float64 product, a rounding that no fused addition can skip.

    A compiler may fuse a multiplication with the addition that follows, which skips a rounding,
    but it cannot look through the clearing of a bit. This serves steps within a function, whose
    remaining 52 bits are rounded to 24 at the end.
    """
    bits = jax.lax.bitcast_convert_type(x, jnp.int64)
    return jax.lax.bitcast_convert_type(bits & -2, jnp.float64)


def unsigned_zero(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return x with +0 for -0, because libraries differ in whether a sum begins at +0."""
    return jax.lax.select(x == 0, jnp.zeros_like(x), x)


def quotient(x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the IEEE float64 quotient x / y; y is broadcast to the shape of x.

    The barrier keeps XLA from multiplying by a reciprocal where the divisor is a constant or a
    broadcast, and from a reciprocal square root where the divisor is a root.
    """
    return x / jax.lax.optimization_barrier(jnp.broadcast_to(y, x.shape))


def root(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the IEEE float64 square root, which the barrier keeps apart from a division."""
    return jax.lax.optimization_barrier(jnp.sqrt(x))
