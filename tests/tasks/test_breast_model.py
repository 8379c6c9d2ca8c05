"""The breast network, its loss and its inputs."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import jit_quickly

from mrjax import metrics
from mrjax.arrays import DcePatient
from mrjax.data import breast
from mrjax.data.breast_slices import images
from mrjax.data.folds import folds
from mrjax.errors import UserError
from mrjax.tasks.breast import inputs, model, run
from mrjax.tasks.breast.classical import BINS, STEP, Threshold, segment, smoothed, tune
from mrjax.tasks.breast.config import PRESETS, Config

MICRO = {"n_patients": 3, "rows": 16, "columns": 16, "slices": 2, "width": 2, "levels": 1}


def config(**changes) -> Config:
    values = {"folds": 3, "steps": 2, "batch_size": 2, "fold": 0, "dtype": "float64"}
    return Config(**(values | MICRO | changes))


def test_the_papers_network_is_ronnebergers():
    paper = Config(preset="paper", **PRESETS["paper"])
    built = model.build(dataclasses.replace(paper, fold=0), "cpu")
    shapes = built.shapes["params"]
    assert shapes["down0_0/conv/kernel"] == (3, 3, 3, 64)
    assert shapes["bottom_1/conv/kernel"] == (3, 3, 1024, 1024)
    assert shapes["out/kernel"] == (1, 1, 64, 1)
    assert sum(k.startswith("up") for k in shapes) == 2 * 4
    assert (paper.folds, paper.repetitions) == (10, 50)


def test_loss_is_one_minus_dice_of_the_probabilities(rng):
    built = model.build(config(), "cpu")
    state = built.initial_state()
    image, mask = rng.random((2, 16, 16, 3)), (rng.random((2, 16, 16, 1)) > 0.5).astype(float)
    batch = {"image": jnp.asarray(image), "mask": jnp.asarray(mask)}
    loss, stats = jit_quickly(built.loss_function())(state.params, state.batch_stats, batch)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    apply = jit_quickly(lambda v, x: built.net.apply(v, x, True, mutable=["batch_stats"]))
    output, _ = apply(variables, batch["image"])
    p = 1 / (1 + np.exp(-np.asarray(output)))
    expected = 1 - (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)
    np.testing.assert_allclose(loss, expected, rtol=1e-9)
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), stats, state.batch_stats)
    assert max(jax.tree.leaves(moved)) > 0


def test_the_loss_has_the_slope_it_says(rng):
    built = model.build(config(), "cpu")
    state, loss = built.initial_state(), built.loss_function()
    mask = (rng.random((2, 16, 16, 1)) > 0.5).astype(float)
    batch = {"image": jnp.asarray(rng.random((2, 16, 16, 3))), "mask": jnp.asarray(mask)}
    plain = lambda p: loss(p, state.batch_stats, batch)[0]  # noqa: E731
    value, gradient = jit_quickly(plain), jit_quickly(jax.grad(plain))
    way = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), state.params)
    slope = sum(map(jnp.vdot, jax.tree.leaves(gradient(state.params)), jax.tree.leaves(way)))
    step = 1e-6
    ahead, behind = (
        value(jax.tree.map(lambda x, d, s=s: x + s * step * d, state.params, way)) for s in (1, -1)
    )
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-4)


def test_held_out_patients_are_those_of_the_fold_and_are_not_trained_on():
    seen: list[str] = []
    for k in range(3):
        c = config(fold=k, n_patients=5, seed_fold=4)
        found = inputs.prepare(c, model.build(c, "cpu"))
        names = [p.name for p in found.test]
        assert names == [f"breast{i:04d}" for i in folds(4, 5, 3)[k]]
        assert not {p.name for p in found.train} & set(names)
        assert found.examples is not None and len(found.examples) == 2 * len(found.train)
        seen += names
    assert sorted(seen) == [f"breast{i:04d}" for i in range(5)]


def test_streams_change_their_own_digests():
    def digests(**changes):
        c = config(**changes)
        return inputs.digest(c, inputs.prepare(c, model.build(c, "cpu")))

    base = digests()
    for flag, changed in (
        ({"seed_init": 1}, {"init"}),
        ({"seed_order": 1}, {"order"}),
        ({"seed_noise": 1}, {"data"}),
        ({"seed_data": 1}, {"data"}),
        ({"fold": 1}, {"data"}),
        ({"seed_fold": 2}, {"data"}),
        ({"repetition": 7}, set()),
        ({"repetitions": 7, "vary": "all"}, set()),
    ):
        other = digests(**flag)
        assert {k for k in base if base[k] != other[k]} == changed, flag


def test_masks_are_the_network_applied_slice_by_slice():
    c = config(shrink=2, rows=20, columns=18)
    built = model.build(c, "cpu")
    found = inputs.prepare(c, built)
    state = built.initial_state(found.initial)
    # A first step's worth of statistics, since inference needs some.
    assert found.examples is not None
    batch = {k: jnp.asarray(v) for k, v in found.examples.stack([0, 1]).items()}
    assert batch["image"].shape == (2, 10, 10, 3)
    _, stats = jit_quickly(built.loss_function())(state.params, state.batch_stats, batch)
    trained, engine = state._replace(batch_stats=stats), run.engine(jax.devices(), built, found)
    (held_out,) = found.test
    job = run.Job(c, found, engine)
    made = job.output(held_out, lambda image: engine.predict(trained, image))
    assert made.shape == (20, 18, 2)
    blocks = made[::2, ::2]
    assert np.array_equal(np.repeat(np.repeat(blocks, 2, 0), 2, 1), made)
    assert 0 < made.min() < made.max() < 1


def patient(rng, mask: np.ndarray) -> DcePatient:
    signal = np.full((*mask.shape, 3), 10.0) + rng.random((*mask.shape, 3))
    signal[..., 1] += 10.0 * mask
    signal[..., 2] += 10.0 * rng.random(mask.shape)
    return DcePatient(name="p", signal=signal.astype(np.float32), times=np.arange(3.0), mask=mask)


def test_the_threshold_finds_the_volume_and_interval_that_separate(rng):
    mask = np.zeros((24, 24, 2), bool)
    mask[4:20, 4:20] = True
    found = tune([patient(rng, mask)])
    assert found.channel == 1 and 1.0 < found.low < 2.0
    dice = metrics.dice(segment(patient(rng, mask), found), mask)
    assert dice > 0.93  # smoothing rounds the corners
    other = dataclasses.replace(found, channel=0)
    assert metrics.dice(segment(patient(rng, mask), other), mask) < dice


def test_no_interval_tried_by_hand_is_better():
    patients = [p for p in breast.patients(config(rows=24, columns=24)) if p.mask is not None]
    found = tune(patients)

    def mean(t: Threshold) -> float:
        masks = [(segment(p, t), p.mask) for p in patients]
        scores = [metrics.dice(m, truth) for m, truth in masks if truth is not None]
        return float(np.mean(scores))

    best = mean(found)
    for channel in range(3):
        for low in range(0, BINS, 9):
            for high in (low + 5, low + 12, BINS + 1):
                tried = Threshold(channel=channel, low=low * STEP, high=high * STEP)
                assert mean(tried) <= best + 1e-12


@pytest.mark.parametrize("high", [30, BINS + 1])
def test_the_interval_is_closed_below_and_open_above(rng, high):
    from scipy import ndimage

    (p, *_) = breast.patients(config())
    found = segment(p, Threshold(channel=2, low=12 * STEP, high=high * STEP))
    smooth = ndimage.uniform_filter(images(p)[..., 2].astype(float), (3, 3, 0), mode="nearest")
    limit = 30 * STEP if high == 30 else np.inf
    assert 0.1 < found.mean() < 0.9
    assert np.array_equal(found, (smooth >= 12 * STEP) & (smooth < limit))


def test_smoothing_is_the_mean_over_neighbours(rng):
    from scipy import ndimage

    volume = rng.random((6, 7, 3))
    expected = ndimage.uniform_filter(volume, (3, 3, 0), mode="nearest")
    np.testing.assert_allclose(smoothed(volume), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fold": 3}, "--fold=3 of --folds=3"),
        ({"n_patients": 2}, "2 patients are fewer than --folds=3"),
        ({"steps": 0}, "--steps=0 infers"),
        ({"fold": None, "from_run": "x"}, "but no --fold"),
    ],
)
def test_flags_that_contradict_each_other(changes, words):
    with pytest.raises(UserError, match=words):
        config(**changes).check()
    config().check()


def test_only_a_cross_validation_needs_no_device():
    assert config().needs_device and config(fold=None, steps=0, from_run="x").needs_device
    assert not config(fold=None).needs_device
