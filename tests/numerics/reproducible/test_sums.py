"""Exact sums and products depend on no order or grouping, and keep the stated error."""

import functools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw
from hypothesis import given, settings
from hypothesis import strategies as st

from mrjax.numerics.reproducible import grid
from mrjax.numerics.reproducible.sums import BLOCK, exact_dot, exact_sum, product_bits

N = 48
TERM = st.builds(
    lambda m, e: np.float32(np.ldexp(m, e)), st.integers(-(2**24), 2**24), st.integers(-120, 75)
)
TERMS = st.lists(TERM, min_size=N, max_size=N).map(lambda values: np.array(values, np.float32))
ORDERS = st.permutations(range(N))

total = jax.jit(exact_sum, static_argnums=1)
product = jax.jit(exact_dot, static_argnums=0)
dot = functools.partial(product, "k,k->")
check = settings(deadline=None, max_examples=200)


def true_sum(terms):
    return sum(map(Fraction, terms.tolist()))


def above(x):
    """The power of two above the largest magnitude."""
    return Fraction(2) ** int(np.frexp(np.max(np.abs(x)))[1])


@given(TERMS, ORDERS)
@check
def test_a_sum_has_no_order(terms, order):
    assert total(terms, (0,)) == total(terms[list(order)], (0,))


@given(TERMS)
@check
def test_a_sum_has_no_grouping(terms):
    whole = total(terms, (0,))
    assert total(terms.reshape(6, 8), (0, 1)) == whole
    assert total(terms.reshape(6, 8).T, (0, 1)) == whole
    assert total(terms.reshape(3, 4, 4, 1), (0, 1, 2)) == whole
    assert jnp.sum(total(np.stack([terms, np.zeros_like(terms)]), (0, 1))) == whole


@given(TERMS)
@check
def test_error_of_a_sum(terms):
    """48 terms: 51 bits, and one float64 rounding."""
    true = true_sum(terms)
    error = abs(Fraction(float(total(terms, (0,)))) - true)
    assert error <= N * above(terms) / 2**52 + abs(true) / 2**53


@given(TERMS, ORDERS)
@check
def test_opposite_terms_cancel(terms, order):
    assert total(np.concatenate([terms, -terms[list(order)]]), (0,)) == 0


@given(TERMS, TERMS, ORDERS)
@check
def test_a_product_has_no_order_and_no_grouping(x, w, order):
    whole = dot(x, w)
    assert dot(x[list(order)], w[list(order)]) == whole
    assert product("ab,ab->", x.reshape(6, 8), w.reshape(6, 8)) == whole


@given(TERMS, TERMS)
@check
def test_error_of_a_product(x, w):
    """48 products leave 47 bits: 24 and 23."""
    true = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x, w, strict=True))
    assert abs(Fraction(float(dot(x, w))) - true) <= N * above(x) * above(w) / 2**23


def test_bits_of_products():
    assert product_bits(1) == (27, 26)
    assert product_bits(48) == (24, 23)
    assert product_bits(BLOCK) == (20, 20)
    assert all(sum(product_bits(k)) + grid.log2_ceil(k) == 53 for k in range(1, 100))


@pytest.mark.parametrize("shape", [(300, 700), (3 * BLOCK + 7,), (5, 20, BLOCK), (BLOCK + 1, 3)])
def test_more_products_than_add_exactly(rng, shape):
    """Blocks agree with integers of any size, by the definition of the grid, and with float64."""
    x, w = draw(rng, (*shape, 2), np.float32), draw(rng, shape, np.float32)
    letters = "abc"[: len(shape)]
    result = np.asarray(product(f"{letters}o,{letters}->o", x, w))
    flat = x.reshape(-1, 2).astype(np.float64)
    true = np.array([sum(map(Fraction, (flat[:, o] * w.ravel()).tolist())) for o in range(2)])
    bound = w.size * above(x) * above(w) / 2**20
    assert np.max(np.abs([Fraction(a) - b for a, b in zip(result, true, strict=True)])) <= bound
    np.testing.assert_allclose(result, true.astype(float), atol=1e-5 * w.size**0.5 * 20)


def test_blocks_keep_twenty_bits():
    """819,200 products at once would leave 16 bits, and here all errors have one sign."""
    shape = (5, 20, BLOCK)
    x = np.full(shape, 0.75 + 0.49 / 2**18, np.float32)
    error = Fraction(float(product("abc,abc->", x, x))) - x.size * Fraction(float(x.flat[0])) ** 2
    assert abs(error) <= Fraction(x.size, 2**20)


def test_a_product_that_is_zero_has_no_sign():
    assert not np.signbit(dot(np.float32([-1]), np.float32([0])))
    assert not np.signbit(dot(np.float32([-1, 0]), np.float32([0, -3])))


def test_long_sums_keep_what_is_small(rng):
    """A million terms leave 42 bits below the largest."""
    x = np.full((1 << 20,), 2.0**-30, np.float32)
    x[12345] = 1
    assert total(x, (0,)) == 1 + (2**20 - 1) * 2.0**-30


def test_batches_and_free_axes(rng):
    x, w = draw(rng, (3, 4, 5), np.float32), draw(rng, (3, 5, 2), np.float32)
    result = product("bik,bko->bio", x, w)
    np.testing.assert_allclose(result, x.astype(float) @ w.astype(float), atol=1e-6)
    # Every row and every column has a grid of its own, so another row changes nothing.
    x[0, 0] *= 1e20
    np.testing.assert_array_equal(product("bik,bko->bio", x, w)[0, 1:], result[0, 1:])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_makes_its_sums_not_a_number(rng, bad):
    x, w = draw(rng, (3, 50), np.float32), draw(rng, (50, 2), np.float32)
    x[1, 7], w[7] = bad, 0
    expected = [[False] * 2, [True] * 2, [False] * 2]
    np.testing.assert_array_equal(np.isnan(product("bk,ko->bo", x, w)), expected)
    np.testing.assert_array_equal(np.isnan(total(x, (1,))), [False, True, False])


@pytest.mark.parametrize("shape", [(5,), (2, 3), (1,)])
def test_zeros(shape):
    zeros = jnp.zeros(shape, jnp.float32)
    assert total(zeros, tuple(range(len(shape)))) == 0
    letters = "ab"[: len(shape)]
    assert product(f"{letters},{letters}->", zeros, zeros) == 0


def test_one_term_is_itself():
    x = jnp.asarray([[1.1, -3e38, 2.0**-126]], jnp.float32)
    np.testing.assert_array_equal(total(x, (0,)), x[0])
    np.testing.assert_array_equal(total(x, ()), x)
