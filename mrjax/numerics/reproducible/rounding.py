"""One IEEE rounding after every operation, and no other.

Numbers travel as float32 and are computed in float64. A product of two float32 numbers is exact
in float64; a sum, quotient or square root is rounded to 53 bits first and to 24 bits next, which
is the same as rounding to 24 bits at once because 53 >= 2 * 24 + 2. So whether a compiler fuses a
multiplication with an addition changes nothing, and the float64 operation followed by
:func:`narrow` is the IEEE float32 operation.

``reduce_precision`` is the only rounding compilers leave in place: XLA deletes a cast to float32
and back on a GPU, and LLVM turns a float64 quotient that is cast into an approximate float32 one.

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
    """Float32 operands as float64, subnormal ones as zeros of their sign.

    Args:
        x: float32, or float64 of an earlier step, which is returned as it is.

    Returns:
        float64.
    """
    if x.dtype == jnp.float64:
        return x
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
    flushed = jax.lax.select((bits & ~SIGN) >= SMALLEST, bits, bits & SIGN)
    return jax.lax.bitcast_convert_type(flushed, jnp.float32).astype(jnp.float64)


def r(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Round to the float32 numbers, subnormal results to zero, and stay float64."""
    return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=23)


def shortened(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Round to 24 bits in the range of float64: for a step whose result is multiplied again."""
    return jax.lax.reduce_precision(x, exponent_bits=11, mantissa_bits=23)


def narrow(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The result of an operation: rounded once, float32, and with one bit pattern for NaN.

    Args:
        x: float64.

    Returns:
        float32; infinite where x rounds to 2^128 or more.
    """
    rounded = r(x).astype(jnp.float32)
    return jax.lax.select(rounded != rounded, jnp.full_like(rounded, np.nan), rounded)


def sealed(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """A float64 product without its last bit: rounded in a way that no addition can undo.

    A compiler may fuse a multiplication with the addition that follows, which skips a rounding.
    It cannot look through the clearing of a bit. For steps within a function, whose 52 bits are
    rounded to 24 at the end.
    """
    bits = jax.lax.bitcast_convert_type(x, jnp.int64)
    return jax.lax.bitcast_convert_type(bits & -2, jnp.float64)


def unsigned_zero(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The same with +0 for -0: whether a sum begins at +0 is the library's choice."""
    return jax.lax.select(x == 0, jnp.zeros_like(x), x)


def quotient(x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "..."]:
    """The IEEE float64 quotient x / y of two arrays of one shape.

    The barrier keeps XLA from multiplying by a reciprocal where the divisor is a constant or a
    broadcast, and from a reciprocal square root where it is a root.
    """
    return x / jax.lax.optimization_barrier(jnp.broadcast_to(y, x.shape))


def root(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The IEEE float64 square root, never merged with a division."""
    return jax.lax.optimization_barrier(jnp.sqrt(x))
