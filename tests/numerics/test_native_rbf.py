"""The sum of Gaussians: against the plain sum in float64, with its gradients and limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw
from hypothesis import given, settings
from hypothesis import strategies as st

from mrjax.numerics.native import Native
from mrjax.numerics.native import rbf as fast


def gaussians(x, nodes, low, high):
    mu, width = np.linspace(low, high, nodes), (high - low) / (nodes - 1)
    offset = np.asarray(x, np.float64)[..., None] - mu
    return np.exp(-(offset**2) / (2 * width**2)), -offset / width**2


def expected(x, w, low, high):
    """Return the value and the derivative by x."""
    gauss, factor = gaussians(x, w.shape[1], low, high)
    return np.sum(gauss * w, axis=-1), np.sum(gauss * factor * w, axis=-1)


def example(rng, nodes=31, shape=(2, 5, 7, 3), dtype=np.float64):
    x = 1.3 * rng.uniform(-1, 1, shape)
    return x.astype(dtype), draw(rng, (shape[-1], nodes)).astype(dtype)


@pytest.mark.parametrize("nodes", [2, 8, 9, 31])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-0.5, 2.0)])
def test_value_and_gradients(rng, nodes, low, high):
    x, w = example(rng, nodes)
    g = draw(rng, x.shape)
    value, pull = jax.vjp(lambda x, w: fast.rbf(x, w, low, high), x, w)
    by_x, by_w = pull(jnp.asarray(g))
    total, slope = expected(x, w, low, high)
    gauss, _ = gaussians(x, nodes, low, high)
    np.testing.assert_allclose(value, total, rtol=0, atol=1e-12)
    np.testing.assert_allclose(by_x, g * slope, rtol=0, atol=1e-11 * nodes)
    np.testing.assert_allclose(by_w, np.einsum("bxyf,bxyfn->fn", g, gauss), rtol=0, atol=1e-11)


def test_single_precision_to_a_millionth(rng):
    x, w = example(rng, shape=(4, 50, 50, 3), dtype=np.float32)
    total, slope = expected(x, w.astype(np.float64), -1, 1)
    value, pull = jax.vjp(lambda x: Native().rbf(x, jnp.asarray(w), -1, 1), jnp.asarray(x))
    largest = np.abs(w).max()
    assert np.abs(value - total).max() <= 1e-6 * largest
    assert np.abs(pull(jnp.ones_like(value))[0] - slope).max() <= 3e-6 * 15 * largest


@pytest.mark.parametrize("far", [3.0, 1e6, 3e38, np.inf])
def test_far_inputs_give_zero(far):
    x = jnp.asarray([[far], [-far]], jnp.float32)
    w = jnp.full((1, 31), 1e3, jnp.float32)
    value, pull = jax.vjp(lambda x, w: fast.rbf(x, w, -1, 1), x, w)
    for array in (value, *pull(jnp.ones_like(value))):
        assert not np.any(array)


def test_one_weight_is_one_gaussian():
    x = jnp.linspace(-1.5, 1.5, 301)[:, None]
    for node in range(31):
        w = jnp.zeros((1, 31)).at[0, node].set(2)
        at = -1 + node / 15
        np.testing.assert_allclose(
            fast.rbf(x, w, -1, 1), 2 * np.exp(-((x - at) ** 2) * 112.5), rtol=0, atol=1e-14
        )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_data_types_are_kept(rng, dtype):
    x, w = (jnp.asarray(a, dtype) for a in example(rng))
    value, pull = jax.vjp(lambda x, w: Native(dtype=dtype).rbf(x, w, -1, 1), x, w)
    assert {a.dtype for a in (value, *pull(value))} == {jnp.dtype(dtype)}
    total, _ = expected(np.asarray(x, np.float64), np.asarray(w, np.float64), -1, 1)
    # Half a unit in the last place of the result: the inside is float32.
    tolerance = float(jnp.finfo(dtype).eps) * np.abs(total).max() + 1e-5
    np.testing.assert_allclose(np.asarray(value, np.float64), total, rtol=0, atol=tolerance)


def test_float32_holds_no_float64(rng):
    def gradient(x, w):
        return jax.vjp(lambda x, w: fast.rbf(x, w, -1.0, 1.0), x, w)[1](x)

    assert "f64" not in str(jax.make_jaxpr(gradient)(*example(rng, dtype=np.float32)))


def test_gaussians_are_not_stored(rng):
    """The gradients need a few arrays as large as x, not one per node."""

    def gradient(x, w):
        return jax.vjp(lambda x, w: fast.rbf(x, w, -1.0, 1.0), x, w)[1](x)

    x, w = example(rng, shape=(2, 64, 64, 8), dtype=np.float32)
    compiled = jax.jit(gradient).lower(x, w).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 4 * x.nbytes


def test_a_single_node_is_refused():
    with pytest.raises(ValueError, match="two nodes"):
        fast.rbf(jnp.zeros((2, 1)), jnp.zeros((1, 1)), -1.0, 1.0)


@settings(deadline=None)
@given(st.integers(1, 200))
def test_segments_share_out_the_nodes(nodes):
    found = fast.segments(nodes)
    assert [n for s in found for n in range(s.first, s.last + 1)] == list(range(nodes))
    assert all(max(s.last - s.centre, s.centre - s.first) <= fast.REACH for s in found)
    assert fast.LIMIT * fast.REACH < np.log(np.finfo(np.float32).max)
