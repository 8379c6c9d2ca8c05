"""The 2-D U-Net in both frameworks: same weights, same outputs, same loss, same gradients."""

import flax.traverse_util as traverse
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw, jit_quickly

torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from mrjax import losses  # noqa: E402
from mrjax.nets.unet import UNet  # noqa: E402
from mrjax.numerics.native import Native  # noqa: E402
from mrjax.pytorch import unet, weights  # noqa: E402

SIZES = {"width": 3, "levels": 2}
SHAPE = (2, 8, 12, 3)


@pytest.fixture
def pair(rng):
    """Torch's network with random weights, and the weights, in float64."""
    theirs = unet.UNet2d(**SIZES).double()
    leaves = {k: draw(rng, v.shape) * 0.3 for k, v in weights.read_weights(theirs).items()}
    weights.load_weights(theirs, leaves)
    return theirs, leaves


def to_torch(x):
    return torch.tensor(np.moveaxis(np.asarray(x), -1, 1))


def forward(leaves, x, form="products"):
    net = UNet(window=(3, 3), arithmetic=Native(str(x.dtype), form), **SIZES)
    params = traverse.unflatten_dict({k: jnp.asarray(v) for k, v in leaves.items()}, "/")
    shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), x, True))["batch_stats"]
    stats = jax.tree.map(lambda s: jnp.zeros(s.shape, x.dtype), shapes)
    return net.apply({"params": params, "batch_stats": stats}, x, True, mutable=["batch_stats"])[0]


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("form", ["lax", "products"])
def test_same_weights_same_outputs(pair, rng, dtype, rtol, form):
    theirs, leaves = pair
    x = draw(rng, SHAPE).astype(dtype)
    expected = theirs.to(getattr(torch, dtype))(to_torch(x)).detach().numpy()
    leaves = {k: v.astype(dtype) for k, v in leaves.items()}
    actual = jit_quickly(lambda values, x: forward(values, x, form))(leaves, x)
    assert actual.dtype == dtype
    error = np.abs(np.moveaxis(np.asarray(actual), -1, 1) - expected).max()
    assert error <= rtol * np.abs(expected).max()


def test_same_loss_and_gradients(pair, rng):
    theirs, leaves = pair
    image, mask = draw(rng, SHAPE), (draw(rng, (*SHAPE[:3], 1)) > 0).astype(np.float64)

    def loss(values):
        ar = Native("float64")
        probability = ar.sigmoid(forward(values, jnp.asarray(image)))
        return 1 - losses.soft_dice(ar, probability, jnp.asarray(mask))

    value, gradients = jit_quickly(jax.value_and_grad(loss))(leaves)
    expected = unet.soft_dice_loss(theirs(to_torch(image)), to_torch(mask))
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=1e-10)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(parameter.grad)
    wanted = weights.read_weights(theirs)
    scale = max(np.abs(g).max() for g in wanted.values())
    for name, gradient in wanted.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-8, atol=1e-10 * scale)


def test_weights_return_bit_for_bit(pair):
    theirs, leaves = pair
    back = weights.read_weights(theirs)
    assert back.keys() == leaves.keys()
    for name, value in leaves.items():
        np.testing.assert_array_equal(back[name], value)
