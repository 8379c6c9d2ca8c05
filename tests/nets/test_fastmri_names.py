"""Weights under fastMRI's names: they go out and come back with the same bits, or are refused."""

import numpy as np
import pytest
from helpers import draw

from mrjax.errors import UserError
from mrjax.nets import fastmri_names

SIZES = fastmri_names.Sizes(cascades=2, width=4, levels=3, sens_width=3, sens_levels=2)


@pytest.fixture
def state(rng):
    """A state_dict of the package's own module, with drawn values."""
    module = pytest.importorskip("fastmri.models").VarNet(2, 3, 2, 4, 3)
    return {
        name: draw(rng, tuple(value.shape)).astype(np.float32)
        for name, value in module.state_dict().items()
    }


def test_names_and_shapes_are_those_of_the_package(state):
    shapes = dict(fastmri_names._shapes(SIZES))
    assert list(state) and shapes == {name: array.shape for name, array in state.items()}
    assert fastmri_names.sizes_of(state) == SIZES


def test_weights_come_back_bit_for_bit(state):
    sizes, leaves = fastmri_names.imported(state)
    back = fastmri_names.exported(sizes, leaves)
    assert set(back) == set(state)
    for name, array in state.items():
        assert back[name].flags.c_contiguous and back[name].dtype == np.float32
        assert back[name].shape == array.shape and back[name].tobytes() == array.tobytes()


def test_the_package_loads_what_is_exported(state):
    torch = pytest.importorskip("torch")
    back = fastmri_names.exported(*fastmri_names.imported(state))
    module = pytest.importorskip("fastmri.models").VarNet(2, 3, 2, 4, 3)
    module.load_state_dict({name: torch.tensor(array) for name, array in back.items()})
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[name])


@pytest.mark.parametrize("prefix", ["varnet.", "module.", "module.varnet.", "varnet.module."])
def test_prefixes_of_lightning_and_wrappers(state, prefix):
    saved = {prefix + name: array for name, array in state.items()}
    saved["loss.w"] = np.full((1, 1, 7, 7), 1 / 49, np.float32)
    sizes, leaves = fastmri_names.imported(saved)
    expected = fastmri_names.imported(state)[1]
    assert sizes == SIZES and leaves.keys() == expected.keys()
    assert all(leaves[path].tobytes() == expected[path].tobytes() for path in expected)


LAST = "cascades.1.model.unet.up_conv.2.1.bias"


def without(state):
    del state[LAST]


def with_another(state):
    state["fc.weight"] = np.ones(3, np.float32)


def of_float64(state):
    state[LAST] = state[LAST].astype(np.float64)


def of_another_shape(state):
    state[LAST] = np.ones(3, np.float32)


def twice(state):
    state["varnet." + LAST] = state[LAST]


def nothing(state):
    state.clear()


@pytest.mark.parametrize(
    "change, word",
    [
        (without, "1 weights are missing and 0 are superfluous"),
        (with_another, "0 weights are missing and 1 are superfluous"),
        (of_float64, "is float64"),
        (of_another_shape, r"of shape \(3,\)"),
        (twice, "there twice"),
        (nothing, "no convolution kernel"),
    ],
)
def test_other_weights_are_refused(state, change, word):
    change(state)
    with pytest.raises(UserError, match=word):
        fastmri_names.imported(state)


def test_leaves_of_another_network_are_not_exported(state):
    sizes, leaves = fastmri_names.imported(state)
    del leaves["cascade0/data_weight"]
    with pytest.raises(UserError, match="1 weights are missing"):
        fastmri_names.exported(sizes, leaves)
