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
import small_networks as networks
from jax._src import source_info_util

from mrjax.nets import layers

SCOPE = "exact"

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


VARIANTS = {
    "qsm": ("qsm", {}),
    "varnet": ("varnet", {}),
    "varnet_iipg": ("varnet", {"optimizer": "iipg", "momentum": 0.5, "loss": "magnitude"}),
    "breast": ("breast", {}),
}


def walked(variant: str, **changed) -> collections.Counter:
    task, flags = VARIANTS[variant]
    built = networks.build(task, **flags, **changed)
    step, batch = networks.step_of(task, built), networks.batch_of(task, built)
    return rounding(jax.make_jaxpr(step)(built.initial_state(), batch).jaxpr)


@pytest.mark.parametrize("form", ["lax", "products"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_float_operation_of_a_step_is_the_arithmetics(variant, form):
    found = walked(variant, conv_form=form)
    assert not found, "\n".join(f"{n} x {what}" for what, n in found.most_common(40))


def test_a_raw_product_and_sum_in_a_network_is_found(monkeypatch):
    ours = layers.per_channel
    monkeypatch.setattr(layers, "per_channel", lambda values, x: ours(values, x) * 0.5 + 0.25)
    found = walked("breast")
    assert {what.split()[0] for what in found} == {"mul", "add"}
    assert any("test_jaxpr.py" in what for what in found)


def test_native_arithmetic_is_found():
    """The walk goes into what it should: a native step holds all of this."""
    names = {what.split()[0] for what in walked("breast", numerics="native")}
    assert {"conv_general_dilated", "dot_general", "reduce_sum", "sqrt", "logistic"} <= names


@pytest.mark.parametrize("task", networks.TASKS)
def test_inference_holds_nothing_else_either(task):
    built = networks.build(task)
    predict, batch = networks.predictor_of(task, built), networks.batch_of(task, built)
    found = rounding(jax.make_jaxpr(predict)(built.initial_state(), batch).jaxpr)
    assert not found, dict(found)
