"""Whole networks in reproducible arithmetic: neighbours in a batch, and batches of bad numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_networks as networks
from helpers import jit_quickly

from mrjax.nets.varnet import zero_mean_unit_norm
from mrjax.numerics.reproducible import Reproducible
from mrjax.train import finite
from mrjax.train.step import tensors

INFERRED = ("field", "kspace", "image")


def drawn(rng, batch: dict) -> dict[str, np.ndarray]:
    """Random arrays of a batch's shapes; masks are 0 or 1."""

    def one(name: str, like) -> np.ndarray:
        values = rng.standard_normal(like.shape)
        if name == "mask":
            values = values > 0
        if jnp.issubdtype(like.dtype, jnp.complexfloating):
            values = values + 1j * rng.standard_normal(like.shape)
        return values.astype(like.dtype)

    return {name: one(name, like) for name, like in batch.items()}


@functools.cache
def compiled(task: str):
    """A model, its step, of which no test here compares bits, and shapes of its batch."""
    built = networks.build(task)
    return built, jit_quickly(networks.step_of(task, built)), networks.batch_of(task, built)


def trained(built):
    """A state with trained running statistics, by which inference divides."""
    state = built.initial_state()
    return state._replace(batch_stats=jax.tree.map(jnp.ones_like, state.batch_stats))


@pytest.mark.parametrize("task", networks.TASKS)
def test_a_prediction_does_not_depend_on_its_neighbours(task, rng):
    """Neighbours a million times as bright would change a grid that several samples share."""
    built, _, like = compiled(task)
    predict = jax.jit(networks.predictor_of(task, built))
    state, first, second = trained(built), drawn(rng, like), drawn(rng, like)
    bright = {k: v * np.float32(2.0**20) if k in INFERRED else v for k, v in second.items()}

    def of_one(batch: dict, place: int) -> bytes:
        return np.asarray(predict(state, batch))[place].tobytes()

    def pair(a: dict, b: dict) -> dict:
        return {k: np.stack([a[k][0], b[k][0]]) for k in a}

    alone = of_one(pair(first, first), 0)
    assert of_one(pair(first, second), 0) == alone
    assert of_one(pair(bright, first), 1) == alone
    assert of_one(pair(first, second), 1) != alone


def first_broken(built, state, evidence, batch) -> str | None:
    names = finite.names(tensors(batch, built.initial_state().params, state))
    place = int(evidence.not_finite)
    return None if place == finite.NONE else names[place]


@pytest.mark.parametrize("task", networks.TASKS)
def test_empty_constant_and_single_voxel_batches_train(task, rng):
    built, step, like = compiled(task)
    base = drawn(rng, like)
    digests = set()
    for kind in ("zero", "constant", "one voxel"):
        batch = {k: np.zeros_like(v) for k, v in base.items()}
        for array in batch.values():
            if kind == "constant":
                array[...] = 1
            if kind == "one voxel":
                array[(0, *(n // 2 for n in array.shape[1:]))] = 1
        state, evidence = step(built.initial_state(), batch)
        assert first_broken(built, state, evidence, batch) is None, kind
        assert np.isfinite(evidence.loss)
        digests.add(int(evidence.grads))
    # One voxel in the middle of k-space leaves nothing behind the first cascade of the end-to-end
    # network, whose gradient is 0 there, as for zeros.
    assert len(digests) == (2 if task == "e2e" else 3)


@pytest.mark.parametrize("task", networks.TASKS)
def test_what_is_not_finite_is_named(task, rng):
    built, step, like = compiled(task)
    good = drawn(rng, like) | {"mask": np.ones(like["mask"].shape, np.float32)}
    name = next(k for k in INFERRED if k in good)
    for value in (np.nan, np.inf):
        batch = {k: v.copy() for k, v in good.items()}
        batch[name].flat[0] = value
        state, evidence = step(built.initial_state(), batch)
        assert not np.isfinite(evidence.loss)
        assert first_broken(built, state, evidence, batch) == f"batch/{name}"
    start = built.initial_state()
    huge = start._replace(params=jax.tree.map(lambda p: p * np.float32(1e38), start.params))
    state, evidence = step(huge, good)
    part = first_broken(built, state, evidence, good)
    assert part is not None and part.split("/")[0] in ("batch_stats", "gradients")


@pytest.mark.parametrize("task", ["qsm", "breast"])
def test_an_overflow_behind_all_normalisation_is_named(task, rng):
    """A sigmoid of infinity would be 1 and hide the overflow."""
    built, step, like = compiled(task)
    batch = drawn(rng, like) | {"mask": np.ones(like["mask"].shape, np.float32)}
    start = built.initial_state()
    out = {**start.params["out"], "kernel": jnp.full_like(start.params["out"]["kernel"], 3e38)}
    state, evidence = step(start._replace(params={**start.params, "out": out}), batch)
    part = first_broken(built, state, evidence, batch)
    assert part is not None and part.startswith("gradients/")


def scaled(batch, factor, names):
    return {k: v * np.float32(factor) if k in names else v for k, v in batch.items()}


@pytest.mark.parametrize("factor", [1e-35, 1e-20, 1e19, 1e35])
def test_the_unit_of_k_space_does_not_matter(rng, factor):
    """Squares of such numbers are out of range."""
    built, step, like = compiled("varnet")
    good = drawn(rng, like) | {"mask": np.ones(like["mask"].shape, np.float32)}
    batch = scaled(good, factor, ("kspace", "reference"))
    (_, expected), (_, evidence) = (step(built.initial_state(), b) for b in (good, batch))
    assert evidence.not_finite == finite.NONE
    np.testing.assert_allclose(evidence.loss, expected.loss, rtol=1e-5)


def test_a_scale_that_overflows_is_named(rng):
    """Finite numbers divided by an infinite scale would be a batch of zeros."""
    built, step, like = compiled("varnet")
    good = drawn(rng, like) | {"mask": np.ones(like["mask"].shape, np.float32)}
    batch = scaled(good, 1e30, ("kspace", "maps"))
    state, evidence = step(built.initial_state(), batch)
    assert not np.isfinite(evidence.loss)
    part = first_broken(built, state, evidence, batch)
    assert part is not None and part.startswith("gradients/")


def test_filters_of_any_size_get_unit_norm(rng):
    kernel = rng.standard_normal((3, 3, 2, 4)).astype(np.float32)
    expected = zero_mean_unit_norm(Reproducible(), jnp.asarray(kernel))
    np.testing.assert_allclose((np.asarray(expected) ** 2).sum((0, 1, 2)), 1, rtol=1e-6)
    for factors in ((1e-36, 1e-20, 1, 1e20), (1e36, 1e-19, 1e19, 1e-10)):
        found = zero_mean_unit_norm(Reproducible(), jnp.asarray(kernel * np.float32(factors)))
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-7)
    kernel[0, 0, 0, 1] = np.inf
    broken = np.isnan(zero_mean_unit_norm(Reproducible(), jnp.asarray(kernel)))
    assert broken.all((0, 1, 2)).tolist() == [False, True, False, False]
