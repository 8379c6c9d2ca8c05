"""Exponential, sigmoid and Gaussians against float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw
from numerics.reproducible import strict

from mrjax.numerics.reproducible import Reproducible, rbf
from mrjax.numerics.reproducible.functions import exponential

AR = Reproducible()


def test_error_of_the_exponential(rng):
    x = np.concatenate([rng.uniform(-700, 700, 200_000), rng.uniform(-1, 1, 200_000)])
    result = np.asarray(jax.jit(exponential)(x))
    assert np.max(np.abs(result / np.exp(x) - 1)) < 2.0**-33
    assert exponential(jnp.zeros(1))[0] == 1
    assert jnp.isnan(exponential(jnp.full(1, jnp.nan))[0])


def test_error_of_the_sigmoid(rng):
    x = np.concatenate([rng.uniform(-90, 87, 200_000), rng.uniform(-1, 1, 200_000)])
    x = x.astype(np.float32)
    expected = 1 / (1 + np.exp(-x.astype(np.float64)))
    result = np.asarray(jax.jit(AR.sigmoid)(x)).astype(np.float64)
    subnormal = expected < 2.0**-126
    assert subnormal.any() and not result[subnormal].any()
    error = np.where(subnormal, 0, result - expected)
    assert np.max(np.abs(error) / np.spacing(expected.astype(np.float32))) < 0.51


def test_ends_of_the_sigmoid():
    x = jnp.asarray([-1e30, -88, 0, 88, 1e30, np.nan, -np.inf, np.inf], jnp.float32)
    value, pull = jax.vjp(AR.sigmoid, x)
    # Infinity is an overflow, which a finite value would hide.
    np.testing.assert_array_equal(strict.bits(value), strict.bits([0, 0, 0.5, 1, 1, *[np.nan] * 3]))
    slope = strict.bits(pull(jnp.ones_like(x))[0])
    np.testing.assert_array_equal(slope, strict.bits([0, 0, 0.25, 0, 0, *[np.nan] * 3]))


def test_gradient_of_the_sigmoid(rng):
    x, g = draw(rng, (2000,), np.float32), draw(rng, (2000,), np.float32)
    (result,) = jax.vjp(AR.sigmoid, x)[1](g)
    y = 1 / (1 + np.exp(-x.astype(np.float64)))
    # The rounding of y, which is as large in 1 - y, and of three steps.
    bound = np.abs(g) * 2.0**-25 + np.abs(g * y * (1 - y)) * 2.0**-22
    assert np.all(np.abs(result - g * y * (1 - y)) <= bound)


gaussian_sum = jax.jit(lambda x, w: AR.rbf(x, w, -1.0, 1.0))


def gaussians(x, weights, low, high):
    """The sum by its definition."""
    nodes = weights.shape[1]
    centres = jnp.linspace(low, high, nodes).reshape((1,) * x.ndim + (nodes,))
    distance = (x[..., None] - centres) * ((nodes - 1) / (high - low))
    columns = weights.reshape((1,) * (x.ndim - 1) + weights.shape)
    return jnp.sum(columns * jnp.exp(-(distance**2) / 2), axis=-1)


@pytest.mark.parametrize(("nodes", "shape"), [(2, (3,)), (31, (4, 5, 60, 8)), (75, (700, 2))])
def test_gaussians_and_their_gradients(rng, nodes, shape):
    low, high = -0.7, 1.3
    x = (1.5 * draw(rng, shape)).astype(np.float32)
    w, g = draw(rng, (shape[-1], nodes), np.float32), draw(rng, shape, np.float32)
    value, pull = jax.vjp(jax.jit(lambda x, w: AR.rbf(x, w, low, high)), x, w)
    expected, reference = jax.vjp(
        lambda x, w: gaussians(x, w, low, high), x.astype(np.float64), w.astype(np.float64)
    )
    terms = gaussians(x.astype(np.float64), np.abs(w).astype(np.float64), low, high)
    bound = terms * 2.0**-28 + np.abs(expected) * 2.0**-24 + 2.0**-126
    assert np.all(np.abs(value - expected) <= bound)
    (by_x, by_w), (x_wanted, w_wanted) = pull(g), reference(g.astype(np.float64))
    bound = terms * 2.0**-23 * (nodes - 1) / (high - low) * np.abs(g) + np.abs(x_wanted) * 2.0**-24
    bound = bound + 2.0**-126
    assert np.all(np.abs(by_x - x_wanted) <= bound)
    sizes = jax.vjp(lambda w: gaussians(x.astype(np.float64), w, low, high), w.astype(np.float64))
    positions, axes = g[..., 0].size, tuple(range(g.ndim - 1))
    largest = np.ldexp(1.0, np.frexp(np.abs(g).max(axes))[1])[:, None]
    grid = positions * 2.0 ** ((positions - 1).bit_length() - 53) * largest
    (terms,) = sizes[1](np.abs(g).astype(np.float64))
    bound = terms * 2.0**-28 + grid + np.abs(w_wanted) * 2.0**-24
    assert np.all(np.abs(by_w - w_wanted) <= bound)


def test_the_gradient_by_weights_is_exact_before_it_is_rounded(rng, monkeypatch):
    """In plain float64 a permutation of large terms shows in the last bits."""
    seen = []
    monkeypatch.setattr(rbf, "narrow", lambda x: seen.append(np.asarray(x)) or x)
    place, g = rng.uniform(-0.1, 0.1, (1024, 64)), rng.uniform(0.9, 1, (1024, 64))
    for order in (slice(None), *(rng.permutation(1024) for _ in range(3))):
        rbf._weight_gradient(jnp.asarray(place[order][None]), jnp.float32(g[order][None]), 9)
    assert np.max(seen[0]) > 900
    for other in seen[1:]:
        np.testing.assert_array_equal(seen[0], other)


def test_far_from_all_nodes_there_is_nothing():
    x = jnp.asarray([[-1e30], [-4], [4], [1e30]], jnp.float32)
    w = jnp.ones((1, 31), jnp.float32)
    value, (by_x, by_w) = (lambda y, pull: (y, pull(y + 1)))(*jax.vjp(gaussian_sum, x, w))
    for result in (value, by_x, by_w):
        np.testing.assert_array_equal(result, jnp.zeros_like(result))


def test_an_overflow_among_gaussians_shows():
    x = jnp.asarray([[-np.inf], [0], [np.inf]], jnp.float32)
    value = gaussian_sum(x, jnp.ones((1, 5), jnp.float32))
    assert np.isnan(value)[:, 0].tolist() == [True, False, True]


def test_not_a_number_stays_in_its_place_and_its_channel():
    x = np.zeros((4, 2), np.float32)
    x[1, 0] = np.nan
    w = jnp.ones((2, 5), jnp.float32)
    value, pull = jax.vjp(gaussian_sum, jnp.asarray(x), w)
    by_x, by_w = pull(jnp.ones_like(value))
    np.testing.assert_array_equal(np.isnan(value), np.isnan(x))
    np.testing.assert_array_equal(np.isnan(by_x), np.isnan(x))
    np.testing.assert_array_equal(np.isnan(by_w), [[True] * 5, [False] * 5])
