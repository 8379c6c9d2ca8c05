"""Integers of few bits times one power of two: operands whose sums and products are exact.

The largest magnitude determines a grid. It does not depend on the order of elements, and is found
by comparing the numbers' bits as integers. On a grid an element is an integer q of at most `bits`
bits, held as float64, times a unit 2^k.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from mrjax.numerics.reproducible.rounding import wide

LOWEST = -400
"""Least exponent of a grid, far below any product of two float32 numbers, so that units and
products of two units are normal float64 numbers."""

_INTEGERS = 1.5 * 2.0**52

_LAYOUT = {
    np.dtype(np.float32): (np.int32, 23, 126, 255),
    np.dtype(np.float64): (np.int64, 52, 1022, 2047),
}
"""Integer type, mantissa bits, exponent bias less one, exponent field of NaN and infinity."""


def log2_ceil(n: int) -> int:
    """Smallest k with 2^k >= n, for n >= 1."""
    return (n - 1).bit_length()


def power(exponent: Int[Array, "..."]) -> Float[Array, "..."]:
    """Return 2^exponent as float64, made from its bits and so exact on every machine.

    Args:
        exponent: int32, from -1022 to 1023.
    """
    return jax.lax.bitcast_convert_type((exponent.astype(jnp.int64) + 1023) << 52, jnp.float64)


def over(
    operation: Callable[..., Array], x: Shaped[Array, "..."], axes: tuple[int, ...]
) -> Shaped[Array, "..."]:
    """Reduce `x` by an operation over `axes`, which the result lacks.

    The operation must be one whose result depends on no order, such as a maximum.

    Where all axes but the last are reduced, the innermost one is reduced at the end: XLA's CPU
    code then stays in vector registers and is several times faster than with all axes at once.
    """
    if len(axes) < 2 or axes != tuple(range(x.ndim - 1)):
        return operation(x, axis=axes)
    inner = x.shape[-2:]
    rows = operation(x.reshape(-1, inner[0] * inner[1]), axis=0)
    return operation(rows.reshape(inner), axis=0)


def units(
    x: Float[Array, "..."], bits: int, axes: tuple[int, ...]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Return the factor that scales the largest |x| to at most 2^bits, and the inverse, the unit.

    unit = 2^(e - bits), with 2^e the smallest power of two above the largest |x|.

    Args:
        x: float32 or float64.
        bits: bits of the grid's integers, at most 53.
        axes: the axes along which elements share a grid; they are kept with length 1.

    Returns:
        Two float64 powers of two. The unit is NaN for a grid with NaN or infinity in it, so that
        every result in this unit is NaN, in whatever order the numbers are met.
    """
    integer, mantissa, bias, end = _LAYOUT[np.dtype(x.dtype)]
    magnitude = jax.lax.bitcast_convert_type(x, integer) & np.iinfo(integer).max
    field = jnp.expand_dims(over(jnp.max, magnitude, axes) >> mantissa, axes).astype(jnp.int32)
    e = jnp.maximum(field - bias, LOWEST)
    return power(bits - e), jnp.where(field == end, jnp.nan, power(e - bits))


def quantise(
    x: Float[Array, "..."], bits: int, axes: tuple[int, ...]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Return the integers q = rint(x / unit), at most 2^bits in magnitude, and the unit.

    |x - q unit| is at most half a unit, and a unit is at most 2^(1 - bits) of the largest |x|.
    float32 subnormals become zeros. NaN or infinity makes the unit of its grid NaN.

    Args:
        x: float32 or float64.
        bits: bits of the integers, at most 53.
        axes: the axes along which elements share a grid.

    Returns:
        q as float64, of the shape of x, and the unit, whose `axes` have length 1.
    """
    scale, unit = units(x, bits, axes)
    return nearest(wide(x) * scale), unit


def nearest(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the nearest integers, ties to even."""
    return jax.lax.round(x, jax.lax.RoundingMethod.TO_NEAREST_EVEN)


def integers(x: Float[Array, "..."]) -> Int[Array, "..."]:
    """Return the nearest integers, ties to even, of numbers of magnitude up to 2^51, as int64.

    Near 1.5 * 2^52 float64 holds integers only: this number is added, and its bits are subtracted
    from the bits of the sum. A conversion to int64 would not be vectorised.
    """
    bits = jax.lax.bitcast_convert_type(x + _INTEGERS, jnp.int64)
    return bits - int(np.float64(_INTEGERS).view(np.int64))


def coarsen(q: Float[Array, "..."], blocks: int) -> Float[Array, "..."]:
    """Round exact integers |q| <= 2^53 so that `blocks` of them add exactly, in any order.

    They become 2^k rint(q / 2^k), where 2^k is the smallest power of two >= blocks; the error of a
    sum of all blocks is at most half of blocks * 2^k units.
    """
    step = float(1 << log2_ceil(blocks))
    return q if blocks == 1 else nearest(q * (1 / step)) * step
