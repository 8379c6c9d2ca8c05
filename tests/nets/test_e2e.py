"""The end-to-end variational network against fastmri.models.VarNet with the same weights."""

import dataclasses
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict
from helpers import draw, jit_quickly

from mrjax import losses
from mrjax.nets import e2e, fastmri_names, norm_unet
from mrjax.numerics.native import Native
from mrjax.numerics.reproducible import Reproducible
from mrjax.numerics.trees import named_leaves

SIZES = fastmri_names.Sizes(cascades=2, width=4, levels=2, sens_width=3, sens_levels=2)
SMALLEST = fastmri_names.Sizes(cascades=1, width=2, levels=1, sens_width=2, sens_levels=1)
SHAPE = (2, 3, 20, 22)
LINES = 6


def tree(leaves):
    return unflatten_dict(leaves, sep="/")


def network(ar, sizes=SIZES):
    return e2e.E2EVarNet(ar, **dataclasses.asdict(sizes))


def shapes(sizes=SIZES, shape=SHAPE):
    kspace = jax.ShapeDtypeStruct(shape, jnp.complex64)
    mask = jax.ShapeDtypeStruct((shape[0], shape[-1]), jnp.float32)
    key = jax.random.key(0, impl="threefry2x32")
    found = jax.eval_shape(network(Native(), sizes).init, key, kspace, mask)
    return {path: leaf.shape for path, leaf in named_leaves(found["params"]).items()}


def drawn(rng, sizes=SIZES):
    """Kernels of He's variance; biases and data weights are not their usual 0 and 1."""

    def leaf(shape):
        deviation = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) == 4 else 0.2
        return (deviation * draw(rng, shape) + 0.3 * (len(shape) < 4)).astype(np.float32)

    return {path: leaf(shape) for path, shape in shapes(sizes).items()}


@pytest.fixture
def slices(rng):
    """Noise, two slices of which have different numbers of calibration columns."""
    mask = np.zeros((2, SHAPE[-1]))
    mask[:, ::4] = 1
    mask[0, 8:14] = 1
    mask[1, 9:13] = 1
    kspace = draw(rng, SHAPE, np.complex128) * mask[:, None, None]
    reference = np.abs(draw(rng, (2, *SHAPE[2:]))) + 0.5
    return {"kspace": kspace, "mask": mask, "reference": reference}


def theirs(leaves, dtype, sizes=SIZES):
    """The module of the package, with our weights."""
    torch = pytest.importorskip("torch")
    module = pytest.importorskip("fastmri.models").VarNet(
        sizes.cascades, sizes.sens_width, sizes.sens_levels, sizes.width, sizes.levels
    )
    state = fastmri_names.exported(sizes, leaves)
    module.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    return module.to(getattr(torch, dtype))


def their_step(leaves, slices, dtype, lines, sizes=SIZES):
    """Output, SSIM loss and gradients of the package's module."""
    torch = pytest.importorskip("torch")
    module = theirs(leaves, dtype, sizes)
    real = getattr(torch, dtype)
    kspace = torch.view_as_real(torch.tensor(slices["kspace"])).to(real)
    mask = torch.tensor(slices["mask"] != 0)[:, None, None, :, None]
    output = module(kspace, mask, lines)
    reference = torch.tensor(slices["reference"], dtype=real)
    loss_of = importlib.import_module("fastmri.losses").SSIMLoss().to(real)
    loss_of.w.fill_(1 / 49)  # the package has a float32 number here
    loss = loss_of(output[:, None], reference[:, None], reference.amax((1, 2)))
    loss.backward()
    gradients = {name: p.grad.double().numpy() for name, p in module.named_parameters()}
    return output.detach().numpy(), float(loss.detach()), gradients


def our_step(ar, leaves, slices, dtype, lines=None, sizes=SIZES):
    """Output, SSIM loss and gradients of our network, under the package's names."""
    net = network(ar, sizes)
    complex_ = {"float32": np.complex64, "float64": np.complex128}[dtype]
    kspace, mask = slices["kspace"].astype(complex_), slices["mask"].astype(dtype)
    reference = jnp.asarray(slices["reference"].astype(dtype))
    given = None if lines is None else jnp.full((len(mask),), lines)

    def loss(params):
        image = net.apply({"params": params}, kspace, mask, given)
        value = losses.ssim_loss(ar, image, reference, jnp.max(reference, (1, 2)))
        return value, image

    params = tree({path: jnp.asarray(leaf.astype(dtype)) for path, leaf in leaves.items()})
    (value, image), gradients = jit_quickly(jax.value_and_grad(loss, has_aux=True))(params)
    return np.asarray(image), float(value), named_leaves(gradients)


def distance(found, expected, sizes=SIZES):
    """Largest relative distance of two trees of gradients, by the norm of the whole tree."""
    table = {ours: (name, order) for ours, name, order in fastmri_names.pairs(sizes)}
    assert set(found) == set(table)
    error = size = 0.0
    for path, array in found.items():
        name, order = table[path]
        one = expected[name].reshape(()) if order is None else expected[name].transpose(order)
        error += float(np.sum((np.asarray(array, np.float64) - one) ** 2))
        size += float(np.sum(one**2))
    assert size > 0
    return np.sqrt(error / size)


@pytest.mark.parametrize("lines", [None, LINES])
@pytest.mark.parametrize(
    "dtype, output_bar, loss_bar, gradient_bar",
    [("float32", 1e-5, 1e-6, 1e-4), ("float64", 1e-10, 1e-10, 1e-10)],
)
def test_step_is_that_of_fastmri(rng, slices, dtype, lines, output_bar, loss_bar, gradient_bar):
    leaves = drawn(rng)
    expected, their_loss, their_gradients = their_step(leaves, slices, dtype, lines)
    found, loss, gradients = our_step(Native(dtype), leaves, slices, dtype, lines)
    assert found.dtype == dtype and found.shape == expected.shape
    assert np.abs(found - expected).max() <= output_bar * np.abs(expected).max()
    assert abs(loss - their_loss) <= loss_bar
    assert distance(gradients, their_gradients) <= gradient_bar


@pytest.mark.parametrize("shape", [(1, 2, 21, 23), (1, 2, 33, 16)])
def test_images_of_odd_size_are_padded_as_by_fastmri(rng, shape):
    leaves = drawn(rng, SMALLEST)
    mask = (np.arange(shape[-1]) % 3 != 1).astype(float)[None]
    kspace = draw(rng, shape, np.complex128) * mask[:, None, None]
    odd = {"kspace": kspace, "mask": mask, "reference": np.abs(kspace[:, 0]) + 0.5}
    expected, their_loss, _ = their_step(leaves, odd, "float64", 5, SMALLEST)
    found, loss, _ = our_step(Native("float64"), leaves, odd, "float64", 5, SMALLEST)
    assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max()
    assert abs(loss - their_loss) <= 1e-10


def test_order_free_step_is_that_of_fastmri(rng, slices):
    leaves = drawn(rng, SMALLEST)
    expected, their_loss, their_gradients = their_step(leaves, slices, "float64", None, SMALLEST)
    found, loss, gradients = our_step(Reproducible(), leaves, slices, "float32", sizes=SMALLEST)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert abs(loss - their_loss) <= 1e-6
    assert distance(gradients, their_gradients, SMALLEST) <= 1e-4


def test_number_of_parameters_is_that_of_fastmri():
    """12 cascades of 2,453,972 and a data weight, and 484,894 for the sensitivities."""
    sizes = fastmri_names.Sizes(cascades=12, width=18, levels=4, sens_width=8, sens_levels=4)
    count = sum(int(np.prod(shape)) for shape in shapes(sizes, (1, 1, 32, 32)).values())
    module = pytest.importorskip("fastmri.models").VarNet()
    assert count == sum(p.numel() for p in module.parameters()) == 29_936_966


@pytest.mark.parametrize("columns", [8, 9])
def test_calibration_columns_are_those_of_fastmri(rng, columns):
    torch = pytest.importorskip("torch")
    module = pytest.importorskip("fastmri.models.varnet").SensitivityModel(2, 1)
    masks = (rng.random((300, columns)) < 0.7).astype(np.float32)
    masks[0], masks[1] = 1, 0
    found = np.asarray(e2e.calibration_columns(jnp.asarray(masks)))
    first, count = module.get_pad_and_num_low_freqs(torch.tensor(masks)[:, None, None, :, None])
    place = np.arange(columns)
    first, count = (value.numpy()[:, None] for value in (first, count))
    np.testing.assert_array_equal(found, (place >= first) & (place < first + count))


def test_calibration_columns_that_are_given():
    mask = jnp.ones((3, 10))
    found = np.asarray(e2e.calibration_columns(mask, jnp.asarray([4, 3, 0])))
    assert [list(np.flatnonzero(row)) for row in found] == [[3, 4, 5, 6], [4, 5, 6], [5]]


@pytest.mark.parametrize("sizes", [((9, 12), (6, 7)), ((9, 12), (12, 7)), ((5, 6), (5, 6))])
def test_images_are_cropped_as_fastmris_references(rng, sizes):
    torch = pytest.importorskip("torch")
    crop = pytest.importorskip("fastmri.data.transforms").center_crop_to_smallest
    image, reference = (draw(rng, (2, *shape)) for shape in sizes)
    expected = crop(torch.tensor(image), torch.tensor(reference))
    found = (e2e.cropped(image, reference.shape[1:]), e2e.cropped(reference, image.shape[1:]))
    for ours, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, other.numpy())


def test_an_image_does_not_depend_on_its_neighbours(rng, slices):
    """All statistics are of one image, and so are the grids of the order-free arithmetic."""
    ar, params = Reproducible(), tree(drawn(rng, SMALLEST))
    kspace, mask = slices["kspace"].astype(np.complex64), slices["mask"].astype(np.float32)
    apply = jit_quickly(lambda k, m: network(ar, SMALLEST).apply({"params": params}, k, m))
    found = apply(kspace, mask)
    other = apply(np.stack([kspace[0], 1000 * kspace[1]]), mask)
    np.testing.assert_array_equal(found[0], other[0])
    assert not np.array_equal(found[1], other[1])


def test_instance_norm_and_average_pool_are_slow_numpys(rng):
    x, ar = draw(rng, (2, 4, 6, 3)), Native("float64")
    mean, var = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    found = norm_unet.instance_norm(ar, jnp.asarray(x))
    np.testing.assert_allclose(found, (x - mean) / np.sqrt(var + 1e-5), rtol=1e-10, atol=1e-12)
    slow = sum(x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4
    np.testing.assert_allclose(norm_unet.average_pool(ar, jnp.asarray(x)), slow, rtol=1e-12)


@pytest.mark.parametrize(
    "shape, levels, word", [((16, 16), 4, "one pixel"), ((64, 64), 5, "at most")]
)
def test_what_the_u_net_cannot_take_is_refused(shape, levels, word):
    net = norm_unet.NormUNet(2, levels, Native())
    with pytest.raises(ValueError, match=word):
        jax.eval_shape(net.init, jax.random.key(0), jnp.ones((1, *shape), jnp.complex64))
