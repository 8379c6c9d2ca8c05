"""The compiled QSM training step: its types and primitives, and the seeds its draws depend on."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.arrays import QsmSubject
from mrjax.data.pipeline import Normalisation
from mrjax.numerics.native import Native
from mrjax.runs import digests
from mrjax.tasks import build
from mrjax.tasks.qsm import model
from mrjax.tasks.qsm.config import PRESETS, Config
from mrjax.train.step import make_step

CONFIG = Config(**{**PRESETS["tiny"], "levels": 1})
"""A network with every kind of layer; more levels repeat them."""
CONSTANTS = Normalisation(field_mean=0.0, field_std=0.02, chi_mean=0.0, chi_std=0.04)
EMPTY = np.zeros((2, 2, 2), np.float32)
GEOMETRY = QsmSubject(name="none", field=EMPTY, chi=EMPTY, mask=EMPTY > 0)


@functools.cache
def traced(config: Config, platform: str = "cpu"):
    """Jaxpr of the whole training step."""
    built = model.build(config, platform)
    loss = built.loss_function(CONSTANTS, GEOMETRY)
    step = make_step(
        loss,
        built.optimizer,
        arithmetic=built.arithmetic,
        dynamic_scale=config.dtype == "float16",
    )
    state = built.initial_state()
    edge = (config.batch_size, *(config.patch,) * 3, 1)
    batch = dict.fromkeys(("field", "chi", "mask"), jax.ShapeDtypeStruct(edge, jnp.float32))
    return jax.make_jaxpr(step)(state, batch)


def equations(jaxpr):
    """Every equation, also inside calls, scans and custom gradients."""
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(value):
                yield from equations(getattr(value, "jaxpr", value))


def _is_jaxpr(x) -> bool:
    return hasattr(x, "eqns") or hasattr(getattr(x, "jaxpr", None), "eqns")


def types(jaxpr) -> set[str]:
    return {str(v.aval.dtype) for e in equations(jaxpr) for v in e.outvars}


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_float32_step_holds_no_float64_and_no_scatter(platform):
    jaxpr = traced(CONFIG, platform).jaxpr
    assert "float64" not in types(jaxpr)
    assert "complex128" not in types(jaxpr)
    names = {e.primitive.name for e in equations(jaxpr)}
    assert not [n for n in names if "scatter" in n]


def test_other_types_reach_the_convolutions():
    for dtype in ("bfloat16", "float16", "float64"):
        jaxpr = traced(dataclasses.replace(CONFIG, dtype=dtype), "gpu").jaxpr
        operands = {
            str(v.aval.dtype)
            for e in equations(jaxpr)
            if e.primitive.name in ("conv_general_dilated", "dot_general")
            for v in e.invars
        }
        assert operands == {dtype}
    assert "float32" in types(traced(dataclasses.replace(CONFIG, dtype="bfloat16")).jaxpr)


def test_gpu_form_is_the_library_convolution_in_three_dimensions():
    jaxpr = traced(CONFIG, "gpu").jaxpr
    windows = [
        e.invars[1].aval.ndim
        for e in equations(jaxpr)
        if e.primitive.name == "conv_general_dilated"
    ]
    assert windows and set(windows) == {5}


def test_initial_weights_do_not_depend_on_type_or_form():
    def digest(**changes):
        built = model.build(dataclasses.replace(CONFIG, **changes), "cpu")
        return digests.content(built.initial_params())

    reference = digest()
    same = ({"dtype": "bfloat16"}, {"conv_form": "lax"}, {"seed_order": 5}, {"repetition": 3})
    assert {digest(**c) for c in same} == {reference}
    assert digest(seed_init=1) != reference


def test_losses_are_weighted_as_published():
    built = model.build(dataclasses.replace(CONFIG, dtype="float64", patch=4), "cpu")
    rng = np.random.default_rng(0)
    batch = {k: jnp.asarray(rng.normal(size=(2, 4, 4, 4, 1))) for k in ("field", "chi")}
    batch["mask"] = jnp.ones((2, 4, 4, 4, 1))
    state = built.initial_state()

    def loss(**weights):
        changed = dataclasses.replace(built, config=dataclasses.replace(built.config, **weights))
        function = changed.loss_function(CONSTANTS, GEOMETRY)
        return float(function(state.params, state.batch_stats, batch)[0])

    plain = loss(model_weight=0.0, gradient_weight=0.0)
    with_model = loss(model_weight=1.0, gradient_weight=0.0) - plain
    with_gradient = loss(model_weight=0.0, gradient_weight=1.0) - plain
    assert plain > 0 and with_model > 0 and with_gradient > 0
    np.testing.assert_allclose(loss(), plain + 0.5 * with_model + 0.1 * with_gradient, rtol=1e-10)


def test_cooldown_is_constant_then_falls_to_zero():
    schedule = build.cooldown(Native(), 0.5, steps=100, share=0.25)
    found = [float(schedule(jnp.float32(count))) for count in (0, 50, 75, 80, 99)]
    np.testing.assert_allclose(found, [0.5, 0.5, 0.5, 0.4, 0.02], rtol=1e-6)


def test_cooldown_step_holds_no_float64():
    jaxpr = traced(dataclasses.replace(CONFIG, cooldown=0.5)).jaxpr
    assert "float64" not in types(jaxpr)
