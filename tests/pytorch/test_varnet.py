"""The PyTorch variational networks against slow arithmetic, each other and trained weights."""

import numpy as np
import pytest
from helpers import dot_product_test, draw, shared
from scipy import signal

torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from mrjax.pytorch import public_varnet, rbf, varnet  # noqa: E402

FORMS = [varnet.VarNet, varnet.TunedVarNet]
SHAPE = (2, 3, 16, 14)


@pytest.fixture
def problem(rng):
    """First image, k-space, maps and mask, in float64."""
    maps, kspace = (draw(rng, SHAPE, np.complex128) for _ in range(2))
    mask = (draw(rng, (2, 14)) > 0).astype(np.float64)
    maps, kspace, mask = (torch.tensor(a) for a in (maps, kspace, mask))
    start = varnet.adjoint_model(kspace, maps, mask)
    scale = start.abs().max()
    return start / scale, kspace / scale, maps, mask


def network(form, rng, stages=2, filters=3):
    net = form(stages, filters).double()
    state = {k: torch.tensor(0.3 * draw(rng, tuple(v.shape))) for k, v in net.state_dict().items()}
    net.load_state_dict(state, strict=True)
    return net


def slow_rbf(x, w):
    nodes = np.linspace(-1, 1, 31)
    gauss = np.exp(-((x[..., None] - nodes) ** 2) / (2 * (2 / 30) ** 2))
    return np.sum(gauss * w[None, :, None, None], axis=-1)


def slow_regulariser(image, kernel, w):
    """The regulariser of one image by scipy's correlations and convolutions, filter by filter."""
    total = np.zeros_like(image)
    padded = np.pad(image, 11, mode="reflect")
    for k, weights in zip(kernel[:, 0], w, strict=True):
        response = signal.correlate2d(padded.real, k[..., 0], mode="same")
        response = response + signal.correlate2d(padded.imag, k[..., 1], mode="same")
        active = slow_rbf(response[None, None], weights[None])[0, 0]
        back = [signal.convolve2d(active, k[..., part], mode="same") for part in (0, 1)]
        total += (back[0] + 1j * back[1])[11:-11, 11:-11]
    return total / len(kernel)


@pytest.mark.parametrize("form", FORMS)
def test_one_stage_against_slow_arithmetic(form, rng, problem):
    start, kspace, maps, mask = (a.numpy() for a in problem)
    net = network(form, rng, stages=1)
    cell = net.cell_list[0]
    kernel, w = (p.detach().numpy() for p in (cell.conv_kernel, cell.activation.w))
    rows, columns = (
        np.exp(-2j * np.pi * np.outer(np.arange(n) - n // 2, np.arange(n) - n // 2) / n) / n**0.5
        for n in SHAPE[2:]
    )
    modelled = mask[:, None, None] * (rows @ (maps * start[:, None]) @ columns.T)
    residual = rows.conj() @ (mask[:, None, None] * (modelled - kspace)) @ columns.conj().T
    expected = start - cell.lamb.item() * np.sum(maps.conj() * residual, axis=1)
    expected -= [slow_regulariser(image, kernel, w[0, :, 0, 0]) for image in start]
    np.testing.assert_allclose(net(*problem).detach().numpy(), expected, rtol=0, atol=1e-12)


def test_data_term_is_an_adjoint_pair(rng, problem):
    *_, maps, mask = problem
    dot_product_test(
        lambda u: varnet.forward_model(torch.tensor(u), maps, mask).numpy(),
        lambda f: varnet.adjoint_model(torch.tensor(f), maps, mask).numpy(),
        (2, 16, 14),
        SHAPE,
        rng,
    )


def test_forms_agree_with_their_gradients(rng, problem):
    state = network(varnet.VarNet, rng).state_dict()
    found = []
    for form in FORMS:
        net = form(2, 3).double()
        net.load_state_dict(state, strict=True)
        loss = varnet.mean_squared_error(net(*problem), problem[0])
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in net.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("function", [rbf.NodeByNode, rbf.CheapRbf])
def test_rbf_and_its_gradients(rng, function):
    x, w = (torch.tensor(draw(rng, s)).requires_grad_() for s in ((2, 3, 4, 2), (1, 3, 1, 1, 31)))
    apply = lambda x, w: function.apply(x, w, -1.0, 1.0)  # noqa: E731
    expected = slow_rbf(x.detach().numpy(), w.detach().numpy()[0, :, 0, 0])
    np.testing.assert_allclose(apply(x, w).detach().numpy(), expected, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(apply, (x, w))


def test_mean_squared_error_counts_both_parts():
    x, y = torch.tensor([[1 + 2j, 0j]]), torch.tensor([[0j, 3j]])
    assert varnet.mean_squared_error(x, y).item() == (1 + 4 + 9) / 4


@pytest.mark.parametrize("form", FORMS)
def test_shared_weights_load_strictly(form):
    path = shared("reference/varnet_coronal_pd_fs.h5")
    net = form(stages=10, filters=48)
    net.load_state_dict(torch.load(path, weights_only=True), strict=True)
    state = public_varnet.to_state_dict(public_varnet.read_state_dict(path))
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
