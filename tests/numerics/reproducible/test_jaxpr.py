"""No float operation of a reproducible training step goes past the arithmetic.

The step's jaxpr is walked, gradients, optimizer, projection and evidence included. Every primitive
with floats among its operands or results either cannot round whatever compiles it, or was traced
inside the arithmetic, whose rules carry the scope "exact".
"""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src import source_info_util

from mrjax.arrays import QsmSubject
from mrjax.data.pipeline import Normalisation
from mrjax.nets import layers
from mrjax.numerics.reproducible import Reproducible
from mrjax.tasks.breast import config as breast_config
from mrjax.tasks.breast import model as breast_model
from mrjax.tasks.qsm import config as qsm_config
from mrjax.tasks.qsm import model as qsm_model
from mrjax.tasks.varnet import config as varnet_config
from mrjax.tasks.varnet import model as varnet_model
from mrjax.train.step import make_step

SCOPE = "exact"
NORMALISATION = Normalisation(field_mean=0.1, field_std=0.02, chi_mean=0.1, chi_std=0.04)

MOVES = set(
    "broadcast_in_dim concatenate pad reshape rev select_n slice split squeeze stack transpose "
    "unstack".split()
)
"""Numbers change places only."""

DECIDES = set(
    "abs argmax bitcast_convert_type complex conj eq ge gt imag is_finite le lt max min ne neg "
    "real reduce_max".split()
)
"""Comparisons, signs, parts of complex numbers: exact, and in any order the same."""

HOLDERS = {"custom_jvp_call", "custom_vjp_call", "jit", "scan", "while", "cond"}
"""Have jaxprs of their own, which are walked."""

ONE_SUM = {"add_any"}
"""Of two cotangents, both rounded to float32 before: one IEEE addition, with nothing to fuse it."""


def is_float(variable) -> bool:
    dtype = getattr(variable.aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def inner(eqn) -> list:
    """Jaxprs that an equation holds."""
    return [
        jaxpr
        for value in eqn.params.values()
        for part in (value if isinstance(value, tuple | list) else [value])
        if (jaxpr := getattr(part, "jaxpr", part)) is not None and hasattr(jaxpr, "eqns")
    ]


def keeps(eqn) -> bool:
    """Whether a conversion keeps every float; an integer that becomes one is rounded once."""
    old, new = eqn.invars[0].aval.dtype, eqn.outvars[0].aval.dtype
    return not (jnp.issubdtype(old, jnp.inexact) and not np.can_cast(old, new))


def allowed(eqn) -> bool:
    if eqn.primitive.name == "convert_element_type":
        return keeps(eqn)
    return eqn.primitive.name in MOVES | DECIDES | HOLDERS | ONE_SUM


def rounding(jaxpr, inside: bool = False) -> collections.Counter:
    """Count, by primitive and source line, what may round floats outside the scope."""
    found = collections.Counter()
    for eqn in jaxpr.eqns:
        within = inside or SCOPE in str(eqn.source_info.name_stack)
        for part in inner(eqn):
            found += rounding(part, within)
        if not within and any(map(is_float, [*eqn.invars, *eqn.outvars])) and not allowed(eqn):
            place = source_info_util.summarize(eqn.source_info)
            found[f"{eqn.primitive.name} at {place}"] += 1
    return found


def step_of(built, loss, project=None):
    return make_step(
        loss, built.optimizer, arithmetic=built.arithmetic, dynamic_scale=False, project=project
    )


def settings(presets, **changed) -> dict:
    return {**presets["tiny"], "numerics": "reproducible", "batch_size": 2, **changed}


def qsm_step(form: str):
    config = qsm_config.Config(**settings(qsm_config.PRESETS, levels=1, conv_form=form))
    empty = np.zeros((2, 2, 2), np.float32)
    geometry = QsmSubject(name="none", field=empty, chi=empty, mask=empty > 0)
    built = qsm_model.build(config, "cpu")
    patches = jax.ShapeDtypeStruct((config.batch_size, *(config.patch,) * 3, 1), jnp.float32)
    batch = dict.fromkeys(("field", "chi", "mask"), patches)
    return built, step_of(built, built.loss_function(NORMALISATION, geometry)), batch


def varnet_step(form: str, **changed):
    config = varnet_config.Config(
        **settings(varnet_config.PRESETS, stages=2, conv_form=form, **changed)
    )
    built = varnet_model.build(config, "cpu")
    sizes = (config.batch_size, config.coils, config.rows, config.columns)
    coils = jax.ShapeDtypeStruct(sizes, jnp.complex64)
    batch = {
        "kspace": coils,
        "maps": coils,
        "mask": jax.ShapeDtypeStruct((sizes[0], sizes[3]), jnp.float32),
        "reference": jax.ShapeDtypeStruct((sizes[0], *sizes[2:]), jnp.complex64),
    }
    return built, step_of(built, built.loss_function(), built.project), batch


def breast_step(form: str):
    return breast_of(
        breast_config.Config(**settings(breast_config.PRESETS, fold=0, conv_form=form))
    )


def breast_of(config):
    built = breast_model.build(config, "cpu")
    sizes = (config.batch_size, config.rows, config.columns)
    batch = {
        "image": jax.ShapeDtypeStruct((*sizes, 3), jnp.float32),
        "mask": jax.ShapeDtypeStruct((*sizes, 1), jnp.float32),
    }
    return built, step_of(built, built.loss_function()), batch


STEPS = {
    "qsm": qsm_step,
    "varnet": varnet_step,
    "varnet_iipg": lambda form: varnet_step(form, optimizer="iipg", momentum=0.5, loss="magnitude"),
    "breast": breast_step,
}


def walked(task: str, form: str = "products") -> collections.Counter:
    built, step, batch = STEPS[task](form)
    assert isinstance(built.arithmetic, Reproducible)
    return rounding(jax.make_jaxpr(step)(built.initial_state(), batch).jaxpr)


@pytest.mark.parametrize("form", ["lax", "products"])
@pytest.mark.parametrize("task", STEPS)
def test_every_float_operation_of_a_step_is_the_arithmetics(task, form):
    found = walked(task, form)
    assert not found, "\n".join(f"{n} x {what}" for what, n in found.most_common(40))


def test_a_raw_product_and_sum_in_a_network_is_found(monkeypatch):
    ours = layers.per_channel
    monkeypatch.setattr(layers, "per_channel", lambda values, x: ours(values, x) * 0.5 + 0.25)
    found = walked("breast")
    assert {what.split()[0] for what in found} == {"mul", "add"}
    assert any("test_jaxpr.py" in what for what in found)


def test_native_arithmetic_is_found():
    """The walk goes into what it should: a native step holds all of this."""
    config = breast_config.Config(**{**breast_config.PRESETS["tiny"], "fold": 0, "batch_size": 2})
    built, step, batch = breast_of(config)
    found = rounding(jax.make_jaxpr(step)(built.initial_state(), batch).jaxpr)
    names = {what.split()[0] for what in found}
    assert {"conv_general_dilated", "dot_general", "reduce_sum", "sqrt", "logistic"} <= names


@pytest.mark.parametrize("task", ["qsm", "varnet", "breast"])
def test_inference_holds_nothing_else_either(task):
    built, _, batch = STEPS[task]("products")
    state = built.initial_state()
    if task == "varnet":
        predict, arguments = built.predictor(), (state.params, batch)
    else:
        constants = [NORMALISATION] if task == "qsm" else []
        image = batch["field" if task == "qsm" else "image"]
        predict, arguments = built.predictor(*constants), (state.params, state.batch_stats, image)
    found = rounding(jax.make_jaxpr(predict)(*arguments).jaxpr)
    assert not found, dict(found)
