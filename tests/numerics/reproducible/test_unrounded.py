"""The float64 values before rounding, operation by operation, against numpy.

A float32 result shows a change of a float64 value's last bit once in 2^28 times. Here all 64 bits
are compared.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.numerics.host import dft_matrices
from mrjax.numerics.reproducible import conv, correlate, fourier, functions, rbf
from mrjax.numerics.reproducible.rounding import quotient, root
from mrjax.numerics.reproducible.sums import product_bits

FORMS = ("lax", "products")


def same_bits(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype == np.float64
    np.testing.assert_array_equal(found.view(np.int64), expected.view(np.int64))


@pytest.fixture
def x(rng):
    return rng.standard_normal((64, 64)) * 10.0 ** rng.uniform(-5, 5, (64, 64))


def reciprocal(x, y):
    """The product with a reciprocal, which compilers put in place of some quotients."""
    return x * (1 / y)


@pytest.mark.parametrize("divisor", [3.0, 49.0, 0.1])
def test_quotients_by_a_constant(x, divisor):
    same_bits(jax.jit(lambda x: quotient(x, divisor))(x), x / divisor)
    assert np.sum(reciprocal(x, divisor) != x / divisor) > 500


def test_quotients_by_repeated_numbers_and_by_roots(x):
    y = np.abs(x[:1])

    @jax.jit
    def quotients(x, y):
        return quotient(x, y), quotient(x, y[:, :1]), quotient(x, root(y)), quotient(1 + 0 * x, x)

    expected = x / y, x / y[:, :1], x / np.sqrt(y), 1 / x
    for found, wanted in zip(quotients(x, y), expected, strict=True):
        same_bits(found, wanted)
    assert np.sum(reciprocal(x, y) != x / y) > 500
    assert np.sum(x * (1 / np.sqrt(y)) != x / np.sqrt(y)) > 500


def test_roots_and_what_is_made_of_them(x):
    x = np.abs(x)

    @jax.jit
    def made(x):
        return root(x), root(x) * root(x), 1 / root(x), x / root(x)

    for found, wanted in zip(
        made(x), (np.sqrt(x), np.sqrt(x) ** 2, 1 / np.sqrt(x), x / np.sqrt(x)), strict=True
    ):
        same_bits(found, wanted)


def sealed(x):
    """Clear the last bit."""
    return (x.view(np.int64) & -2).view(np.float64)


def exponential(x, sealed):
    """The steps of the exponential, each a numpy operation: numpy fuses none."""
    n = np.rint(x * functions.LOG2_E)
    t = x - n * functions.LN_2
    value = np.full_like(x, functions.COEFFICIENTS[-1])
    for c in reversed(functions.COEFFICIENTS[:-1]):
        value = c + sealed(value * t)
    return np.ldexp(value, n.astype(int))


def test_every_step_of_the_exponential(rng):
    x = np.concatenate([rng.uniform(-700, 700, 5000), rng.uniform(-1, 1, 5000)])
    same_bits(jax.jit(functions.exponential)(x), exponential(x, sealed))
    assert np.sum(exponential(x, lambda y: y) != exponential(x, sealed)) > 100


def changed_by_compiling(function, *arrays):
    """How many float64 results differ from those of one operation after another."""
    return np.sum(np.asarray(jax.jit(function)(*arrays)) != np.asarray(function(*arrays)))


@pytest.mark.parametrize("function", [rbf._sum, rbf._slope])
def test_gaussians_hold_nothing_to_fuse(rng, monkeypatch, function):
    """The control, products without seals, changes wherever the compiler fuses a plain line."""
    x = jnp.asarray(rng.uniform(-1.2, 1.2, (500, 2)), jnp.float32)
    weights = jnp.asarray(rng.standard_normal((2, 7)), jnp.float32)

    def of(x, weights):
        return function(rbf._place(x, weights.shape[1], -0.7, 1.1), weights)

    assert not changed_by_compiling(of, x, weights)
    line = jnp.asarray(rng.standard_normal((3, 500)))
    fuses = changed_by_compiling(lambda a, b, c: a * b + c, *line) > 0
    monkeypatch.setattr(rbf, "sealed", lambda y: y)
    assert (changed_by_compiling(lambda *a: of(*a), x, weights) > 0) == fuses


def integers(rng, bits, *shape):
    """Draw integers of all bits that mostly have one sign, so that sums fill a significand."""
    values = rng.integers(2 ** (bits - 1), 2**bits, shape, endpoint=True)
    return values * np.where(rng.uniform(size=shape) < 0.05, -1, 1)


def floats(*arrays):
    return [a.astype(np.float64) for a in arrays]


def fills(sums):
    """Whether sums use the last bits of a significand, so that some are odd."""
    assert 2**51 < np.max(np.abs(sums)) <= 2**53
    assert np.any(sums % 2)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 60])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("inverse", [False, True])
def test_sums_of_a_transform(rng, n, parts, inverse):
    bits, table_bits = product_bits(n * parts)
    q = integers(rng, bits, parts, 3, n)
    cosine, sine = (np.rint(a * 2.0**table_bits).astype(np.int64) for a in dft_matrices(n))
    real, imaginary = q[0], q[1] if parts == 2 else np.zeros_like(q[0])
    sine = sine if inverse else -sine
    expected = np.stack([real @ cosine - imaginary @ sine, real @ sine + imaginary @ cosine])
    sums = jax.jit(fourier._sums, static_argnums=(1, 2))
    found = np.asarray(sums(*floats(q), table_bits, inverse))
    np.testing.assert_array_equal(found, expected)
    assert np.max(np.abs(expected)) > 2**50


@pytest.mark.parametrize("form", FORMS)
def test_sums_of_a_convolution(rng, form):
    left, right = product_bits(3 * 3 * 7)
    x, kernel = integers(rng, left, 2, 4, 3, 7), integers(rng, right, 3, 3, 7, 2)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros((2, 4, 3, 2), np.int64)
    for row, column in np.ndindex(4, 3):
        window = padded[:, row : row + 3, column : column + 3].reshape(2, -1)
        expected[:, row, column] = window @ kernel.reshape(-1, 2)
    found = jax.jit(conv.sums, static_argnums=2)(*floats(x, kernel), form)
    np.testing.assert_array_equal(found, expected)
    fills(expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(2, 8, 16, 16), (3, 4, 64, 64)])
def test_sums_of_a_kernel_gradient(rng, form, shape):
    """One block, or slabs of two planes of a sample, whose sums become multiples of eight."""
    plan = correlate.slabs(shape, 3)
    assert plan.blocks == {2: 1, 3: 6}[shape[0]]
    bits = product_bits(plan.terms)
    x, g = (integers(rng, b, *shape, 1) for b in bits)
    step = 1 << (plan.blocks - 1).bit_length()
    padded = np.pad(x, ((0, 0), (0, 0), (0, 0), (1, 1), (0, 0)))
    shifted = [padded[:, :, :, shift : shift + shape[3]] * g for shift in range(3)]
    blocks = np.stack([np.sum(a.reshape(plan.blocks, -1), axis=1) for a in shifted])
    fills(blocks)
    expected = [sum(round(int(block) / step) * step for block in row) for row in blocks]
    sums = jax.jit(correlate.sums, static_argnums=(2, 3, 4))
    found = np.asarray(sums(*floats(x, g), (1, 1, 3), plan, form)).ravel()
    assert [int(value) for value in found] == expected
