"""Weights and statistics move exactly between the frameworks; mistakes end in one line."""

import numpy as np
import pytest
from helpers import draw

torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from mrjax.errors import UserError  # noqa: E402
from mrjax.pytorch import e2e, nets, unet, varnet, weights  # noqa: E402
from mrjax.tasks.breast import config as breast_config  # noqa: E402
from mrjax.tasks.breast import model as breast_model  # noqa: E402
from mrjax.tasks.e2e import config as e2e_config  # noqa: E402
from mrjax.tasks.e2e import model as e2e_model  # noqa: E402
from mrjax.tasks.qsm import config as qsm_config  # noqa: E402
from mrjax.tasks.qsm import model as qsm_model  # noqa: E402
from mrjax.tasks.varnet import config as varnet_config  # noqa: E402
from mrjax.tasks.varnet import model as varnet_model  # noqa: E402


def qsm():
    network = nets.QSMnet(width=4, levels=2, window=3)
    return network.to(memory_format=torch.channels_last_3d)  # pyright: ignore[reportCallIssue]


def variational():
    return varnet.TunedVarNet(stages=12, filters=6, window=7)


def breast():
    network = unet.UNet2d(width=6, levels=1)
    return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def end_to_end():
    return e2e.E2EVarNet(cascades=2, width=4, levels=2, sens_width=2, sens_levels=2)


MAKERS = {
    "qsm": (qsm, qsm_model, qsm_config, {}),
    "varnet": (variational, varnet_model, varnet_config, {"stages": 12}),
    "breast": (breast, breast_model, breast_config, {}),
    "e2e": (end_to_end, e2e_model, e2e_config, {"sens_levels": 2}),
}


@pytest.fixture(params=list(MAKERS))
def made(request, rng):
    """torch's network in a memory format, and random leaves in the shapes of our model."""
    make, model, config, changes = MAKERS[request.param]
    shapes = model.build(config.Config(**config.PRESETS["tiny"] | changes), "cpu").shapes
    leaves, stats = (
        {k: np.asarray(draw(rng, s), np.float32) for k, s in shapes.get(kind, {}).items()}
        for kind in ("params", "batch_stats")
    )
    return make(), leaves, stats


def same(actual, expected):
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert actual[name].flags.c_contiguous
        assert (actual[name].shape, actual[name].dtype) == (array.shape, array.dtype)
        assert actual[name].tobytes() == array.tobytes(), name


def test_they_return_bit_for_bit(made):
    network, leaves, stats = made
    strides = [p.stride() for p in network.parameters()]
    weights.load_weights(network, leaves, stats)
    same(weights.read_weights(network), leaves)
    same(weights.read_stats(network), stats)
    assert strides == [p.stride() for p in network.parameters()], "the memory format was lost"


def test_parameters_without_statistics_leave_these_alone(made):
    network, leaves, stats = made
    weights.load_weights(network, leaves, stats)
    weights.load_weights(network, {k: 2 * v for k, v in leaves.items()})
    same(weights.read_stats(network), stats)


def test_gradients_have_the_names_and_axes_of_weights(made):
    network, leaves, _ = made
    weights.load_weights(network, leaves)
    assert not any(g.any() for g in weights.gradients(network).values())
    torch.stack([p.square().sum() for p in network.parameters()]).sum().backward()
    found = {k: g.numpy() for k, g in weights.gradients(network).items()}
    assert found.keys() == leaves.keys()
    assert all(np.array_equal(found[k], 2 * v) for k, v in leaves.items())


def test_what_is_read_is_a_copy(made):
    network, leaves, _ = made
    before = weights.read_weights(network)
    kept = {k: v.copy() for k, v in before.items()}
    weights.load_weights(network, leaves)
    same(before, kept)


def test_other_types_are_rounded_once(made):
    network, leaves, stats = made
    third = {k: v.astype(np.float64) / 3 for k, v in leaves.items()}
    weights.load_weights(network, third, {k: v.astype(np.float64) for k, v in stats.items()})
    same(weights.read_weights(network), {k: v.astype(np.float32) for k, v in third.items()})


def changed(leaves, place, value):
    name = sorted(leaves)[place]
    return leaves | {name: value(leaves[name])}


FOREIGN = {
    "one is missing": (lambda a: dict(sorted(a.items())[1:]), "is missing"),
    "one is unexpected": (lambda a: a | {"conv9/kernel": np.zeros(3, np.float32)}, "conv9/kernel"),
    "another shape": (lambda a: changed(a, -1, lambda v: np.zeros((5, 1), v.dtype)), "shape"),
    "mixed types": (lambda a: changed(a, 0, lambda v: v.astype(np.float64)), "float64"),
    "half precision": (lambda a: {k: v.astype(np.float16) for k, v in a.items()}, "float16"),
    "integers": (lambda a: {k: np.asarray(v, np.int32) for k, v in a.items()}, "int32"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign_weights_are_refused_in_one_line(made, case):
    network, leaves, stats = made
    change, words = FOREIGN[case]
    before = weights.read_weights(network)
    with pytest.raises(UserError, match=words) as error:
        weights.load_weights(network, change(leaves), stats)
    assert "\n" not in str(error.value)
    same(weights.read_weights(network), before)


def test_foreign_statistics_are_refused(made):
    network, leaves, stats = made
    with pytest.raises(UserError, match="running statistics are not those"):
        weights.load_weights(network, leaves, stats | {"norm9/mean": np.zeros(3, np.float32)})
    if stats:
        with pytest.raises(UserError, match="norm/mean float64"):
            wide = {k: v.astype(np.float64) for k, v in sorted(stats.items())}
            weights.load_weights(network, leaves, wide)
