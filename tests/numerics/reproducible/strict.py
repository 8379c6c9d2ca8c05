"""Strict float32 in numpy: the oracle of elementwise steps. Subnormals are zeros."""

import numpy as np

SMALLEST = np.float32(2.0**-126)


def flushed(x):
    """Replace subnormal operands by zeros of their sign."""
    return np.where(np.abs(x) < SMALLEST, np.copysign(np.float32(0), x), x)


def apply(operation, *operands):
    """Apply a numpy operation to float32, with one rounding and one kind of NaN.

    A result below 2^-126 after rounding to 24 bits is flushed, as hardware that flushes does;
    gradual underflow would round a few such results up to 2^-126.
    """
    operands = [flushed(np.asarray(x, np.float32)) for x in operands]
    with np.errstate(all="ignore"):
        result = operation(*operands)
        precise = operation(*(x.astype(np.float64) for x in operands))
    assert result.dtype == np.float32
    tiny = np.abs(precise) < 2.0**-126 - 2.0**-151
    result = np.where(tiny, np.copysign(np.float32(0), precise).astype(np.float32), result)
    return np.where(np.isnan(result), np.float32(np.nan), result)


def bits(x):
    """Bit patterns, which differ for +0 and -0 and for kinds of NaN."""
    return np.ascontiguousarray(x, np.float32).view(np.uint32)


def any_float(rng, n):
    """Float32 numbers of uniformly random bits: subnormals, infinities and NaN among them."""
    return rng.integers(0, 2**32, n, dtype=np.uint32).view(np.float32)


SPECIAL = [2.0**k for k in (0, 64, -63, -126, -127, -149)]
SPECIAL += [0.0, 3.0, 1 + 2.0**-23, (1 + 2.0**-23) * 2.0**-126, (2 - 2.0**-23) * 2.0**127]
SPECIAL += [np.inf, np.nan]
SPECIAL = np.array([SPECIAL, np.negative(SPECIAL)], np.float32).ravel()


def pairs(rng, n):
    """Pairs of any numbers, of neighbours, of products near underflow, and of special values."""
    x, y = any_float(rng, n), any_float(rng, n)
    near = (bits(x) ^ rng.integers(0, 2**10, n, dtype=np.uint32)).view(np.float32)
    below = np.uint32(2**30) - rng.integers(0, 2**22, n, dtype=np.uint32)
    inverse = (below - (bits(x) & np.uint32(0x7FFFFFFF))).view(np.float32)
    left, right = (a.ravel() for a in np.meshgrid(SPECIAL, SPECIAL))
    return np.concatenate([x, x, x, left]), np.concatenate([y, near, inverse, right])
