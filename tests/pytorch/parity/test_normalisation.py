"""Batch normalisation in both frameworks: batches, running statistics, inference."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw

torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from mrjax.nets import layers  # noqa: E402
from mrjax.numerics.native import Native  # noqa: E402
from mrjax.pytorch import unet  # noqa: E402

KEPT = ("mean", "var", "weight")


@pytest.fixture
def pair(rng):
    """Our layer with its variables, and torch's; three channels, momentum 0.9."""
    ours = layers.BatchNorm(0.9, 1e-3, Native("float64"))
    theirs = unet.BatchNorm(3, 0.9, 1e-3).double()
    scale, bias = draw(rng, (3,)), draw(rng, (3,))
    with torch.no_grad():
        theirs.scale.copy_(torch.tensor(scale))
        theirs.bias.copy_(torch.tensor(bias))
    stats = {"mean": jnp.zeros(3), "var": jnp.zeros(3), "weight": jnp.zeros(1)}
    params = {"scale": jnp.asarray(scale), "bias": jnp.asarray(bias)}
    return ours, {"params": params, "batch_stats": stats}, theirs


def first(x):
    return torch.from_numpy(np.array(np.moveaxis(x, -1, 1), order="C"))


def last(y):
    return np.moveaxis(y.detach().numpy(), 1, -1)


@pytest.mark.parametrize("space", [(5, 4), (3, 4, 2)])
def test_three_batches_then_inference(pair, rng, space):
    ours, variables, theirs = pair
    for _ in range(3):
        x = 2 + draw(rng, (2, *space, 3))
        y, changed = ours.apply(variables, jnp.asarray(x), True, mutable=["batch_stats"])
        variables |= changed
        np.testing.assert_allclose(last(theirs(first(x))), y, rtol=1e-12, atol=1e-13)
    for name in KEPT:
        found = getattr(theirs, name).numpy()
        np.testing.assert_allclose(found, variables["batch_stats"][name], rtol=1e-13)
    expected = ours.apply(variables, jnp.asarray(x), False)
    found = last(theirs.eval()(first(x)))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    assert np.abs(found - np.asarray(y)).max() > 0.01, "inference used the batch"


def test_the_first_batch_is_forgotten_slowly_and_inference_changes_nothing(pair, rng):
    """Averages are debiased: after one batch, inference uses exactly the moments of that batch."""
    *_, theirs = pair
    x = draw(rng, (2, 5, 4, 3))
    theirs(first(x))
    np.testing.assert_allclose(theirs.weight.numpy(), [0.1], rtol=1e-15)
    before = {name: getattr(theirs, name).clone() for name in KEPT}
    y = theirs.eval()(first(x))
    axes = (0, 1, 2)
    normal = (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-3)
    scale, bias = theirs.scale.detach().numpy(), theirs.bias.detach().numpy()
    np.testing.assert_allclose(last(y), scale * normal + bias, rtol=1e-12, atol=1e-13)
    assert all(torch.equal(before[name], getattr(theirs, name)) for name in KEPT)


def test_one_value_a_channel(pair, rng):
    """On the deepest level of a small patch nothing varies, so only the bias is left."""
    ours, variables, theirs = pair
    x = draw(rng, (1, 1, 1, 3))
    y, changed = ours.apply(variables, jnp.asarray(x), True, mutable=["batch_stats"])
    np.testing.assert_allclose(last(theirs(first(x))), y, rtol=1e-14)
    for name in KEPT:
        found = getattr(theirs, name).numpy()
        np.testing.assert_allclose(found, changed["batch_stats"][name], rtol=1e-14)
