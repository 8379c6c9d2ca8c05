"""Order-free arithmetic on the host: the bits of a phantom must not depend on the machine.

numpy's exp, sin, log and its BLAS products change with the instruction set, the BLAS kernel and
the thread count. Everything here is built from operations that do not change: integers, IEEE
``+ - * /`` on whole arrays, maxima, and sums whose every partial sum is exact.
"""

import functools
import math
from contextlib import AbstractContextManager

import jax
import numpy as np
from jaxtyping import Float, UInt32

MANTISSA = 53
"""Bits of a float64 significand: integers up to 2**53 add without rounding, in any order."""
BLOCK = 1 << 14
"""Number of random words drawn at a time."""
_FIXED = 160
"""Fractional bits of the fixed-point integers that hold pi, sines and cosines."""


def to_grid(x: np.ndarray, bits: int) -> np.ndarray:
    """Round to the nearest multiple of ``2**-bits`` times the power of two above the maximum.

    With 2**e the smallest power of two above max |x| the result is rint(x 2**(bits - e)) times
    2**(e - bits). Every element is then an integer of at most ``bits`` bits times one power of
    two, so products and sums of a bounded number of products are exact. The maximum, which
    chooses the grid, does not depend on the order of the elements.

    Args:
        x: finite real array of any shape.
        bits: grid resolution [bits]; the error is at most ``2**-bits`` of the maximum.

    Returns:
        float64 array of the same shape.

    Raises:
        ValueError: an element is not finite.
    """
    x = np.asarray(x, np.float64)
    largest = float(np.max(np.abs(x), initial=0.0))
    if not math.isfinite(largest):
        raise ValueError("cannot put an array with NaN or infinite elements on a grid")
    exponent = math.frexp(largest)[1]
    if largest == 0.0 or exponent < -900:
        return np.zeros_like(x)
    rounded = x * math.ldexp(1.0, bits - exponent)
    np.rint(rounded, out=rounded)
    rounded *= math.ldexp(1.0, exponent - bits)
    return rounded


def exact_matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Matrix product a b whose bits do not depend on the order of summation.

    Each operand is rounded to a grid of ``B`` bits with ``2 B + ceil(log2 K) <= 53``. Then every
    product and every partial sum is a float64 integer times one power of two: BLAS may use any
    kernel, block size, thread count or fused multiply-add and returns the same bits.
    The error is at most ``K * 2**(1 - B) * max|a| * max|b|`` and about ``sqrt(K)`` of that in
    practice (K = 192 gives B = 22).

    Args:
        a: [... m K] real.
        b: [K n] real.

    Returns:
        [... m n] float64.

    Source: pre-rounding as in Demmel and Nguyen, "Fast reproducible floating-point summation",
    ARITH 2013, applied to a product.
    """
    terms = a.shape[-1]
    bits = (MANTISSA - max(terms - 1, 0).bit_length()) // 2
    return np.matmul(to_grid(a, bits), to_grid(b, bits))


def exact_mean(x: np.ndarray, where: np.ndarray) -> float:
    """Mean over a mask, the same bits for any order of the elements.

    The elements are rounded to a grid, added exactly and divided once.

    Args:
        x: finite real array.
        where: boolean array of the same shape, True for at least one element.

    Returns:
        The mean of the n chosen elements; its error is at most ``2**(log2(n) - 52)`` of the
        largest magnitude.
    """
    chosen = np.asarray(x, np.float64)[where]
    bits = MANTISSA - max(chosen.size - 1, 0).bit_length()
    return float(np.sum(to_grid(chosen, bits))) / chosen.size


def product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Elementwise complex product (a + bi)(c + di) = (ac - bd) + (ad + bc)i, broadcast.

    numpy multiplies complex arrays with fused multiply-add where the CPU has it, so the last bit
    of numpy's own product depends on the machine.

    Args:
        x: complex array.
        y: complex array.

    Returns:
        complex128 array.
    """
    a, b, c, d = (np.asarray(part, np.float64) for z in (x, y) for part in (np.real(z), np.imag(z)))
    return assemble(a * c - b * d, a * d + b * c)


def assemble(real: np.ndarray, imag: np.ndarray) -> np.ndarray:
    """Join two real arrays to a complex one, exactly; ``real + 1j * imag`` would multiply."""
    result = np.empty(np.broadcast_shapes(real.shape, imag.shape), np.complex128)
    result.real, result.imag = real, imag
    return result


def _arctan_inverse(x: int) -> int:
    """arctan(1/x) in fixed point: sum over k of (-1)^k / ((2k + 1) x^(2k + 1))."""
    term = (1 << _FIXED) // x
    total, k = term, 1
    while term:
        term //= x * x
        k += 2
        total += -term // k if k % 4 == 3 else term // k
    return total


@functools.lru_cache(maxsize=1)
def _two_pi() -> int:
    """2 pi in fixed point by Machin's formula, pi / 4 = 4 arctan(1/5) - arctan(1/239)."""
    return 8 * (4 * _arctan_inverse(5) - _arctan_inverse(239))


def _cos_sin(angle: int) -> tuple[int, int]:
    """Cosine and sine of a fixed-point angle in [0, pi/4], by their Taylor series."""
    sums, term, k = [0, 0], 1 << _FIXED, 0
    while term:
        sums[k % 2] += -term if k % 4 >= 2 else term
        k += 1
        term = term * angle // k >> _FIXED
    return sums[0], sums[1]


def _cosine(j: int, n: int) -> float:
    """cos(2 pi j / n) as the nearest float64; folding to one octant makes symmetries exact."""
    j = min(j % n, n - j % n)
    if 4 * j > n:
        return 0.0 - _folded_cosine(n - 2 * j, 2 * n)
    return _folded_cosine(2 * j, 2 * n)


def _folded_cosine(j: int, n: int) -> float:
    """cos(2 pi j / n) for angles of at most a quarter turn."""
    if 8 * j > n:
        angle = _two_pi() * (n - 4 * j) // (4 * n)
        return _cos_sin(angle)[1] / (1 << _FIXED)
    return _cos_sin(_two_pi() * j // n)[0] / (1 << _FIXED)


@functools.lru_cache(maxsize=64)
def cosines(n: int) -> Float[np.ndarray, " n"]:
    """cos(2 pi j / n) for j = 0 .. n-1, from integer arithmetic, rounded once.

    libm chooses its cosine by CPU feature, so libm's last bit may differ between machines. The
    array is shared between callers and read-only.
    """
    table = np.array([_cosine(j, n) for j in range(n)])
    table.setflags(write=False)
    return table


@functools.lru_cache(maxsize=64)
def dft_matrices(n: int) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n"]]:
    """Cosine and sine of 2 pi j k / n, read-only; the DFT matrix is ``cos - i sin``.

    Args:
        n: length of the transform.

    Returns:
        Two float64 matrices of correctly rounded entries.
    """
    turns = np.outer(np.arange(n), np.arange(n)) % n
    sines = np.array([_cosine(4 * j - n, 4 * n) for j in range(n)])  # sin t = cos(t - pi/2)
    pair = cosines(n)[turns], sines[turns]
    for matrix in pair:
        matrix.setflags(write=False)
    return pair


def on_cpu() -> AbstractContextManager[object]:
    """Return a context in which JAX computes on the CPU, whatever JAX's default device is."""
    return jax.default_device(jax.local_devices(backend="cpu")[0])


def bits(key: jax.Array, shape: tuple[int, ...]) -> UInt32[np.ndarray, "..."]:
    """Return random 32-bit words of a typed key.

    The words are drawn on the CPU, whatever the default device is, and with JAX's present
    assignment of counters to elements, because ``JAX_THREEFRY_PARTITIONABLE`` would change them.
    They are drawn in blocks of one size, because every new shape costs a compilation of seconds.

    Args:
        key: typed threefry key.
        shape: shape of the result.

    Returns:
        uint32 array.
    """
    count = math.prod(shape)
    with on_cpu(), jax.threefry_partitionable(True):
        blocks = [
            np.asarray(jax.random.bits(jax.random.fold_in(key, block), (BLOCK,), "uint32"))
            for block in range(-(-count // BLOCK))
        ]
    return np.concatenate([np.zeros(0, np.uint32), *blocks])[:count].reshape(shape)


def uniform(key: jax.Array, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """Return uniform draws on (0, 1), float64: (word + 1/2) / 2**32, exact."""
    return (bits(key, shape).astype(np.float64) + 0.5) * 2.0**-32


def integers(key: jax.Array, shape: tuple[int, ...], below: int) -> np.ndarray:
    """Return integers 0 .. below-1 (int64): word * below >> 32, biased by under below / 2**32."""
    return (bits(key, shape).astype(np.uint64) * np.uint64(below) >> np.uint64(32)).astype(np.int64)


def gaussian(key: jax.Array, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """Return nearly normal draws of mean 0 and variance 1: sums of twelve uniform 16-bit integers.

    The usual method needs log and cosine, whose bits change with the CPU. The tails here end at
    six standard deviations, and the excess kurtosis is -0.1.
    """
    words = bits(key, (6, *shape))
    total = np.sum(words & np.uint32(0xFFFF), axis=0, dtype=np.int64)
    total += np.sum(words >> np.uint32(16), axis=0, dtype=np.int64)
    return np.asarray((total - 6 * 0xFFFF) * 2.0**-16, np.float64)
