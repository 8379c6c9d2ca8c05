"""Patients of a breast run: sources, folds, slices and their normalisation."""

import dataclasses
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import ROOT

from mrjax.arrays import DcePatient
from mrjax.data import breast, breast_slices
from mrjax.data.breast_slices import Slices, enlarged, images, scale, shrunk, time_points
from mrjax.data.folds import folds
from mrjax.data.formats import dce, dce_nifti
from mrjax.errors import UserError


def config(**changes):
    values = {
        "dataset": "synthetic",
        "data_dir": "",
        "n_patients": 3,
        "rows": 16,
        "columns": 20,
        "accept": "",
    }
    return SimpleNamespace(**(values | {"slices": 3, "seed_for": lambda stream: 7} | changes))


def patient(rng, shape=(10, 13, 3), volumes=4, name="a") -> DcePatient:
    mask = np.zeros(shape, bool)
    mask[3:7, 4:9] = True
    signal = 50 * rng.random((*shape, volumes)).astype(np.float32) + 1
    return DcePatient(name=name, signal=signal, times=np.arange(volumes) * 60.0, mask=mask)


def test_synthetic_patients_do_not_depend_on_their_number():
    few, many = breast.patients(config()), breast.patients(config(n_patients=5))
    assert [p.name for p in few] == ["breast0000", "breast0001", "breast0002"]
    assert few[0].signal.shape == (16, 20, 3, 5)
    assert all(np.array_equal(a.signal, b.signal) for a, b in zip(few, many, strict=False))


@pytest.mark.parametrize("dataset", ["mat", "nifti"])
def test_files_give_the_patients_that_were_written(tmp_path, rng, dataset):
    written = [patient(rng, name=f"p{i}") for i in range(3)]
    for p in written:
        if dataset == "mat":
            dce.write_dce_mat(p, tmp_path / f"{p.name}.mat")
        else:
            dce_nifti.write_dce_nifti(p, tmp_path)
    found = breast.patients(config(dataset=dataset, data_dir=str(tmp_path)))
    for a, b in zip(written, found, strict=True):
        assert a.name == b.name
        assert np.array_equal(a.signal, b.signal) and np.array_equal(a.mask, b.mask)
        assert np.array_equal(a.times, b.times)


def test_a_cross_validation_finds_its_mistakes_first(tmp_path, rng):
    breast.check_cross_validation(config(), 3)
    with pytest.raises(UserError, match="3 patients are fewer than --folds=4"):
        breast.check_cross_validation(config(), 4)
    for i in range(2):
        p = patient(rng, name=f"p{i}")
        dce.write_dce_mat(dataclasses.replace(p, mask=p.mask if i else None), tmp_path / f"{i}.mat")
    files = config(dataset="mat", data_dir=str(tmp_path))
    with pytest.raises(UserError, match="2 patients are fewer than --folds=3"):
        breast.check_cross_validation(files, 3)
    with pytest.raises(UserError, match="patient 0 has no mask"):
        breast.check_cross_validation(files, 2)
    with pytest.raises(UserError, match="does not exist"):
        breast.patients(config(dataset="mat", data_dir=str(tmp_path / "none")))
    with pytest.raises(UserError, match="does not exist"):
        breast.patients(config(dataset="mat", data_dir="x" * 5000))


def test_looking_at_patients_needs_no_jax():
    code = (
        "import sys, mrjax.data.breast as b; assert 'jax' not in sys.modules, sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_folds_share_the_patients_out():
    for n, k in ((12, 3), (11, 4), (5, 5), (7, 1)):
        parts = folds(3, n, k)
        assert sorted(np.concatenate(parts).tolist()) == list(range(n)) and len(parts) == k
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1 and all((np.diff(part) > 0).all() for part in parts)
    as_lists = lambda seed: [part.tolist() for part in folds(seed, 12, 3)]  # noqa: E731
    assert as_lists(0) == as_lists(0) and as_lists(0) != as_lists(1)
    with pytest.raises(UserError, match="2 patients cannot make 3 folds"):
        folds(0, 2, 3)


def test_folds_stay_what_they_are():
    """A change of the rule would silently mix the runs of two versions."""
    assert [part.tolist() for part in folds(0, 7, 3)] == [[1, 3, 6], [2, 5], [0, 4]]


def test_three_volumes_before_early_late():
    assert time_points([0, 60, 120, 240, 360]) == (0, 2, 4)
    assert time_points([10, 50, 131, 700]) == (0, 2, 3)
    assert time_points([0, 1, 2]) == (0, 1, 2)
    assert time_points([0, 500, 1000, 2000]) == (0, 1, 3)


def test_images_do_not_know_the_scanners_unit(rng):
    p = patient(rng)
    louder = dataclasses.replace(p, signal=p.signal * np.float32(8))
    assert np.array_equal(images(p), images(louder))
    before = p.signal[..., 0].astype(np.float64)
    np.testing.assert_allclose(scale(p), before[before > before.mean()].mean(), rtol=1e-12)
    assert images(p).dtype == np.float32
    np.testing.assert_allclose(images(p)[..., 1], p.signal[..., 2] / scale(p), rtol=1e-6)


def test_shrinking_averages_blocks(rng):
    volume = rng.random((7, 6, 2))
    small = shrunk(volume, 3)
    assert small.shape == (3, 2, 2)
    np.testing.assert_allclose(small[1, 1], volume[3:6, 3:6].mean((0, 1)))
    np.testing.assert_allclose(small[2, 0], volume[6, 0:3].mean(0))  # the border, repeated
    back = enlarged(small, volume.shape, 3)
    assert back.shape == volume.shape and (back[3:6, 3:6, 1] == small[1, 1, 1]).all()
    assert np.array_equal(shrunk(volume, 1), volume)


def test_a_block_of_voxels_is_breast_if_half_of_it_is(rng):
    """Two of the blocks of 3 x 3 voxels hold 6 and 9 voxels of the mask, the others at most 3."""
    mask = Slices([patient(rng)], 1, shrink=3).stack([0])["mask"][0, ..., 0]
    expected = np.zeros((4, 5))
    expected[1, 1:3] = 1
    assert np.array_equal(mask, expected)


def test_slices_are_padded_to_one_size_and_counted_upwards(rng):
    several = [patient(rng), patient(rng, (12, 9, 2), name="b")]
    examples = Slices(several, 4)
    assert len(examples) == 5
    batch = examples.stack([4, 0])
    assert batch["image"].shape == (2, 12, 16, 3) and batch["mask"].shape == (2, 12, 16, 1)
    assert batch["image"].dtype == batch["mask"].dtype == np.float32
    assert np.array_equal(batch["image"][0, :, 3:12], images(several[1])[:, :, 1])
    assert np.array_equal(batch["mask"][1, 1:11, 1:14, 0], several[0].mask[:, :, 0])
    assert batch["mask"].sum() == several[1].mask[..., 1].sum() + several[0].mask[..., 0].sum()
    assert not batch["image"][0, :, :3].any()


def test_a_patient_without_a_mask_is_no_example(rng):
    with pytest.raises(UserError, match="patient a has no mask"):
        Slices([dataclasses.replace(patient(rng), mask=None)], 4)


def test_channels_have_names():
    assert len(breast_slices.CHANNELS) == images(patient(np.random.default_rng(0))).shape[-1]
