"""The form of convolution on each device, and the first state of every model."""

import numpy as np
import pytest

from mrjax.config import RunConfig
from mrjax.numerics.native import Native
from mrjax.numerics.reproducible import Reproducible
from mrjax.tasks import registry
from mrjax.tasks.build import arithmetic_of, perturbed


@pytest.mark.parametrize(
    ("platform", "conv_form", "native", "order_free"),
    [
        ("cpu", "auto", "products", "products"),
        ("cpu", "lax", "lax", "lax"),
        ("gpu", "auto", "lax", "products"),
        # cuDNN might choose a Fourier transform, so order-free arithmetic never calls it.
        ("gpu", "lax", "lax", "products"),
        ("gpu", "products", "lax", "products"),
    ],
)
def test_form_by_platform(platform, conv_form, native, order_free):
    for numerics, form, kind in (
        ("native", native, Native),
        ("reproducible", order_free, Reproducible),
    ):
        found = arithmetic_of(RunConfig(numerics=numerics, conv_form=conv_form), platform)
        assert isinstance(found, kind) and found.conv_form == form


def changed(params, others):
    """Path, index and both values of each element that differs."""
    assert params.keys() == others.keys()
    return [
        (path, i, params[path].flat[i], others[path].flat[i])
        for path in params
        for i in np.flatnonzero(params[path] != others[path])
    ]


@pytest.mark.parametrize("task", registry.TASKS)
def test_one_initial_weight_changes_by_one_unit_in_the_last_place(task):
    """Both frameworks take their initial weights from this model."""
    config_class, presets = registry.program(task)
    fields = {**presets["tiny"], **registry.TASKS[task].single, "width": 2}

    def params(**more):
        config = config_class(**fields, **more)
        return registry.module(task, "model").build(config, "cpu").initial_params()

    plain = params()
    assert not changed(plain, params(perturb_init=0, repetition=3))
    ((path, _, before, after),) = found = changed(plain, params(perturb_init=1))
    assert path.endswith("kernel") and before.dtype == np.float32
    assert abs(after) > abs(before) and abs(after - before) == np.spacing(np.abs(before))
    assert found == changed(plain, params(perturb_init=1))
    assert found != changed(plain, params(perturb_init=2))


def test_the_seed_chooses_the_weight_too():
    params = {"a/kernel": np.ones((3, 3, 2, 5), np.float32), "a/bias": np.zeros(5, np.float32)}
    places = {changed(params, perturbed(params, seed, 1))[0][:2] for seed in range(30)}
    assert len(places) > 20
    assert params["a/kernel"].sum() == 90  # the original is left alone
