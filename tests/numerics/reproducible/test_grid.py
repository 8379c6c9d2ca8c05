"""Grids, integers on them, and the powers of two they are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrjax.numerics.reproducible import grid

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False)


@given(st.lists(FLOATS, min_size=4, max_size=4), st.integers(1, 53))
@settings(deadline=None)
def test_elements_are_integers_of_so_many_bits_times_the_unit(values, bits):
    x = np.array(values, np.float32)
    q, unit = (np.asarray(a) for a in grid.quantise(jnp.asarray(x), bits, (0,)))
    assert np.all(q == np.rint(q)) and np.max(np.abs(q)) <= 2.0**bits
    largest = np.max(np.abs(x.astype(np.float64)))
    assert np.all(np.abs(x - q * unit) <= unit / 2)
    assert np.frexp(unit[0])[0] == 0.5
    assert largest == 0 or largest < unit[0] * 2.0**bits <= 2 * largest


def test_every_grid_is_one_of_its_own():
    x = jnp.asarray([[1.0, 3.0], [0.001, -0.0015]], jnp.float32)
    q, unit = grid.quantise(x, 4, (1,))
    np.testing.assert_array_equal(unit[:, 0], [2.0**-2, 2.0**-13])
    np.testing.assert_array_equal(q, [[4, 12], [8, -12]])


def test_ties_go_to_even():
    x = jnp.asarray([0.5, 1.5, 2.5, -0.5, -1.5, 8.0])
    np.testing.assert_array_equal(grid.quantise(x, 4, (0,))[0], [0, 2, 2, -0.0, -2, 8])
    np.testing.assert_array_equal(grid.integers(x), [0, 2, 2, 0, -2, 8])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_grid_with_something_not_finite_has_no_unit(bad):
    x = np.ones((3, 4), np.float32)
    x[1, 2] = bad
    unit = np.asarray(grid.quantise(jnp.asarray(x), 20, (1,))[1])
    np.testing.assert_array_equal(np.isnan(unit[:, 0]), [False, True, False])


def test_zeros_and_subnormals_are_zeros_on_any_grid():
    x = jnp.asarray([0.0, 2.0**-127, -(2.0**-149)], jnp.float32)
    q, unit = grid.quantise(x, 53, (0,))
    np.testing.assert_array_equal(q, 0)
    assert 0 < unit[0] < 2.0**-126


def test_products_of_single_precision_numbers_have_a_grid(rng):
    x = rng.uniform(1, 2, 50) * 2.0**-252
    q, unit = grid.quantise(jnp.asarray(x), 53, (0,))
    np.testing.assert_array_equal(q * unit, x)


def test_powers_of_two():
    exponents = np.arange(-1022, 1024, dtype=np.int32)
    np.testing.assert_array_equal(grid.power(jnp.asarray(exponents)), np.ldexp(1.0, exponents))


@given(st.integers(-(2**51), 2**51 - 1), st.integers(0, 7))
@settings(deadline=None)
def test_integers_of_floats(whole, eighths):
    x = whole + eighths / 8
    assert int(grid.integers(jnp.asarray([x]))[0]) == round(x)


def test_logarithms():
    assert [grid.log2_ceil(n) for n in (1, 2, 3, 4, 5, 2**20, 2**20 + 1)] == [0, 1, 2, 2, 3, 20, 21]


@given(st.integers(1, 40), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_coarse_blocks_add_exactly(blocks, random):
    """Even the largest blocks do: every partial sum is a float64 integer times the step."""
    q = np.array([random.choice([2**53, -(2**53), random.randrange(2**53)]) for _ in range(blocks)])
    q = np.asarray(grid.coarsen(jnp.asarray(q, jnp.float64), blocks)).astype(object)
    step = 1 << grid.log2_ceil(blocks)
    whole = [int(value) for value in q]
    assert all(value % step == 0 for value in whole)
    assert sum(map(abs, whole)) <= 2**53 * step


def test_reductions_are_over_all_axes_given(rng):
    x = jnp.asarray(rng.integers(-100, 100, (2, 3, 4, 5)))
    for axes in ((0,), (0, 1, 2), (1, 2), (3,), (0, 1, 2, 3), (0, 1), ()):
        np.testing.assert_array_equal(grid.over(jnp.sum, x, axes), np.sum(x, axis=axes))


def test_the_graph_of_a_grid_has_no_float_reduction():
    """The maximum is of integers, because that of floats depends on how NaN is compared."""
    text = str(
        jax.make_jaxpr(lambda x: grid.quantise(x, 20, (0, 1)))(jnp.ones((4, 4), jnp.float32))
    )
    assert (
        "reduce_max" in text and ":f32[1,4] = reduce" not in text and ":f32[] = reduce" not in text
    )
