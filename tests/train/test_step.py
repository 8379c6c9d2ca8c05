"""The pure training step: its update, its evidence, its loss scale."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mrjax.numerics.fingerprint import fingerprint
from mrjax.numerics.native import Native
from mrjax.train import finite
from mrjax.train.step import GROWTH_INTERVAL, initial_state, make_step, tensors

AR = Native()
RATE = 0.1


def quadratic(params, stats, batch):
    """Loss with gradient params - mean(batch); the statistics count the steps."""
    loss = 0.5 * jnp.sum(jnp.square(params["w"] - batch["x"].mean(0)))
    return loss, {"seen": stats["seen"] + 1}


def poisoned(params, stats, batch):
    """Gradient overflows whenever the batch holds a value above 100."""
    factor = jnp.where(batch["x"].max() > 100, jnp.inf, 1).astype(jnp.float32)
    loss, stats = quadratic(params, stats, batch)
    return loss * factor, stats


@pytest.fixture
def start():
    params = {"w": jnp.array([1.0, -2.0], jnp.float32)}
    stats = {"seen": jnp.zeros(1, jnp.float32)}
    return lambda scale=1.0: initial_state(params, stats, optax.sgd(RATE), scale)


@pytest.fixture
def batch():
    return {"x": jnp.array([[0.5, 0.5], [1.5, -0.5]], jnp.float32)}


def test_step_descends_and_updates_statistics(start, batch):
    step = jax.jit(make_step(quadratic, optax.sgd(RATE), arithmetic=AR, dynamic_scale=False))
    state, evidence = step(start(), batch)
    np.testing.assert_allclose(state.params["w"], [1.0, -1.8], rtol=1e-6)
    assert state.batch_stats["seen"] == 1
    np.testing.assert_allclose(evidence.loss, 0.5 * 2.0**2, rtol=1e-6)
    assert not evidence.skipped


def test_evidence_is_the_digest_of_what_it_names(start, batch):
    step = jax.jit(make_step(quadratic, optax.sgd(RATE), arithmetic=AR, dynamic_scale=False))
    state, evidence = step(start(), batch)
    kept = {"params": state.params, "batch_stats": state.batch_stats}
    assert evidence.params == fingerprint(kept)
    assert evidence.batch == fingerprint(batch)
    gradient = {"w": jnp.array([0.0, -2.0], jnp.float32)}
    assert evidence.grads == fingerprint(gradient)
    other = {"x": batch["x"].at[0, 0].set(np.nextafter(np.float32(0.5), np.float32(1)))}
    assert step(start(), other)[1].batch != evidence.batch


def test_a_power_of_two_scale_changes_no_bit(start, batch):
    plain = jax.jit(make_step(quadratic, optax.sgd(RATE), arithmetic=AR, dynamic_scale=False))(
        start(), batch
    )
    scaled = jax.jit(make_step(quadratic, optax.sgd(RATE), arithmetic=AR, dynamic_scale=True))(
        start(2.0**15), batch
    )
    assert plain[1].params == scaled[1].params
    assert plain[1].grads == scaled[1].grads


def test_overflow_skips_the_update_and_halves_the_scale(start, batch):
    step = jax.jit(make_step(poisoned, optax.sgd(RATE), arithmetic=AR, dynamic_scale=True))
    before = start(8.0)
    state, evidence = step(before, {"x": batch["x"] * 1000})
    assert evidence.skipped
    assert state.scale.value == 4
    np.testing.assert_array_equal(state.params["w"], before.params["w"])
    assert state.batch_stats["seen"] == 0
    state, evidence = step(state, batch)
    assert not evidence.skipped
    assert state.scale.finite_steps == 1


def test_scale_grows_after_enough_finite_steps(start, batch):
    step = jax.jit(make_step(poisoned, optax.sgd(RATE), arithmetic=AR, dynamic_scale=True))
    state = start(8.0)
    for _ in range(GROWTH_INTERVAL):
        assert state.scale.value == 8
        state, _ = step(state, batch)
    assert state.scale.value == 16
    assert state.scale.finite_steps == 0


class Flushing(Native):
    """An arithmetic in which gradients below 1 are zeros."""

    def flush(self, x):
        return jnp.where(jnp.abs(x) < 1, 0, x)


def test_gradients_are_flushed_before_they_are_used(start, batch):
    away = {"x": batch["x"] + 0.5}
    step = jax.jit(
        make_step(quadratic, optax.sgd(RATE), arithmetic=Flushing(), dynamic_scale=False)
    )
    state, evidence = step(start(), away)
    gradient = start().params["w"] - away["x"].mean(0)
    assert abs(gradient[0]) == 0.5 and abs(gradient[1]) > 1
    assert evidence.grads == fingerprint({"w": gradient.at[0].set(0)})
    assert state.params["w"][0] == start().params["w"][0]


def first_broken(state, evidence, batch) -> str | None:
    names = finite.names(tensors(batch, state.params, state))
    place = int(evidence.not_finite)
    return None if place == finite.NONE else names[place]


def test_the_first_tensor_that_is_not_finite_is_named(start, batch):
    step = jax.jit(make_step(poisoned, optax.sgd(RATE), arithmetic=AR, dynamic_scale=False))
    assert first_broken(*step(start(), batch), batch) is None
    assert first_broken(*step(start(), {"x": batch["x"] * 1000}), batch) == "gradients/w"
    assert first_broken(*step(start(), {"x": batch["x"] * jnp.inf}), batch) == "batch/x"
    sound = start()
    broken = sound._replace(params={"w": sound.params["w"].at[0].set(jnp.nan)})
    assert first_broken(*step(broken, batch), batch) == "gradients/w"
    far = make_step(quadratic, optax.sgd(3e38), arithmetic=AR, dynamic_scale=False)
    state, evidence = jax.jit(far)(start(), {"x": batch["x"] * 1000})
    assert np.isfinite(evidence.loss)
    assert first_broken(state, evidence, batch) == "params/w"


def test_an_overflow_in_the_optimizer_is_named(start, batch):
    """Adam's second moment overflows first, and its update is then zero."""
    step = make_step(quadratic, optax.adam(RATE), arithmetic=AR, dynamic_scale=False)
    begin = initial_state(start().params, start().batch_stats, optax.adam(RATE))
    state, evidence = jax.jit(step)(begin, {"x": batch["x"] * 1e25})
    assert np.isfinite(state.params["w"]).all()
    assert first_broken(state, evidence, batch) == "optimizer/0/nu/w"


def test_a_skipped_step_is_no_failure(start, batch):
    step = jax.jit(make_step(poisoned, optax.sgd(RATE), arithmetic=AR, dynamic_scale=True))
    _, evidence = step(start(8.0), {"x": batch["x"] * 1000})
    assert evidence.skipped and evidence.not_finite == finite.NONE
