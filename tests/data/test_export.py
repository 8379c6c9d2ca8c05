"""What is written in a format is what --dataset reads from it."""

import types

import numpy as np
import pytest

from mrjax.data import builders, export, pipeline, qsm, sense, synthetic
from mrjax.errors import UserError


@pytest.fixture(scope="module")
def split():
    return synthetic.synthetic_split(2, 1, 16, 0, 0)


def config(dataset: str, data_dir, n_test: int = 1):
    return types.SimpleNamespace(
        dataset=dataset,
        data_dir=str(data_dir),
        unit="ppm",
        field_strength=3.0,
        echo_time=0.0,
        n_train=7,
        n_test=n_test,
        volume=16,
    )


@pytest.mark.parametrize("name", export.FORMATS)
def test_the_written_split_comes_back(name, split, tmp_path):
    export.write(name, split, tmp_path / "new", patch=8, per_axis=(2, 2, 3))
    train, test = qsm.subjects(config(name, tmp_path / "new"))
    direct = pipeline.Patches(split[0], 8, (2, 2, 3))
    read = pipeline.Patches(train, 8, (2, 2, 3))
    assert len(direct) == len(read) == 2 * 12
    for kind, array in direct.stack(range(24)).items():
        np.testing.assert_array_equal(read.stack(range(24))[kind], array)
    assert len(test) == 1
    np.testing.assert_array_equal(test[0].field, split[1][0].field)
    np.testing.assert_array_equal(test[0].chi, split[1][0].chi)
    assert qsm.subjects(config(name, tmp_path / "new"), need_train=False)[0] == []


def test_the_regions_of_written_subjects_come_back(split, tmp_path):
    export.write("nifti", split, tmp_path)
    (test,) = qsm.subjects(config("nifti", tmp_path))[1]
    expected = split[1][0].regions
    np.testing.assert_array_equal(test.regions.labels, expected.labels)
    assert dict(test.regions.names) == dict(expected.names)


def test_without_test_volumes_the_last_patches_are_held_out(split, tmp_path):
    export.write("qsmnet_hdf5", (split[0], []), tmp_path, patch=8, per_axis=2)
    train, test = qsm.subjects(config("qsmnet_hdf5", tmp_path, n_test=3))
    assert [s.name for s in test] == [f"patch{i:06d}" for i in (13, 14, 15)]
    assert len(train) == 13


def test_a_used_folder_a_file_and_an_unknown_format_are_one_line(split, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"is not empty; expected an empty or absent folder"):
        export.write("nifti", split, tmp_path)
    with pytest.raises(UserError, match=r"cannot write to .*file.*; expected a writable folder"):
        export.write("nifti", split, tmp_path / "file")
    with pytest.raises(UserError, match="unknown format 'dicom'; expected one of qsmnet_mat"):
        export.write("dicom", split, tmp_path / "x")


@pytest.fixture(scope="module")
def knees():
    return synthetic.knee_split(2, 1, (20, 24), 3, 0, 0)


def sense_config(dataset: str, data_dir, n_test: int = 1):
    return types.SimpleNamespace(
        dataset=dataset,
        data_dir=str(data_dir),
        maps="acs",
        acs_lines=8,
        acceleration=4,
        n_test=n_test,
        whole_readout=False,
    )


@pytest.mark.parametrize("name", export.SLICE_FORMATS)
def test_the_written_slices_come_back(name, knees, tmp_path):
    if name == "ismrmrd":
        pytest.importorskip("ismrmrd", reason="needs ismrmrd-package: pip install ismrmrd")
    export.write_slices(name, knees, tmp_path / "new")
    train, test = sense.slices(sense_config(name, tmp_path / "new"))
    assert (len(train), len(test)) == (2, 1)
    for written, read in zip([*knees[0], *knees[1]], [*train, *test], strict=True):
        np.testing.assert_allclose(read.kspace, written.kspace, atol=1e-5)
        assert read.mask is None
        if name not in ("fastmri", "ismrmrd"):  # which have no maps
            np.testing.assert_array_equal(read.maps, written.maps)
            np.testing.assert_allclose(read.reference, written.reference, atol=1e-5)
    assert sense.slices(sense_config(name, tmp_path / "new"), need_train=False)[0] == []


def test_without_need_train_no_training_file_is_opened(knees, tmp_path):
    export.write_slices("fastmri", knees, tmp_path)
    (tmp_path / "file0001.h5").write_text("no")
    assert len(sense.slices(sense_config("fastmri", tmp_path), need_train=False)[1]) == 1
    with pytest.raises(UserError, match=r"file0001.h5 is not a readable HDF5 file"):
        sense.slices(sense_config("fastmri", tmp_path))


def test_the_folders_of_fastmri_are_the_split(knees, tmp_path):
    export.write_slices("fastmri", knees, tmp_path / "multicoil_train")
    export.write_slices("fastmri", (knees[1], []), tmp_path / "multicoil_val")
    train, test = sense.slices(sense_config("fastmri", tmp_path))
    assert (len(train), len(test)) == (3, 1)
    np.testing.assert_array_equal(train[2].kspace, test[0].kspace)
    assert sense.slices(sense_config("fastmri", tmp_path), need_train=False)[0] == []


def test_built_knees_are_a_data_set(knees, tmp_path):
    choice = builders.Knees(n_train=2, n_test=1, rows=20, columns=24, coils=3)
    builders.build(tmp_path, choice)
    train, test = sense.slices(sense_config("tfds", tmp_path))
    for written, read in zip([*knees[0], *knees[1]], [*train, *test], strict=True):
        np.testing.assert_array_equal(read.kspace, written.kspace)


def test_mistakes_in_writing_slices_are_one_line(knees, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"is not empty; expected an empty or absent folder"):
        export.write_slices("bart", knees, tmp_path)
    with pytest.raises(UserError, match="unknown format 'nifti'; expected one of hammernik"):
        export.write_slices("nifti", knees, tmp_path / "x")
