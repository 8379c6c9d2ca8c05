"""Update rules in rounded steps, each of which is one IEEE float32 operation.

Adam's corrections 1 - beta^t are running averages of ones, computed as the averages of the
gradients are, because libraries differ in their power functions. The updates are to be added to
the parameters by :func:`mrjax.numerics.reproducible.elementwise.add`.

A rule treats all parameters as one row, so that one loop is compiled instead of one per tensor.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from mrjax.numerics.reproducible.elementwise import add, div, mul, sqrt
from mrjax.numerics.stored import stored

FIRST_DECAY, SECOND_DECAY, EPS = 0.9, 0.999, 1e-8


class AdamState(NamedTuple):
    """The state of Adam.

    Attributes:
        count: number of steps taken, float32 (exact up to 2^24).
        mu: running average m of the gradient.
        nu: running average v of the squared gradient.
        mu_weight: the same average of ones as `mu`, 1 - FIRST_DECAY^count.
        nu_weight: the same average of ones as `nu`, 1 - SECOND_DECAY^count.
    """

    count: Float[Array, ""]
    mu: PyTree
    nu: PyTree
    mu_weight: Float[Array, ""]
    nu_weight: Float[Array, ""]


class MomentumState(NamedTuple):
    """The state of gradient descent with momentum.

    Attributes:
        count: number of steps taken, float32.
        trace: sum of the gradients so far, each weighted by the momentum to the power of its age.
    """

    count: Float[Array, ""]
    trace: PyTree


def _constant(value: float) -> Array:
    return jnp.asarray(value, jnp.float32)


def _zeros(params: PyTree) -> PyTree:
    return jax.tree.map(jnp.zeros_like, params)


def _step_of(learning_rate: optax.ScalarOrSchedule, count: Array) -> Array:
    rate = learning_rate(count) if callable(learning_rate) else learning_rate
    return -jnp.asarray(rate, jnp.float32)


def _average(old: Array, decay: float, new: Array) -> Array:
    return stored(add(mul(_constant(decay), old), mul(_constant(1 - decay), new)))


def _row(tree: PyTree) -> Float[Array, " all"]:
    return ravel_pytree(tree)[0]


def adam(learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """Adam with decay rates 0.9 and 0.999 and eps 1e-8.

    m = b1 m + (1 - b1) g and v = b2 v + (1 - b2) g g; with m' = m / (1 - b1^t) and
    v' = v / (1 - b2^t) the update is (-rate m') / (sqrt(v') + eps), each operation rounded.

    Args:
        learning_rate: a number, or a function of the number of steps taken so far (float32).

    Returns:
        The update rule.

    Source: Kingma and Ba, ICLR 2015, algorithm 1.
    """

    def init(params: PyTree) -> AdamState:
        return AdamState(_constant(0), _zeros(params), _zeros(params), _constant(0), _constant(0))

    def update(updates: PyTree, state: Any, params: PyTree = None) -> tuple[PyTree, AdamState]:
        del params
        one, step = _constant(1), stored(_step_of(learning_rate, state.count))
        g, as_tree = ravel_pytree(updates)
        mu = _average(_row(state.mu), FIRST_DECAY, g)
        nu = _average(_row(state.nu), SECOND_DECAY, mul(g, g))
        mu_weight = _average(state.mu_weight, FIRST_DECAY, one)
        nu_weight = _average(state.nu_weight, SECOND_DECAY, one)
        size = add(sqrt(div(nu, nu_weight)), _constant(EPS))
        direction = stored(div(mul(step, div(mu, mu_weight)), size))
        new = AdamState(add(state.count, one), as_tree(mu), as_tree(nu), mu_weight, nu_weight)
        return as_tree(direction), new

    return optax.GradientTransformation(init, update)


def sgd(learning_rate: optax.ScalarOrSchedule, momentum: float) -> optax.GradientTransformation:
    """Gradient descent with momentum: trace = g + momentum trace; the update is -rate trace.

    Args:
        learning_rate: a number, or a function of the number of steps taken so far (float32).
        momentum: the share of the trace that is kept at each step.

    Returns:
        The update rule.
    """

    def init(params: PyTree) -> MomentumState:
        return MomentumState(_constant(0), _zeros(params))

    def update(updates: PyTree, state: Any, params: PyTree = None) -> tuple[PyTree, MomentumState]:
        del params
        step, decay = stored(_step_of(learning_rate, state.count)), _constant(momentum)
        g, as_tree = ravel_pytree(updates)
        trace = stored(add(g, mul(decay, _row(state.trace))))
        new = MomentumState(add(state.count, _constant(1)), as_tree(trace))
        return as_tree(stored(mul(step, trace))), new

    return optax.GradientTransformation(init, update)
