"""The end-to-end variational network in both frameworks, from the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax.traverse_util import unflatten_dict
from helpers import draw, jit_quickly

from mrjax import losses
from mrjax.nets import e2e as ours
from mrjax.numerics.native import Native
from mrjax.numerics.trees import named_leaves
from mrjax.pytorch import e2e, weights

SIZES = {"cascades": 2, "width": 3, "levels": 1, "sens_width": 2, "sens_levels": 2}
SHAPE = (2, 3, 19, 22)
COMPLEX = {"float32": np.complex64, "float64": np.complex128}


@pytest.fixture
def leaves(rng):
    """Weights by Linen path, from the twin's shapes; biases and data weights are not 0 and 1."""
    network = e2e.E2EVarNet(**SIZES)
    shapes = {path: tuple(leaf.shape) for path, leaf in weights.parameters(network).items()}
    deviations = {path: np.sqrt(2 / np.prod(shape[:-1])) for path, shape in shapes.items()}
    return {path: 0.1 + deviations[path] * draw(rng, shapes[path]) for path in shapes}


@pytest.fixture
def batch(rng):
    mask = np.zeros((2, SHAPE[-1]))
    mask[:, ::3] = 1
    mask[0, 8:14] = 1
    mask[1, 9:13] = 1
    kspace = draw(rng, SHAPE, np.complex128) * mask[:, None, None]
    return {"kspace": kspace, "mask": mask, "reference": 0.5 + np.abs(draw(rng, (2, *SHAPE[2:])))}


def their_step(leaves, batch, dtype, lines):
    network = e2e.E2EVarNet(**SIZES).to(getattr(torch, dtype))
    weights.load_weights(network, leaves)
    kspace = torch.tensor(batch["kspace"].astype(COMPLEX[dtype]))
    mask, reference = (torch.tensor(batch[k].astype(dtype)) for k in ("mask", "reference"))
    image = network(kspace, mask, None if lines is None else torch.tensor(lines))
    loss = e2e.ssim_loss(image, reference, reference.amax((1, 2)))
    loss.backward()
    gradients = {path: g.numpy() for path, g in weights.gradients(network).items()}
    return image.detach().numpy(), float(loss.detach()), gradients


def our_step(leaves, batch, dtype, lines):
    ar = Native(dtype)
    net = ours.E2EVarNet(ar, **SIZES)
    kspace = batch["kspace"].astype(COMPLEX[dtype])
    mask, reference = (jnp.asarray(batch[k].astype(dtype)) for k in ("mask", "reference"))
    given = None if lines is None else jnp.asarray(lines)

    def loss(params):
        image = net.apply({"params": params}, kspace, mask, given)
        return losses.ssim_loss(ar, image, reference, jnp.max(reference, (1, 2))), image

    params = unflatten_dict({k: jnp.asarray(v, dtype) for k, v in leaves.items()}, sep="/")
    (value, image), gradients = jit_quickly(jax.value_and_grad(loss, has_aux=True))(params)
    return np.asarray(image), float(value), named_leaves(gradients)


@pytest.mark.parametrize("lines", [None, (4, 0)])
@pytest.mark.parametrize(
    "dtype, bar, loss_bar, gradient_bar",
    [("float32", 1e-5, 1e-6, 1e-4), ("float64", 1e-10, 1e-10, 1e-10)],
)
def test_a_step_is_the_same_in_both_frameworks(
    leaves, batch, dtype, bar, loss_bar, gradient_bar, lines
):
    leaves = {path: leaf.astype(dtype) for path, leaf in leaves.items()}
    expected, their_loss, theirs = their_step(leaves, batch, dtype, lines)
    found, loss, gradients = our_step(leaves, batch, dtype, lines)
    assert np.abs(found - expected).max() <= bar * np.abs(expected).max()
    assert abs(loss - their_loss) <= loss_bar * their_loss
    assert set(gradients) == set(theirs) == set(leaves)
    error = sum(float(np.sum((np.asarray(g) - theirs[k]) ** 2)) for k, g in gradients.items())
    size = sum(float(np.sum(g**2)) for g in theirs.values())
    assert size > 0 and np.sqrt(error / size) <= gradient_bar
    # The first cascade begins with the measured samples, so nothing depends on its data weight.
    assert {path for path, g in theirs.items() if not np.any(g)} == {"cascade0/data_weight"}


def test_a_coil_without_signal_is_finite_and_the_same_in_both_frameworks(leaves, batch):
    """The package fastmri divides by its deviation, which is 0."""
    batch["kspace"][:, 1] = 0
    expected, their_loss, theirs = their_step(leaves, batch, "float64", None)
    found, loss, gradients = our_step(leaves, batch, "float64", None)
    assert np.isfinite(expected).all() and np.isfinite(their_loss)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(loss, their_loss, rtol=1e-10)
    for path, gradient in gradients.items():
        np.testing.assert_allclose(gradient, theirs[path], rtol=1e-6, atol=1e-9, err_msg=path)


def test_a_slice_without_signal_leaves_its_neighbours_gradients_finite(leaves, batch):
    """What a network makes of it is rounding: constant images are brought to unit deviation."""
    batch["kspace"][1] = 0
    for step in (their_step, our_step):
        image, loss, gradients = step(leaves, batch, "float64", None)
        assert np.isfinite(image).all() and np.isfinite(loss)
        assert all(np.isfinite(g).all() for g in gradients.values())


@pytest.mark.parametrize("columns", [8, 9])
def test_calibration_columns_are_those_of_the_network_in_jax(rng, columns):
    masks = (rng.random((200, columns)) < 0.7).astype(np.float32)
    masks[0], masks[1] = 1, 0
    lines = rng.integers(0, 5, 200)
    for given in (None, lines):
        found = e2e.calibration_columns(
            torch.tensor(masks), None if given is None else torch.tensor(given)
        )
        expected = ours.calibration_columns(
            jnp.asarray(masks), None if given is None else jnp.asarray(given)
        )
        np.testing.assert_array_equal(found.numpy(), expected)
