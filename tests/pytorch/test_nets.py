"""The PyTorch network against ours: same weights, same outputs, same loss, same gradients."""

import flax.traverse_util as traverse
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw, jit_quickly

torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from mrjax import losses  # noqa: E402
from mrjax.errors import UserError  # noqa: E402
from mrjax.nets.qsmnet import qsmnet  # noqa: E402
from mrjax.numerics.native import Native  # noqa: E402
from mrjax.physics import dipole  # noqa: E402
from mrjax.pytorch import nets, unet, weights  # noqa: E402

SIZES = {"width": 3, "levels": 2, "window": 3}


@pytest.fixture
def pair(rng):
    """Our network, torch's with the same random weights, and the weights, in float64."""
    ours = qsmnet(Native(dtype="float64"), **SIZES)
    theirs = nets.QSMnet(**SIZES).double()
    leaves = {k: draw(rng, v.shape) * 0.3 for k, v in weights.read_weights(theirs).items()}
    weights.load_weights(theirs, leaves)
    return ours, theirs, leaves


def to_torch(x):
    return torch.tensor(np.moveaxis(np.asarray(x), -1, 1))


def forward(ours, leaves, x):
    params = traverse.unflatten_dict({k: jnp.asarray(v) for k, v in leaves.items()}, "/")
    shapes = jax.eval_shape(lambda: ours.init(jax.random.key(0), x, True))["batch_stats"]
    stats = jax.tree.map(lambda s: jnp.zeros(s.shape, x.dtype), shapes)
    return ours.apply({"params": params, "batch_stats": stats}, x, True, mutable=["batch_stats"])[0]


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("form", ["lax", "products"])
def test_same_weights_same_outputs(pair, rng, dtype, rtol, form):
    _, theirs, leaves = pair
    ours = qsmnet(Native(dtype=dtype, conv_form=form), **SIZES)
    x = draw(rng, (2, 8, 8, 8, 1)).astype(dtype)
    expected = theirs.to(getattr(torch, dtype))(to_torch(x)).detach().numpy()
    leaves = {k: v.astype(dtype) for k, v in leaves.items()}
    actual = jit_quickly(lambda leaves, x: forward(ours, leaves, x))(leaves, x)
    assert actual.dtype == dtype
    error = np.abs(np.moveaxis(np.asarray(actual), -1, 1) - expected).max()
    assert error <= rtol * np.abs(expected).max()


def test_same_loss_and_gradients(pair, rng):
    ours, theirs, leaves = pair
    ar = ours.arithmetic
    field, target = (draw(rng, (2, 8, 8, 8, 1)) for _ in range(2))
    mask = (draw(rng, field.shape) > 0).astype(np.float64)
    kernel = dipole.kernel((8, 8, 8))

    def loss(values):
        out = forward(ours, values, jnp.asarray(field))
        chi = ar.add(ar.mul(out, 0.03), 0.01)
        return (
            losses.l1(ar, out, target)
            + 0.5 * losses.model(ar, chi, field, mask, jnp.asarray(kernel))
            + 0.1 * losses.gradient_difference(ar, out, jnp.asarray(target))
        )

    value, gradients = jit_quickly(jax.value_and_grad(loss))(
        {k: jnp.asarray(v) for k, v in leaves.items()}
    )
    images = (to_torch(a) for a in (target, field, mask))
    constants = nets.QsmConstants(torch.tensor(kernel), 0.0, 1.0, chi_mean=0.01, chi_std=0.03)
    expected = nets.qsm_loss(theirs(to_torch(field)), *images, constants)
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=1e-10)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(parameter.grad)
    scale = max(float(jnp.abs(g).max()) for g in gradients.values())
    for name, gradient in weights.read_weights(theirs).items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-8, atol=1e-10 * scale)


def test_weights_return_bit_for_bit(pair):
    _, theirs, leaves = pair
    back = weights.read_weights(theirs)
    assert back.keys() == leaves.keys()
    for name, value in leaves.items():
        np.testing.assert_array_equal(back[name], value)


def test_wrong_weights_are_refused(pair):
    _, theirs, leaves = pair
    with pytest.raises(UserError, match="out/bias is missing"):
        weights.load_weights(theirs, {k: v for k, v in leaves.items() if k != "out/bias"})
    with pytest.raises(UserError, match="shape"):
        weights.load_weights(theirs, {**leaves, "out/bias": np.zeros(3)})


def test_publication_size():
    with torch.device("meta"):
        network = nets.QSMnet()
    assert sum(p.numel() for p in network.parameters()) == 99_453_985


def test_running_statistics_keep_99_percent(rng):
    """With TensorFlow's momentum 0.99, one batch moves the average by a hundredth."""
    block = unet.Block(3, 1, 2, 3).double()
    x = torch.tensor(draw(rng, (2, 1, 6, 6, 6)))
    block(x)
    mean = block.conv(x).mean(dim=(0, 2, 3, 4)).detach().numpy()
    np.testing.assert_allclose(block.norm.mean.numpy(), 0.01 * mean, rtol=1e-10)
