"""The variational network in both frameworks: same weights, same images, same gradients."""

import flax.traverse_util as traverse
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw, jit_quickly, shared

torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from mrjax import losses  # noqa: E402
from mrjax.nets.varnet import VarNet, project  # noqa: E402
from mrjax.numerics.native import Native  # noqa: E402
from mrjax.pytorch import public_varnet, varnet  # noqa: E402

WIDTH, NODES = 3, 31
LEAVES = {"kernel": (11, 11, 2, WIDTH), "rbf": (WIDTH, NODES), "data_weight": ()}
SCALES = {"kernel": 1 / 242**0.5, "rbf": 0.3, "data_weight": 1}
COMPLEX = {"float32": "complex64", "float64": "complex128"}


def problem(rng, dtype, shape=(2, 3, 26, 24)):
    """First image, k-space, maps and mask, as a run prepares them."""
    maps, kspace = (torch.tensor(draw(rng, shape, np.complex128)) for _ in range(2))
    maps = maps / maps.abs().square().sum(dim=1, keepdim=True).sqrt()
    mask = torch.tensor((draw(rng, (shape[0], shape[-1])) > 0).astype(np.float64))
    kspace = mask[:, None, None, :] * kspace
    start = varnet.adjoint_model(kspace, maps, mask)
    scale = start.abs().amax(dim=(1, 2), keepdim=True)
    arrays = [a.numpy() for a in (start / scale, kspace / scale[:, None], maps)]
    return [*(a.astype(COMPLEX[dtype]) for a in arrays), mask.numpy().astype(dtype)]


def weights(rng, stages, dtype):
    """Filters have norm 1, like trained ones; larger ones amplify rounding from stage to stage."""
    return {
        f"stage{i}/{name}": np.asarray(SCALES[name] * draw(rng, shape), dtype)
        for i in range(stages)
        for name, shape in LEAVES.items()
    }


def ours(leaves, arrays, form="products"):
    width, stages = leaves["stage0/rbf"].shape[0], len(leaves) // 3
    net = VarNet(Native(str(arrays[-1].dtype), form), width=width, stages=stages)
    params = traverse.unflatten_dict({k: jnp.asarray(v) for k, v in leaves.items()}, "/")
    return net.apply({"params": params}, *(jnp.asarray(a) for a in arrays))


def theirs(leaves, form=varnet.VarNet):
    net = form(stages=len(leaves) // 3, filters=leaves["stage0/rbf"].shape[0])
    net = net.to(torch.float64 if leaves["stage0/rbf"].dtype == np.float64 else torch.float32)
    net.load_state_dict(public_varnet.to_state_dict(leaves), strict=True)
    return net


def relative(actual, expected):
    return np.linalg.norm(np.asarray(actual) - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("form", ["lax", "products"])
@pytest.mark.parametrize("stages", [1, 3])
def test_same_weights_same_images(rng, dtype, rtol, form, stages):
    arrays, leaves = problem(rng, dtype), weights(rng, stages, dtype)
    expected = theirs(leaves)(*(torch.tensor(a) for a in arrays)).detach().numpy()
    actual = ours(leaves, arrays, form)
    assert actual.dtype == COMPLEX[dtype]
    assert relative(actual, expected) <= rtol
    assert relative(arrays[0], expected) > 0.01, "the network changed nothing: nothing was compared"


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-4)])
@pytest.mark.parametrize("form", [varnet.VarNet, varnet.TunedVarNet])
def test_same_loss_and_gradients(rng, dtype, rtol, form):
    arrays, leaves = problem(rng, dtype), weights(rng, 2, dtype)
    target = draw(rng, arrays[0].shape, COMPLEX[dtype])

    def loss(values):
        image = ours(values, arrays)
        return losses.complex_mse(Native(dtype), image, jnp.asarray(target))

    value, gradients = jit_quickly(jax.value_and_grad(loss))(leaves)
    net = theirs(leaves, form)
    expected = varnet.mean_squared_error(
        net(*(torch.tensor(a) for a in arrays)), torch.tensor(target)
    )
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=rtol)
    state = {name: p.grad for name, p in net.named_parameters()}
    wanted = public_varnet.from_state_dict(state)
    norm = np.sqrt(sum(np.sum(np.square(g)) for g in wanted.values()))
    for name, gradient in wanted.items():
        assert np.linalg.norm(np.asarray(gradients[name]) - gradient) <= rtol * norm, name


def test_same_projection(rng):
    leaves = weights(rng, 2, "float64") | {"stage1/data_weight": np.asarray(-1.0)}
    params = traverse.unflatten_dict({k: jnp.asarray(v) for k, v in leaves.items()}, "/")
    expected = traverse.flatten_dict(project(Native("float64"), params), sep="/")
    net = theirs(leaves)
    varnet.project(net)
    for name, leaf in public_varnet.from_state_dict(net.state_dict()).items():
        np.testing.assert_allclose(leaf, expected[name], rtol=1e-12, atol=1e-14)
    assert net.cell_list[1].lamb.item() == 0


@pytest.mark.parametrize("weight", [-np.inf, np.inf, np.nan])
def test_a_data_weight_that_overflowed_is_not_hidden(rng, weight):
    leaves = weights(rng, 1, "float64") | {"stage0/data_weight": np.asarray(weight)}
    params = traverse.unflatten_dict({k: jnp.asarray(v) for k, v in leaves.items()}, "/")
    assert np.isnan(project(Native("float64"), params)["stage0"]["data_weight"])
    net = theirs(leaves)
    varnet.project(net)
    assert np.isnan(net.cell_list[0].lamb.item())


def test_shared_weights_give_the_same_images(rng):
    """Ten trained stages of 48 filters, loaded into the public form and into ours."""
    path = shared("reference/varnet_coronal_pd_fs.h5")
    leaves, arrays = public_varnet.read_state_dict(path), problem(rng, "float32", (1, 2, 32, 28))
    net = varnet.VarNet(stages=10, filters=48)
    net.load_state_dict(torch.load(path, weights_only=True), strict=True)
    expected = net(*(torch.tensor(a) for a in arrays)).detach().numpy()
    assert relative(ours(leaves, arrays), expected) <= 1e-5
