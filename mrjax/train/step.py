"""One training step as a pure function of state and batch, with its evidence.

The forward pass, the loss and the update use no files, time or random numbers: if two executions
start from the same state and batch and differ, the machine or its software is the cause.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int32, PyTree, UInt64

from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.fingerprint import fingerprint
from mrjax.numerics.stored import stored
from mrjax.train import finite

Batch = Mapping[str, Array]
LossFunction = Callable[[PyTree, PyTree, Batch], tuple[Float[Array, ""], PyTree]]
Project = Callable[[PyTree], PyTree]


class LossScale(NamedTuple):
    """Dynamic scale of the loss, which keeps float16 gradients from underflow.

    Attributes:
        value: factor; a power of two, so that scaling rounds nothing.
        finite_steps: number of steps since the last change of the factor.
    """

    value: Float[Array, ""]
    finite_steps: Array


class State(NamedTuple):
    """Everything that training carries from step to step; PRNG keys derive from the step number."""

    params: PyTree
    batch_stats: PyTree
    optimizer: PyTree
    scale: LossScale


class Evidence(NamedTuple):
    """The evidence of a step, written to the ledger.

    Attributes:
        loss: loss before the update.
        params: digest of trainables and batch statistics after the update.
        grads: digest of the gradients.
        batch: digest of the batch.
        skipped: True if gradients overflowed, so that the loss scale shrank instead of an update.
        not_finite: place of the first of the step's `tensors` that is not finite, or -1.
    """

    loss: Float[Array, ""]
    params: UInt64[Array, ""]
    grads: UInt64[Array, ""]
    batch: UInt64[Array, ""]
    skipped: Bool[Array, ""]
    not_finite: Int32[Array, ""] | int = finite.NONE


GROWTH_INTERVAL = 200
LARGEST_SCALE = 2.0**24


def initial_state(
    params: PyTree, batch_stats: PyTree, optimizer: optax.GradientTransformation, scale: float = 1.0
) -> State:
    """Return the state before the first step.

    Args:
        params: trainables.
        batch_stats: running statistics, at first zeros.
        optimizer: makes the optimiser's state.
        scale: first loss scale; 1 for types with the exponent range of float32.

    Returns:
        The state.
    """
    start = LossScale(jnp.asarray(scale, jnp.float32), jnp.asarray(0, jnp.int32))
    return State(params, batch_stats, optimizer.init(params), start)


def make_step(
    loss_function: LossFunction,
    optimizer: optax.GradientTransformation,
    *,
    arithmetic: Arithmetic,
    dynamic_scale: bool,
    project: Project | None = None,
) -> Callable[[State, Batch], tuple[State, Evidence]]:
    """Return the pure training step.

    Args:
        loss_function: (params, batch_stats, batch) -> (loss, new batch_stats).
        optimizer: the update rule.
        arithmetic: the arithmetic that flushes gradients and adds updates to parameters.
        dynamic_scale: whether the loss is scaled and overflowing steps are skipped (float16).
        project: projection of the parameters onto their allowed set, applied after each update.

    Returns:
        (state, batch) -> (state, evidence), to be jitted with the state donated.
    """

    def scaled(params: PyTree, batch_stats: PyTree, batch: Batch, scale: Array) -> tuple:
        loss, new_stats = loss_function(params, batch_stats, batch)
        return loss * scale.astype(loss.dtype) if dynamic_scale else loss, (loss, new_stats)

    def step(state: State, batch: Batch) -> tuple[State, Evidence]:
        gradient = jax.grad(scaled, has_aux=True)
        grads, (loss, stats) = gradient(state.params, state.batch_stats, batch, state.scale.value)
        if dynamic_scale:
            grads = jax.tree.map(lambda g: g / state.scale.value.astype(g.dtype), grads)
        grads = jax.tree.map(arithmetic.flush, grads)
        updates, optimizer_state = optimizer.update(grads, state.optimizer, state.params)
        params = jax.tree.map(arithmetic.add, state.params, updates)
        params = params if project is None else project(params)
        new = State(params, stats, optimizer_state, state.scale)
        skipped = jnp.asarray(False)
        if dynamic_scale:
            sound = _all_finite(grads)
            new, skipped = _keep_if_overflown(sound, new, state), ~sound
        broken = finite.first(tensors(batch, grads, new))
        kept = {"params": new.params, "batch_stats": new.batch_stats}
        # XLA would compute the weights a second time for their digest, in one kernel with it and
        # rounded otherwise; the digest would be that of weights which nobody has.
        kept, grads = jax.tree.map(stored, (kept, grads))
        new = new._replace(**kept)
        evidence = Evidence(
            loss=loss,
            params=fingerprint(kept),
            grads=fingerprint(grads),
            batch=fingerprint(dict(batch)),
            skipped=skipped,
            not_finite=jnp.where(skipped, finite.NONE, broken),
        )
        return new, evidence

    return step


def tensors(batch: Batch, gradients: PyTree, state: State) -> dict[str, PyTree]:
    """Return all tensors of a step as a tree, in the order in which an overflow reaches them.

    Args:
        batch: batch of the step.
        gradients: gradients of the parameters.
        state: state after the step.

    Returns:
        A tree, whose leaves' names begin with ``batch``, ``batch_stats``, ``gradients``,
        ``optimizer`` or ``params``; JAX sorts the leaves by name.
    """
    kept = {"batch_stats": state.batch_stats, "optimizer": state.optimizer, "params": state.params}
    return {"batch": dict(batch), "gradients": gradients, **kept}


def _all_finite(tree: PyTree) -> Bool[Array, ""]:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def _keep_if_overflown(finite: Bool[Array, ""], new: State, old: State) -> State:
    """Take the new state if all gradients were finite, else the old state with half the scale."""
    chosen = jax.tree.map(lambda n, o: jnp.where(finite, n, o), new, old)
    count = jnp.where(finite, old.scale.finite_steps + 1, 0)
    grow = count >= GROWTH_INTERVAL
    value = jnp.where(finite, old.scale.value, jnp.maximum(old.scale.value / 2, 1))
    value = jnp.where(grow, jnp.minimum(value * 2, LARGEST_SCALE), value)
    return chosen._replace(scale=LossScale(value, jnp.where(grow, 0, count).astype(jnp.int32)))
