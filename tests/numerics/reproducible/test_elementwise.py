"""Complex numbers, broadcasting, sums and gradients against float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw
from numerics.reproducible import strict

from mrjax.numerics.reproducible import Reproducible

AR = Reproducible()
WIDE = {np.dtype(np.float32): np.float64, np.dtype(np.complex64): np.complex128}
TYPES = (np.float32, np.complex64)
OPERATIONS = {
    "add": (AR.add, jnp.add),
    "sub": (AR.sub, jnp.subtract),
    "mul": (AR.mul, jnp.multiply),
    "div": (AR.div, jnp.divide),
}


def compare(ours, reference, arrays, rng, rtol):
    """Compare value and gradients with float64, relative to the largest, and their types."""
    value, pull = jax.vjp(jax.jit(ours), *arrays)
    expected, reference_pull = jax.vjp(reference, *(a.astype(WIDE[a.dtype]) for a in arrays))
    g = draw(rng, value.shape, value.dtype)
    results = [value, *pull(g)]
    references = [expected, *reference_pull(g.astype(WIDE[g.dtype]))]
    assert [a.dtype for a in results[1:]] == [a.dtype for a in arrays]
    for result, wanted in zip(results, references, strict=True):
        assert result.shape == wanted.shape
        limit = rtol * float(jnp.max(jnp.abs(wanted)))
        np.testing.assert_allclose(result, wanted, rtol=0, atol=limit)


@pytest.mark.parametrize("kinds", list(itertools.product(TYPES, TYPES)))
@pytest.mark.parametrize("name", OPERATIONS)
def test_values_and_gradients_with_broadcasting(rng, name, kinds):
    x, y = draw(rng, (3, 4, 1), kinds[0]), draw(rng, (3, 1, 5), kinds[1])
    compare(*OPERATIONS[name], (x, y), rng, 3e-7)


@pytest.mark.parametrize("name", OPERATIONS)
def test_scalars_broadcast_to_any_rank(rng, name):
    compare(*OPERATIONS[name], (draw(rng, (3, 4), np.float32), np.float32(0.3)), rng, 3e-7)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("axes", [(0, 2), (1,), (-1, 0), None])
def test_sums_and_means(rng, kind, axes):
    x = draw(rng, (3, 4, 5), kind)
    compare(lambda x: AR.sum(x, axes), lambda x: jnp.sum(x, axis=axes), (x,), rng, 1e-7)
    compare(lambda x: AR.mean(x, axes), lambda x: jnp.mean(x, axis=axes), (x,), rng, 1e-7)


def test_square_root(rng):
    x = np.abs(draw(rng, (50,), np.float32)) + np.float32(0.01)
    compare(AR.sqrt, jnp.sqrt, (x,), rng, 1e-7)


def test_complex_parts_are_rounded_once(rng):
    """Each part of a product is the float64 sum of two exact products, cast."""
    x, y = (draw(rng, (10_000,), np.complex64) for _ in range(2))
    a, b, c, d = (part.astype(np.float64) for z in (x, y) for part in (z.real, z.imag))
    result = np.asarray(jax.jit(AR.mul)(x, y))
    np.testing.assert_array_equal(result.real, (a * c - b * d).astype(np.float32))
    np.testing.assert_array_equal(result.imag, (a * d + b * c).astype(np.float32))


def test_a_complex_quotient_has_no_overflow_inside():
    huge = np.complex64(1e30 + 1e30j)
    assert AR.div(huge, huge) == 1


def test_gradients_are_rounded_steps(rng):
    """d(x y) = g y and d(x / y) = g / y, -(g (x / y)) / y, each step an IEEE operation."""
    x, y, g = (draw(rng, (1000,), np.float32) for _ in range(3))
    by_x, by_y = jax.vjp(AR.mul, x, y)[1](g)
    np.testing.assert_array_equal(by_x, g * y)
    np.testing.assert_array_equal(by_y, g * x)
    by_x, by_y = jax.vjp(AR.div, x, y)[1](g)
    np.testing.assert_array_equal(by_x, g / y)
    np.testing.assert_array_equal(by_y, -(g * (x / y)) / y)


def test_not_a_number_spreads_over_its_sum_and_no_further():
    x = jnp.asarray([[1.0, np.nan, 2.0], [1.0, 2.0, 3.0], [np.inf, 1.0, -np.inf]], jnp.float32)
    result = np.asarray(AR.sum(x, (1,)))
    np.testing.assert_array_equal(strict.bits(result), strict.bits([np.nan, 6, np.nan]))


def test_gradients_of_copies_are_flushed_before_the_next_is_added():
    """The last gradient is added first: 1.5e-38 - 1.3e-38 is subnormal and becomes zero."""
    x = jnp.zeros(1, jnp.float32)
    gradients = tuple(jnp.full(1, g, jnp.float32) for g in (1.2e-38, -1.3e-38, 1.5e-38))
    _, back = jax.vjp(lambda x: AR.copies(x, 3), x)
    np.testing.assert_array_equal(back(gradients)[0], np.float32([1.2e-38]))
