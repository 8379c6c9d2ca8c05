"""The model of the end-to-end network: its loss, its unit, its first weights, its presets."""

import flax.traverse_util as traverse
import jax
import numpy as np
import pytest
import small_networks
from helpers import jit_quickly

from mrjax import losses
from mrjax.errors import UserError
from mrjax.numerics.native import Native
from mrjax.tasks.e2e import model, noise
from mrjax.tasks.e2e.config import PRESETS, Config

COUNTS = {"tiny": 15_128, "demo": 511_550, "paper": 29_936_966}


@pytest.fixture(scope="module")
def built():
    return small_networks.build("e2e", numerics="native", rows=20, columns=24)


@pytest.fixture(scope="module")
def params(built):
    return traverse.unflatten_dict(built.initial_params(), "/")


@pytest.fixture(scope="module")
def loss(built):
    function = built.loss_function()
    return jit_quickly(lambda params, batch: function(params, {}, batch)[0])


def scaled(batch, factor):
    changed = ("kspace", "reference", "data_range")
    return {k: (v * factor).astype(v.dtype) if k in changed else v for k, v in batch.items()}


def test_the_loss_is_that_of_the_cropped_image(built, params, loss):
    batch = noise.batch(built.config)
    batch["reference"] = batch["reference"][:, 3:-4, 2:-2]
    batch["data_range"] = np.asarray([3.0, 5.0], np.float32)
    image = np.asarray(built.predictor()(params, batch))
    own = losses.ssim_loss(Native(), image[:, 3:-4, 2:-2], batch["reference"], batch["data_range"])
    assert float(loss(params, batch)) == pytest.approx(float(own), abs=1e-6)


@pytest.mark.parametrize("factor", [1e-14, 1e14])
def test_the_unit_of_k_space_does_not_matter(built, params, loss, factor):
    batch = noise.batch(built.config)
    other = scaled(batch, np.float32(factor))
    assert float(loss(params, other)) == pytest.approx(float(loss(params, batch)), abs=1e-5)
    predict = built.predictor()
    image, moved = (np.asarray(predict(params, one)) for one in (batch, other))
    np.testing.assert_allclose(moved / np.float32(factor), image, rtol=1e-3, atol=1e-4)


def test_ordinary_numbers_keep_their_bits(built, params):
    batch = noise.batch(built.config)
    whole = built.net.apply({"params": params}, batch["kspace"], batch["mask"], batch["lines"])
    image, unit = built.reconstruct(params, batch)
    np.testing.assert_array_equal(image, whole)
    assert (np.asarray(unit) == 1).all()


def test_first_weights_are_those_of_torch_but_for_the_last_layer():
    drawn = {scale: small_networks.build("e2e", last_scale=scale).draw() for scale in (1.0, 0.5)}
    for path, value in drawn[1.0].items():
        last = path.endswith("unet/out/kernel")
        np.testing.assert_array_equal(drawn[0.5][path], value * np.float32(0.5 if last else 1))
        if path.endswith("kernel"):
            fan = value.shape[-2] * (1 if "transposed" in path else np.prod(value.shape[:2]))
            assert 0.8 / np.sqrt(fan) < np.abs(value).max() <= 1.0001 / np.sqrt(fan) or fan < 20
    assert {float(v) for k, v in drawn[1.0].items() if k.endswith("data_weight")} == {1.0}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_so_many_parameters(preset):
    shapes = model.build(Config(**PRESETS[preset]), "cpu").shapes["params"]
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == COUNTS[preset]


def test_settings_that_contradict_each_other_are_refused():
    for wrong in ({"centre_fraction": 0.0}, {"steps": 0}, {"n_test": 0}):
        with pytest.raises(UserError, match=f"--{next(iter(wrong))}"):
            Config(**wrong).check()
    with pytest.raises(UserError, match="--maps=espirit"):
        Config(numerics="reproducible", maps="espirit").check()


def test_gradients_reach_all_weights_but_the_first_data_weight(built, params):
    function = built.loss_function()
    batch = noise.batch(built.config)
    gradients = jit_quickly(jax.grad(lambda p: function(p, {}, batch)[0]))(params)
    flat = traverse.flatten_dict(gradients, sep="/")
    assert {k for k, g in flat.items() if not np.any(np.asarray(g))} == {"cascade0/data_weight"}
