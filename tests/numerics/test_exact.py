"""Exact functions with exact gradients, against the library's and finite cases."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.numerics import exact
from mrjax.numerics.native import Native

AR = Native("float64")
TINY = 2.0**-149
VALUES = np.array([-np.inf, -2.5, -TINY, -0.0, 0.0, TINY, 1.5, np.inf, np.nan])


def gradient(function, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    _, back = jax.vjp(function, jnp.asarray(x))
    return np.asarray(back(jnp.asarray(weights))[0])


def test_values_are_numpys():
    x = jnp.asarray(VALUES)
    np.testing.assert_array_equal(exact.absolute(x), np.abs(VALUES))
    np.testing.assert_array_equal(exact.rectify(x), np.maximum(VALUES, 0))


def test_gradients_select_and_keep_nan(rng):
    w = rng.normal(size=VALUES.shape)
    down, up, nan = VALUES < 0, VALUES > 0, np.isnan(VALUES)
    expected = np.where(down, -w, np.where(up, w, np.where(nan, np.nan, 0)))
    np.testing.assert_array_equal(gradient(exact.absolute, VALUES, w), expected)
    expected = np.where(up, w, np.where(nan, np.nan, 0))
    np.testing.assert_array_equal(gradient(exact.rectify, VALUES, w), expected)


def primitives(function) -> set[str]:
    """Names in the jaxpr of a gradient."""
    return {eqn.primitive.name for eqn in jax.make_jaxpr(jax.grad(function))(1.0).eqns}


def test_gradients_hold_no_arithmetic():
    """The library's derivative of a maximum holds a product."""
    selecting = {"gt", "lt", "is_nan", "ne", "neg", "select_n", "custom_vjp_call", "jit"}
    selecting |= {"abs", "max", "broadcast_in_dim", "platform_index", "cond"}
    assert primitives(exact.absolute) <= selecting
    assert primitives(exact.rectify) <= selecting
    assert "mul" in primitives(lambda x: jnp.maximum(x, 0))


def slow_reflection(n: int, margin: int) -> np.ndarray:
    """Source of each pixel of a reflected axis."""
    return np.array([abs(i) if i < n else 2 * (n - 1) - i for i in range(-margin, n + margin)])


@pytest.mark.parametrize("rows, columns, margin", [(7, 5, 2), (4, 9, 3), (3, 3, 0), (5, 5, 4)])
def test_reflection_and_its_gradient_equal_slow_numpy(rng, rows, columns, margin):
    x = rng.normal(size=(2, rows, columns, 3))
    source = slow_reflection(rows, margin), slow_reflection(columns, margin)
    found = exact.reflect(AR, jnp.asarray(x), margin)
    np.testing.assert_array_equal(found, x[:, source[0]][:, :, source[1]])
    w = rng.normal(size=found.shape)
    slow = np.zeros_like(x)
    for i, j in itertools.product(*(range(len(s)) for s in source)):
        slow[:, source[0][i], source[1][j]] += w[:, i, j]
    back = gradient(lambda v: exact.reflect(AR, v, margin), x, w)
    np.testing.assert_allclose(back, slow, rtol=1e-13, atol=1e-13)


def test_an_image_too_small_to_reflect_is_refused():
    with pytest.raises(ValueError, match="no reflection of 3"):
        exact.reflect(AR, jnp.zeros((1, 3, 8, 1)), 3)


def test_a_safe_unit_is_one_for_ordinary_numbers():
    x = jnp.asarray([0.0, 1e-30, 1e-9, 1.0, 1e9, 1e30, np.inf, np.nan], jnp.float32)
    expected = np.array([1, 1e-30, 1, 1, 1, 1e30, np.nan, np.nan], np.float32)
    np.testing.assert_array_equal(exact.safe_unit(x), expected)


def test_parts_have_one_gradient(rng):
    z, g = (rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)) for _ in range(2))
    pull = jax.vjp(exact.parts, jnp.asarray(z))[1]
    reference = jax.vjp(lambda z: (jnp.real(z), jnp.imag(z)), jnp.asarray(z))[1]
    pair = jnp.asarray(g.real), jnp.asarray(g.imag)
    np.testing.assert_array_equal(pull(pair)[0], reference(pair)[0])


def test_a_divisor_hides_nothing():
    x = jnp.asarray([0.0, -0.0, 2.0, np.inf, np.nan], jnp.float32)
    np.testing.assert_array_equal(exact.divisor(x), [1, 1, 2, np.nan, np.nan])
