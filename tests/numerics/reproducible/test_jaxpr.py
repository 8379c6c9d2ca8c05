"""No float operation of a reproducible training step goes past the arithmetic, or breaks its rules.

The step's jaxpr is walked, with gradients, optimiser, projection and evidence. Every primitive
with floats among its operands or results either cannot round whatever compiles it, or was traced
inside the arithmetic, whose rules carry the scope "order_free" and are checked as far as a graph
shows them (graph.py).
"""

import collections

import jax
import jax.numpy as jnp
import pytest
import small_networks as networks
from numerics.reproducible.graph import SCOPE, rounding

from mrjax import losses
from mrjax.nets import layers
from mrjax.numerics.reproducible import elementwise, functions, grid
from mrjax.numerics.reproducible import rounding as steps

VARIANTS = {
    "qsm": ("qsm", {}),
    "varnet": ("varnet", {}),
    "varnet_iipg": ("varnet", {"optimizer": "iipg", "momentum": 0.5, "loss": "magnitude"}),
    "breast": ("breast", {}),
    "e2e": ("e2e", {}),
}


def walked(variant: str, **changed) -> collections.Counter:
    task, flags = VARIANTS[variant]
    built = networks.build(task, **flags, **changed)
    step, batch = networks.step_of(task, built), networks.batch_of(task, built)
    return rounding(jax.make_jaxpr(step)(built.initial_state(), batch))


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


def test_a_raw_magnitude_is_found(monkeypatch):
    """The magnitude of a complex number is a root, which differs between instruction sets."""
    monkeypatch.setattr(losses, "magnitude", lambda ar, image, eps=0.0: jnp.abs(image))
    assert any(what.startswith("abs is past the arithmetic") for what in walked("varnet"))


def test_native_arithmetic_is_found():
    """Positive control of the walk: a native step has all of these operations."""
    names = {what.split()[0] for what in walked("breast", numerics="native")}
    assert {"conv_general_dilated", "dot_general", "reduce_sum", "sqrt", "logistic"} <= names


@pytest.mark.parametrize("task", networks.TASKS)
def test_inference_holds_nothing_else_either(task):
    built = networks.build(task)
    predict, batch = networks.predictor_of(task, built), networks.batch_of(task, built)
    found = rounding(jax.make_jaxpr(predict)(built.initial_state(), batch))
    assert not found, dict(found)


def faults(operation, *arrays, scope=SCOPE) -> collections.Counter:
    """The faults that the walk finds in an operation traced under a scope."""
    arrays = arrays or (jnp.ones((4, 4), jnp.float32), jnp.ones((4, 4), jnp.float32))
    return rounding(jax.make_jaxpr(jax.named_scope(scope)(operation))(*arrays))


@pytest.mark.parametrize("scope", ["inexact_head", "order_free_head", "not_order_free", "head"])
def test_only_the_whole_name_of_the_scope_counts(scope):
    def head(x, _):
        return x.astype(jnp.float64) * 0.5 + 0.25

    assert not faults(head)
    assert {what.split()[0] for what in faults(head, scope=scope)} == {"mul", "add"}


def test_the_scope_counts_under_transformations():
    def head(x, _):
        return jnp.sum(jax.named_scope(SCOPE)(lambda a: a / a)(x))

    arrays = jnp.ones((2, 4, 4), jnp.float32), None
    found = faults(jax.vmap(jax.grad(head), (0, None)), *arrays, scope="head")
    assert any(what.startswith("div is not in float64") for what in found)
    assert {what.split()[0] for what in found if "past" in what} <= {"reduce_sum"}, found


def used(times):
    """Gradient of a value with so many uses, whose gradients JAX adds."""

    def operation(x, y):
        _, pull = jax.vjp(lambda v: [elementwise.mul(v, y) for _ in range(times)], x)
        return pull([y] * times)

    return operation


def test_a_sum_of_jax_that_is_added_to_is_found():
    assert not faults(used(2))
    (found,) = faults(used(3))
    assert found.startswith("add_any reads a sum that may be subnormal")


def of_jax(x, y):
    """A sum of two gradients that JAX adds, which is allowed."""
    return used(2)(x, y)[0]


READ = {
    "raw sums": lambda x, y: x + y + x,
    "sum added": lambda x, y: of_jax(x, y) + y,
    "sum compared": lambda x, y: jnp.where(of_jax(x, y) > 0, x, y),
    "conjugate": lambda x, y: jnp.conj(jax.lax.complex(of_jax(x, y), y)) - jax.lax.complex(x, y),
    "largest": lambda x, y: jnp.max(of_jax(x, y)) - y,
    "rounded": lambda x, y: jax.lax.reduce_precision(of_jax(x, y), 8, 23) - y,
}


@pytest.mark.parametrize("name", READ)
def test_what_depends_on_a_subnormal_sum_is_found(name):
    assert not faults(of_jax)
    assert any("reads a sum" in found for found in faults(READ[name]))


def looped(x, y):
    """A sum of three values, which are whole at the start and not after a turn."""
    return jnp.sum(jax.lax.fori_loop(0, 3, lambda _, value: value + wide(x), 0 * wide(x)))


def repeated(x, y):
    """The same in a while loop, whose number of turns is not known before."""
    start = jnp.zeros((4, 4))
    return jnp.sum(jax.lax.while_loop(lambda v: v[0, 0] < 3, lambda v: v + wide(x), start))


def chosen(x, y):
    """One of two branches is whole."""
    branches = (lambda v: v, grid.nearest)
    return jnp.sum(jax.lax.cond(x[0, 0] > y[0, 0], *branches, wide(x)))


wide, narrow = steps.wide, steps.narrow
LARGE = 1.5 * 2.0**52


def as_bits(x):
    return jax.lax.bitcast_convert_type(x, jnp.int64)


def as_float(x):
    return jax.lax.bitcast_convert_type(x, jnp.float64)


PLANTED = {
    "sum": lambda x, y: jnp.sum(x),
    "sum in float64": lambda x, y: jnp.sum(wide(x)),
    "sum of integers over 3": lambda x, y: jnp.sum(steps.quotient(grid.nearest(wide(x)), wide(y))),
    "sum of integers in float32": lambda x, y: jnp.sum(grid.nearest(x)),
    "sum after a loop": looped,
    "sum after repetition": repeated,
    "sum after a choice": chosen,
    "cumsum": lambda x, y: jnp.cumsum(wide(x)),
    "prod": lambda x, y: jnp.prod(wide(x)),
    "window": lambda x, y: jax.lax.reduce_window(x, 0.0, jax.lax.add, (2, 2), (1, 1), "valid"),
    "dot": lambda x, y: wide(x) @ wide(y),
    "dot in float32": lambda x, y: x @ y,
    "dot of one integer": lambda x, y: grid.quantise(x, 20, (0,))[0] @ wide(y),
    "dot of unequal units": lambda x, y: (lambda q, u: (q * u) @ q)(*grid.quantise(x, 20, (1,))),
    "conv": lambda x, y: jax.lax.conv(wide(x[None, None]), wide(y[None, None]), (1, 1), "SAME"),
    "quotient": lambda x, y: narrow(wide(x) / wide(y)),
    "third": lambda x, y: wide(x) / 3.0,
    "barrier before a broadcast": lambda x, y: (
        wide(x) / jnp.broadcast_to(jax.lax.optimization_barrier(wide(y[:1])), (4, 4))
    ),
    "root": lambda x, y: narrow(jnp.sqrt(wide(x))),
    "fused": lambda x, y: narrow(wide(x) * 0.1 + wide(y)),
    "fused in float32": lambda x, y: x * y + x,
    "fused after moves": lambda x, y: wide(x) - (wide(x) * functions.LOG2_E).T,
    "fused after a barrier": lambda x, y: jax.lax.optimization_barrier(wide(x) * 0.1) + wide(y),
    "fused after a bitcast": lambda x, y: as_float(as_bits(wide(x) * 0.1)) + wide(y),
    "fused after a choice": lambda x, y: jnp.maximum(wide(x) * 0.1, wide(y)) + wide(y),
    "product in float32 rounded": lambda x, y: jax.lax.reduce_precision(x * y, 8, 23) + y,
    "product in float32 compared": lambda x, y: jnp.where(x * y > 0, x, y),
    "quotient in float32": lambda x, y: narrow(steps.quotient(x, y)),
    "root in float32": lambda x, y: narrow(steps.root(x)),
    "constants multiplied": lambda x, y: narrow((wide(x) * 0.1) * 0.3),
    "constants multiplied after moves": lambda x, y: narrow(
        (wide(x) * 0.1).T * jnp.full((4, 4), 0.3)
    ),
    "constants added": lambda x, y: narrow((wide(x) + 0.1) + 0.3),
    "rounded by a large constant": lambda x, y: narrow((wide(x) + LARGE) - LARGE),
    "quotient by no power": lambda x, y: narrow(wide(x) / as_float(as_bits(wide(y)) << 1)),
    "complex product": lambda x, y: jax.lax.complex(x, y) * jax.lax.complex(y, x),
    "complex magnitude": lambda x, y: jnp.abs(jax.lax.complex(x, y)),
    "fused of many bits": lambda x, y: wide(x) - grid.nearest(wide(x)) * functions.LOG2_E,
    "cast": lambda x, y: (wide(x) + wide(y)).astype(jnp.float32),
    "pow": lambda x, y: jax.lax.pow(wide(x), wide(y)),
    "cube": lambda x, y: wide(x) ** 3,
    "atan2": lambda x, y: jax.lax.atan2(wide(x), wide(y)),
    "fft": lambda x, y: jnp.fft.fft(x),
}


LIBRARY = "exp exp2 expm1 log log1p sin cos tan tanh logistic rsqrt cbrt erf".split()
PLANTED |= {
    name: lambda x, y, function=function: function(wide(x))
    for name, function in ((name, getattr(jax.lax, name)) for name in LIBRARY)
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_breaks_a_rule_inside_the_scope_is_found(name):
    assert faults(PLANTED[name])


SOUND = {
    "sum of integers": lambda x, y: jnp.sum(grid.quantise(x, 20, (0, 1))[0]),
    "dot of integers": lambda x, y: grid.quantise(x, 20, (1,))[0] @ grid.quantise(y, 20, (0,))[0].T,
    "halves": lambda x, y: wide(x) / 4.0 + wide(y) * 0.5,
    "sealed": lambda x, y: steps.sealed(wide(x) * 0.1) + wide(y),
    "exact product": lambda x, y: wide(x) * wide(y) + wide(y),
    "exponential": lambda x, y: functions.exponential(wide(x)),
    "root": lambda x, y: narrow(steps.root(wide(x))),
    "mean": lambda x, y: elementwise.mean(x, (0, 1)),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_keeps_the_rules_is_not(name):
    assert not faults(SOUND[name])
