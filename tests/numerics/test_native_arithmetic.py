"""Elementwise functions and update rules of the native arithmetic against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import draw

from mrjax.numerics.native import Native

AR = Native()


def test_square_root_and_sigmoid(rng):
    x = draw(rng, (50,)) * 20
    np.testing.assert_allclose(AR.sqrt(jnp.abs(x)), np.abs(x) ** 0.5, rtol=1e-14)
    np.testing.assert_allclose(AR.sigmoid(jnp.asarray(x)), 1 / (1 + np.exp(-x)), rtol=1e-13)


def test_sigmoid_at_its_ends():
    far = jnp.asarray([-1e4, 1e4], jnp.float32)
    value, pull = jax.vjp(AR.sigmoid, far)
    np.testing.assert_array_equal(value, [0, 1])
    np.testing.assert_array_equal(pull(jnp.ones(2, jnp.float32))[0], [0, 0])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("scheduled", [False, True])
def test_gradient_descent_with_momentum(rng, momentum, scheduled):
    """trace = gradient + momentum * trace; p = p - rate * trace; a schedule sees 0, 1, 2, ..."""
    rule = AR.sgd((lambda count: 0.1 / (count + 1)) if scheduled else 0.1, momentum)
    params = {"w": jnp.asarray(draw(rng, (3,)), jnp.float32)}
    state = rule.init(params)
    expected, trace = np.asarray(params["w"], np.float64), np.zeros(3)
    for step in range(4):
        gradient = draw(rng, (3,)).astype(np.float32)
        updates, state = rule.update({"w": jnp.asarray(gradient)}, state, params)
        params = optax.apply_updates(params, updates)
        trace = gradient + momentum * trace
        expected = expected - 0.1 / (step + 1 if scheduled else 1) * trace
        assert updates["w"].dtype == jnp.float32
    np.testing.assert_allclose(params["w"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", [AR.adam(lambda _: 0.1), AR.sgd(lambda _: 0.1, 0.9)])
def test_counts_are_floating_and_buffers_their_own(rule):
    state = rule.init({"w": jnp.zeros(3, jnp.float32)})
    leaves = jax.tree.leaves(state)
    assert all(leaf.dtype == jnp.float32 for leaf in leaves)
    assert optax.tree_utils.tree_get_all_with_path(state, "count")
    assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)
