"""Order and batches are pure functions; normalisation is order-free."""

import itertools
import math
import os
import random
import subprocess
import sys

import helpers
import jax
import numpy as np
import pytest

from mrjax.arrays import QsmSubject
from mrjax.data import pipeline
from mrjax.errors import UserError


def subject(seed: int, shape=(10, 9, 8)) -> QsmSubject:
    draw = np.random.default_rng(seed)
    return QsmSubject(
        name=f"s{seed}",
        field=draw.normal(0.01, 0.02, shape).astype(np.float32),
        chi=draw.normal(-0.02, 0.05, shape).astype(np.float32),
        mask=draw.random(shape) < 0.6,
    )


def test_normalisation_is_mean_and_std_inside_the_masks():
    subjects = [subject(1), subject(2, (8, 8, 12))]
    found = pipeline.normalisation(subjects)
    field = np.concatenate([s.field[s.mask] for s in subjects]).astype(np.float64)
    chi = np.concatenate([s.chi[s.mask] for s in subjects]).astype(np.float64)
    expected = (field.mean(), field.std(), chi.mean(), chi.std())
    np.testing.assert_allclose(
        (found.field_mean, found.field_std, found.chi_mean, found.chi_std), expected, rtol=1e-12
    )


def test_normalisation_does_not_depend_on_the_order_of_subjects():
    subjects = [subject(i) for i in range(6)]
    first = pipeline.normalisation(subjects)
    naive = set()
    for seed in range(8):
        random.Random(seed).shuffle(subjects)
        assert pipeline.normalisation(subjects) == first
        voxels = np.concatenate([s.field[s.mask] for s in subjects]).astype(np.float64)
        naive.add(float(np.cumsum((voxels - first.field_mean) ** 2)[-1]))
    assert len(naive) > 1  # positive control: a running sum does


def test_normalisation_of_the_real_brain_is_what_the_authors_publish():
    from scipy.io import loadmat

    chi = loadmat(helpers.shared("data/cos1.mat"))["cos"]
    mask = loadmat(helpers.shared("data/msk1.mat"))["msk"] > 0
    found = pipeline.normalisation([QsmSubject(name="real", field=chi, chi=chi, mask=mask)])
    assert math.isclose(found.chi_mean, -8.59065e-06, rel_tol=1e-5)
    assert math.isclose(found.chi_std, 0.0279962, rel_tol=1e-5)


def test_normalisation_refuses_constant_and_empty():
    flat = QsmSubject(
        name="f",
        field=np.ones((8, 8, 8), np.float32),
        chi=np.ones((8, 8, 8), np.float32),
        mask=np.ones((8, 8, 8), bool),
    )
    with pytest.raises(UserError, match="field of the training subjects is constant"):
        pipeline.normalisation([flat])
    with pytest.raises(UserError, match="masks of the training subjects are empty"):
        pipeline.normalisation([])


def test_order_is_a_permutation_that_seed_and_epoch_change():
    first = pipeline.order(0, 0, 50)
    assert sorted(first.tolist()) == list(range(50))
    others = [pipeline.order(0, 1, 50), pipeline.order(1, 0, 50), pipeline.order(2**40, 0, 50)]
    assert all(first.tolist() != other.tolist() for other in others)
    with pytest.raises(ValueError):
        first[0] = 3  # cached, hence read-only


GOLDEN = "import jax; from mrjax.data import pipeline; print(pipeline.order(3, 2, 20).tolist())"


@pytest.mark.parametrize(
    "variation",
    [
        {"JAX_ENABLE_X64": "0"},
        {"JAX_THREEFRY_PARTITIONABLE": "0"},
        {"PYTHONHASHSEED": "7", "NPY_DISABLE_CPU_FEATURES": "X86_V4 X86_V3"},
    ],
)
def test_order_does_not_depend_on_settings_or_process(variation):
    environ = {**os.environ, "JAX_PLATFORMS": "cpu", **variation}
    done = subprocess.run(
        [sys.executable, "-c", GOLDEN],
        cwd=helpers.ROOT,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(pipeline.order(3, 2, 20).tolist())


def test_order_would_depend_on_partitionable_threefry():
    """Positive control: without the fixed setting the draw differs."""
    draws = []
    for setting in (True, False):
        with jax.threefry_partitionable(setting):
            draws.append(jax.random.permutation(jax.random.key(0), 20).tolist())
    assert draws[0] != draws[1]


def test_order_is_drawn_on_the_cpu(monkeypatch):
    """Whatever the default device: a run beside PyTorch draws there too."""
    drawn_on = []
    permutation = jax.random.permutation

    def drawn(*arguments):
        drawn_on.append(jax.config.jax_default_device)
        return permutation(*arguments)

    monkeypatch.setattr(jax.random, "permutation", drawn)
    pipeline.order(99, 3, 5)
    assert [device.platform for device in drawn_on] == ["cpu"]


def test_an_epoch_visits_every_example_at_most_once_and_drops_the_rest():
    seen = [pipeline.batch_indices(4, step, 3, 11).tolist() for step in range(6)]
    first, second = [list(itertools.chain(*steps)) for steps in (seen[:3], seen[3:])]
    assert first == pipeline.order(4, 0, 11)[:9].tolist()
    assert second == pipeline.order(4, 1, 11)[:9].tolist()
    assert len(set(first)) == 9


def test_batch_is_pure_and_made_of_its_indices():
    patches = pipeline.Patches([subject(1), subject(2)], 8, (3, 2, 1))
    late = pipeline.batch(patches, 5, 7, 2)
    pipeline.order.cache_clear()
    for step in range(9):  # whatever was drawn before does not matter
        pipeline.batch(patches, 6, step, 2)
    again = pipeline.batch(patches, 5, 7, 2)
    indices = pipeline.batch_indices(5, 7, 2, len(patches))
    for name in ("field", "chi", "mask"):
        assert late[name].shape == (2, 8, 8, 8, 1) and late[name].dtype == np.float32
        np.testing.assert_array_equal(late[name], again[name])
        for row, index in enumerate(indices.tolist()):
            np.testing.assert_array_equal(late[name][row], patches.get(index)[name])
    other = pipeline.batch(patches, 6, 7, 2)
    assert not np.array_equal(other["field"], late["field"])


def test_fewer_patches_than_a_batch_is_one_line():
    patches = pipeline.Patches([subject(1)], 8, 1)
    with pytest.raises(UserError, match="1 examples are fewer than a batch of 2; expected"):
        pipeline.batch(patches, 0, 0, 2)
