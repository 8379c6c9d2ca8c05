"""Errors of the public implementation's trained weights on a measured brain slice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from helpers import shared

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("sigpy", reason="needs sigpy")

from mrjax.data.formats import bart
from mrjax.nets.varnet import VarNet
from mrjax.numerics.native import Native
from mrjax.physics import coils, sampling, sense
from mrjax.pytorch import public_varnet

ACS_LINES = 24


def magnitude_nrmse(image: np.ndarray, reference: np.ndarray) -> float:
    return float(np.linalg.norm(abs(image) - abs(reference)) / np.linalg.norm(reference))


def test_trained_weights_on_a_measured_slice():
    path = shared("reference/varnet_coronal_pd_fs.h5")
    full = bart.read(shared("data/esp_full.cfl")).kspace
    maps = np.asarray(coils.espirit(full, ACS_LINES), np.complex64)
    reference = coils.combine(maps, coils.images(full))
    mask = sampling.regular(full.shape[2], 4, ACS_LINES, 0).astype(np.float32)
    kspace = full * mask

    acquired = (jnp.asarray(x)[None] for x in (kspace, maps, mask))
    start = np.asarray(sense.zero_filled(*acquired))[0]
    assert magnitude_nrmse(start, reference) == pytest.approx(0.176, abs=0.001)

    unit = np.abs(start).max()
    net = VarNet(Native(conv_form="products"), width=48)
    params = traverse_util.unflatten_dict(public_varnet.read_state_dict(path), "/")
    batch = [np.asarray(x, np.complex64)[None] for x in (start / unit, kspace / unit, maps)]
    found = np.asarray(jax.jit(net.apply)({"params": params}, *batch, mask[None]))[0] * unit
    assert magnitude_nrmse(found, reference) == pytest.approx(0.063, abs=0.005)
