"""QSMnet's size, shape and normalisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.nets.layers import BatchNorm
from mrjax.nets.qsmnet import qsmnet
from mrjax.numerics.native import Native


def shapes(**size):
    image = jax.ShapeDtypeStruct((1, 64, 64, 64, 1), jnp.float32)
    net = qsmnet(Native(), **size)
    key = jax.random.key(0)
    return jax.eval_shape(lambda k, x: net.init_with_output(k, x, True), key, image)


def count(tree) -> int:
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def test_paper_size_has_the_published_number_of_parameters():
    output, variables = shapes()
    widths = [32, 64, 128, 256]
    block = lambda i, o: 125 * i * o + o + 2 * o  # noqa: E731 window, bias, scale and shift
    down = sum(block(i, o) + block(o, o) for i, o in zip([1, *widths[:-1]], widths, strict=True))
    bottom = block(256, 512) + block(512, 512)
    up = sum(8 * 2 * w * w + w + block(2 * w, w) + block(w, w) for w in widths)
    assert down + bottom + up + 33 == 99_453_985
    assert count(variables["params"]) == 99_453_985
    assert output.shape == (1, 64, 64, 64, 1)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_width_depth_and_window_are_configurable():
    _, variables = shapes(width=4, levels=2, window=3)
    params = variables["params"]
    assert params["down0_0"]["conv"]["kernel"].shape == (3, 3, 3, 1, 4)
    assert params["bottom_0"]["conv"]["kernel"].shape == (3, 3, 3, 8, 16)
    assert params["merge1_0"]["conv"]["kernel"].shape == (3, 3, 3, 16, 8)
    assert "down2_0" not in params


def test_indivisible_axis_is_refused():
    net = qsmnet(Native(), width=2, levels=2, window=3)
    with pytest.raises(ValueError, match="divisible by 2\\^levels = 4"):
        net.init(jax.random.key(0), jnp.zeros((1, 8, 8, 6, 1), jnp.float32), True)


def test_running_statistics_are_debiased_averages():
    norm = BatchNorm(momentum=0.9, eps=1e-3, arithmetic=Native(dtype="float64"))
    rng = np.random.default_rng(0)
    params = {"scale": jnp.array([2.0, 1.0]), "bias": jnp.array([0.5, -1.0])}
    batches = [rng.normal(3, 2, (2, 4, 4, 2)) for _ in range(3)]
    zeros = jnp.zeros(2)
    variables = {
        "params": params,
        "batch_stats": {"mean": zeros, "var": zeros, "weight": jnp.zeros(1)},
    }
    for x in batches:
        y, changed = norm.apply(variables, jnp.asarray(x), True, mutable=["batch_stats"])
        variables = variables | changed
    flat = batches[-1].reshape(-1, 2)
    expected = (flat - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-3) * [2, 1] + [0.5, -1]
    np.testing.assert_allclose(y.reshape(-1, 2), expected, rtol=1e-10)
    weights = 0.1 * 0.9 ** np.arange(2, -1, -1)
    weights /= weights.sum()
    mean = sum(w * b.mean((0, 1, 2)) for w, b in zip(weights, batches, strict=True))
    var = sum(w * b.var((0, 1, 2)) for w, b in zip(weights, batches, strict=True))
    x = rng.normal(size=(1, 2, 2, 2))
    found = norm.apply(variables, jnp.asarray(x), False)
    np.testing.assert_allclose(
        found, (x - mean) / np.sqrt(var + 1e-3) * [2, 1] + [0.5, -1], rtol=1e-10
    )
