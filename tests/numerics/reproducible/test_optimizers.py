"""Update rules against strict float32 steps in numpy, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numerics.reproducible import strict

from mrjax.numerics.reproducible import Reproducible

AR = Reproducible()
STEPS = 12


def gradients(rng):
    """Gradients over twenty decades, so that some squares are subnormal; some are zero."""
    values = rng.standard_normal((STEPS, 400)) * 10.0 ** rng.uniform(-23, 3, (STEPS, 400))
    values[:, :20] = 0
    return values.astype(np.float32)


def trained(rule, gradients):
    """Parameters after each step."""

    def step(carry, gradient):
        params, state = carry
        updates, state = rule.update({"w": gradient}, state, {"w": params})
        params = AR.add(params, updates["w"])
        return (params, state), params

    start = jnp.full(gradients.shape[1:], 0.5, jnp.float32)
    return np.asarray(
        jax.jit(lambda g: jax.lax.scan(step, (start, rule.init({"w": start})), g))(gradients)[1]
    )


def rate_of(step, scheduled):
    return np.float32(0.1) / np.float32(step + 1) if scheduled else np.float32(0.1)


def schedule(count):
    return AR.div(jnp.float32(0.1), AR.add(count, jnp.float32(1)))


def mul(x, y):
    return strict.apply(np.multiply, x, y)


def add(x, y):
    return strict.apply(np.add, x, y)


def div(x, y):
    return strict.apply(np.divide, x, y)


@pytest.mark.parametrize("scheduled", [False, True])
def test_adam(rng, scheduled):
    b1, b2 = np.float32(0.9), np.float32(0.999)
    grads = gradients(rng)
    p, m, v = np.full(400, 0.5, np.float32), np.zeros(400, np.float32), np.zeros(400, np.float32)
    weight1 = weight2 = np.float32(0)
    expected = []
    for step, g in enumerate(grads):
        m = add(mul(b1, m), mul(np.float32(0.1), g))
        v = add(mul(b2, v), mul(np.float32(0.001), mul(g, g)))
        weight1 = add(mul(b1, weight1), np.float32(0.1))
        weight2 = add(mul(b2, weight2), np.float32(0.001))
        mean, size = div(m, weight1), strict.apply(np.sqrt, div(v, weight2))
        update = div(mul(-rate_of(step, scheduled), mean), add(size, np.float32(1e-8)))
        p = add(p, update)
        expected.append(p)
    result = trained(AR.adam(schedule if scheduled else 0.1), grads)
    np.testing.assert_array_equal(strict.bits(result), strict.bits(expected))


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_gradient_descent(rng, scheduled, momentum):
    grads = gradients(rng)
    p, trace, expected = np.full(400, 0.5, np.float32), np.zeros(400, np.float32), []
    for step, g in enumerate(grads):
        trace = add(g, mul(np.float32(momentum), trace))
        p = add(p, mul(-rate_of(step, scheduled), trace))
        expected.append(p)
    result = trained(AR.sgd(schedule if scheduled else 0.1, momentum), grads)
    np.testing.assert_array_equal(strict.bits(result), strict.bits(expected))


def test_adam_is_optaxs_adam(rng):
    grads = rng.standard_normal((STEPS, 400)).astype(np.float32)
    rule, p = optax.adam(0.1), jnp.full(400, 0.5, jnp.float64)
    state = rule.init(p)
    for g in grads:
        updates, state = rule.update(jnp.asarray(g, jnp.float64), state, p)
        p = optax.apply_updates(p, updates)
    np.testing.assert_allclose(trained(AR.adam(0.1), grads)[-1], p, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", [AR.adam(0.1), AR.sgd(0.1, 0.9)])
def test_tensors_do_not_know_of_each_other(rng, rule):
    """All tensors are updated in one row, each as if it were alone, and keep their shapes."""
    shapes = {"kernel": (3, 4), "scalar": (), "bias": (5,)}
    grads = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    start = jax.tree.map(jnp.zeros_like, grads)
    together, state = jax.jit(rule.update)(grads, rule.init(start))
    for name, g in grads.items():
        alone, _ = jax.jit(rule.update)(g, rule.init(start[name]))
        assert alone.shape == together[name].shape
        np.testing.assert_array_equal(strict.bits(alone), strict.bits(together[name]))
    assert jax.tree.structure(state) == jax.tree.structure(rule.init(start))


@pytest.mark.parametrize("rule", [AR.adam(schedule), AR.sgd(schedule, 0.9)])
def test_states_are_single_precision_and_own_their_buffers(rule):
    """A training step donates all leaves; a schedule finds the count."""
    state = rule.init({"w": jnp.zeros(3, jnp.float32)})
    leaves = jax.tree.leaves(state)
    assert all(leaf.dtype == jnp.float32 for leaf in leaves)
    assert optax.tree_utils.tree_get(state, "count") == 0
    assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)
