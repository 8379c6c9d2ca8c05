"""Deterministic forms against PyTorch's own: equal bits of values and gradients."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from mrjax.pytorch import forms, nets, varnet  # noqa: E402

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def both(function, x, monkeypatch):
    """Values and gradients of a function in PyTorch's own form and in ours, as bits."""
    found = []
    for asked in (False, True):
        monkeypatch.setattr(forms, "_asked", lambda x, asked=asked: asked)
        leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
        y = function(leaf)
        # Gradients with negative zeros and numbers of any size.
        weights = torch.sin(torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape)
        y.backward(torch.where(weights > 0.9, -0.0, weights).to(y.dtype))
        assert leaf.grad is not None
        found.append([t.detach().numpy().tobytes() for t in (y, leaf.grad)])
    return found


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 6), (2, 3, 4, 6, 8), (1, 1, 2, 2, 2)])
def test_pooling(rng, monkeypatch, shape, dtype, last):
    """The images have ties, zeros of both signs, infinities and NaN."""
    values = rng.choice([0.0, -0.0, 1.0, 1.0, -2.0, np.inf, -np.inf, np.nan], size=shape)
    for array in (values, rng.standard_normal(shape), np.zeros(shape)):
        x = torch.from_numpy(array.astype(dtype))
        x = x.contiguous(memory_format=FORMATS[len(shape)]) if last else x
        usual, ours = both(forms.max_pool, x, monkeypatch)
        assert usual == ours


def test_of_equal_maxima_the_first_is_moved():
    x = torch.zeros(1, 1, 4, 4, 4, requires_grad=True)
    forms.FirstMaximum.apply(x).sum().backward()
    expected = np.zeros((4, 4, 4))
    expected[::2, ::2, ::2] = 1
    np.testing.assert_array_equal(x.grad[0, 0].numpy(), expected)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape, margin", [((2, 2, 9, 7), 3), ((1, 3, 5, 6), 4), ((2, 1, 4, 9), 0)])
def test_reflection(rng, monkeypatch, shape, margin, dtype, last):
    """Margins from 0 to one less than a side, where one pixel is used nine times."""
    x = torch.from_numpy(rng.standard_normal(shape).astype(dtype))
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    usual, ours = both(lambda x: forms.reflected(x, margin), x, monkeypatch)
    assert usual == ours


@pytest.mark.parametrize(
    "network, inputs",
    [
        (lambda: nets.QSMnet(2, 2, 3), lambda d: (d(2, 1, 8, 8, 8),)),
        (lambda: varnet.TunedVarNet(2, 3, 5, 5), None),
        (lambda: varnet.VarNet(2, 3, 5, 5), None),
    ],
)
def test_networks_give_the_same_bits_in_both_forms(rng, monkeypatch, network, inputs):
    def draw(*shape):
        return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))

    def slices():
        kspace, maps = (torch.complex(draw(1, 2, 16, 12), draw(1, 2, 16, 12)) for _ in range(2))
        mask = torch.ones(1, 12)
        return varnet.adjoint_model(kspace, maps, mask), kspace, maps, mask

    given = inputs(draw) if inputs else slices()
    torch.manual_seed(0)
    net = network()
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.2)
    found, used = [], []
    for asked in (False, True):
        monkeypatch.setattr(forms, "_asked", lambda x, asked=asked: used.append(asked) or asked)
        net.zero_grad()
        net(*given).abs().sum().backward()
        found.append([p.grad.clone() for p in net.parameters()])
    assert len(used) >= 4 and used.count(True) == used.count(False)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert any(g.abs().max() > 0 for g in found[0])


def test_forms_follow_the_switch_on_a_gpu(monkeypatch):
    class Placed:
        is_cuda = True

    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    assert forms._asked(Placed()) and not forms._asked(torch.zeros(1))
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: False)
    assert not forms._asked(Placed())
