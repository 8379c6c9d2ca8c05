"""Memory formats change nothing but rounding; autocast changes nothing but the network."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw

torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from pytorch.parity import cases, steps  # noqa: E402

from mrjax.numerics.native import Native  # noqa: E402
from mrjax.pytorch import nets, varnet, weights  # noqa: E402

UNETS = {"qsm": torch.channels_last_3d, "breast": torch.channels_last}
HALVES = {"qsm": 0.02, "tuned varnet": 0.02, "breast": 0.02, "end-to-end": 0.02}


def made(task, dtype, **changes):
    rng = np.random.default_rng(20221165)
    case = cases.MAKERS[task](dtype, rng, **changes)
    params, stats = (cases.cast(tree, dtype) for tree in cases.trained(case, rng))
    network = case.network.to(steps.TYPES[dtype])
    weights.load_weights(network, params, stats)
    return case, network, steps.to_torch(cases.cast(case.batches["masked"], dtype))


def step(case, network, batch):
    """Loss and gradients."""
    network.zero_grad()
    loss = case.their_loss(network, batch)
    loss.backward()
    return loss, {k: g.numpy().copy() for k, g in weights.gradients(network).items()}


@pytest.mark.parametrize("task", UNETS)
def test_channels_last(task):
    case, network, batch = made(task, "float64")
    loss, gradients = step(case, network, batch)
    form = UNETS[task]
    network.to(memory_format=form)
    batch = {k: v.contiguous(memory_format=form) for k, v in batch.items()}
    other, others = step(case, network, batch)
    assert all(p.is_contiguous(memory_format=form) for p in network.parameters() if p.ndim > 3)
    assert other.item() == pytest.approx(loss.item(), rel=1e-12)
    assert steps.distance(others, gradients) <= 1e-11


@pytest.mark.parametrize("last", [False, True])
def test_one_channel_does_not_choose_the_memory_format(last):
    """torch takes an image of one channel, moved from the last axis, for one with channels last."""
    network = nets.QSMnet(width=4, levels=1, window=3)
    form = torch.channels_last_3d if last else torch.contiguous_format
    network.to(memory_format=form)  # pyright: ignore[reportCallIssue]
    seen = []
    network.get_submodule("down0_0.conv").register_forward_hook(lambda m, i, y: seen.append(y))
    image = torch.zeros(2, 8, 8, 8, 1).movedim(-1, 1)
    network(image.contiguous(memory_format=form))
    assert seen[0].is_contiguous(memory_format=form)


def test_float32_statistics_of_a_masked_brain():
    """On a CPU torch adds them in float64, but not if the images have channels last."""
    found = []
    for dtype in ("float32", "float64"):
        case, network, batch = made("qsm", dtype, momentum=0.0)
        step(case, network, batch)
        found.append(weights.read_stats(network))
    for name, wide in found[1].items():
        np.testing.assert_allclose(found[0][name], wide, rtol=2e-6, atol=2e-7, err_msg=name)


@pytest.mark.parametrize("task", HALVES)
def test_autocast(task):
    case, network, batch = made(task, "float32")
    loss, gradients = step(case, network, batch)
    with torch.autocast("cpu", torch.bfloat16):
        half, halves = step(case, network, batch)
    assert half.dtype == torch.float32
    assert 0 < abs(half.item() - loss.item()) <= HALVES[task] * loss.item()
    assert 1e-5 < steps.distance(halves, gradients) <= 0.3
    assert all(p.dtype == torch.float32 for p in network.parameters())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert case.their_predict(network.eval(), batch).dtype in (torch.float32, torch.complex64)


def test_masked_volumes_hold_ties():
    """Many windows of the first pooling have several equal maxima, so the rule for ties is used."""
    _, network, batch = made("qsm", "float64")
    x = network._pair("down0", batch["field"]).detach()
    windows = x.unfold(2, 2, 2).unfold(3, 2, 2).unfold(4, 2, 2).flatten(5).flatten(-3)
    largest = windows.reshape(-1, 8).sort(dim=1).values[:, -2:]
    assert (largest[:, 0] == largest[:, 1]).double().mean() > 0.25


def test_activations_of_sixteen_bits_are_computed_in_float32(rng):
    """As in JAX: the polynomial in exponentials would be wrong by several percent in bfloat16."""
    cell = varnet.TunedCell(filters=3, nodes=31, window=7)
    w = draw(rng, (3, 31)).astype(np.float32)
    with torch.no_grad():
        cell.activation.w.copy_(torch.from_numpy(w)[None, :, None, None])
    x = torch.from_numpy(draw(rng, (2, 3, 9, 8))).bfloat16()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = cell._active(x)
    assert found.dtype == torch.bfloat16
    ours = jnp.asarray(x.movedim(1, -1).float().numpy(), jnp.bfloat16)
    expected = Native("bfloat16").rbf(ours, jnp.asarray(w), varnet.LOW, varnet.HIGH)
    expected = np.asarray(expected, np.float32)
    found = found.movedim(1, -1).float().numpy()
    np.testing.assert_allclose(found, expected, rtol=2**-7, atol=1e-4)
