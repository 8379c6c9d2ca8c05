"""`experiments.network predict`: k-space to images, a dynamic series to a breast mask."""

import dataclasses
import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from experiments_helpers import refused
from micro_runs import micro
from programs_here import here

from mrjax.arrays import DcePatient
from mrjax.data.formats import bart, dce_nifti, fastmri
from mrjax.data.synthetic import knee_split
from mrjax.physics.phantoms import breast
from mrjax.sharing.predict import networks

SAMPLING = ("--acceleration=3", "--acs_lines=6")


@pytest.fixture(scope="module")
def varnet(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("varnet") / "net"
    here("varnet", *micro("varnet"), *SAMPLING, f"--workdir={workdir}")
    return workdir


@pytest.fixture(scope="module")
def unet(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("breast") / "net"
    here("breast", *micro("breast"), "--folds=2", "--fold=0", f"--workdir={workdir}")
    return workdir


def series() -> DcePatient:
    """A patient of an odd size."""
    return dataclasses.replace(breast.breast(3, 4, 5, (18, 17, 3)), voxel_size=(1.5, 1.5, 5.0))


def predict(network: Path, source: Path, output: Path, *flags: str, check: bool = True):
    files = (f"--input={source}", f"--output={output}", "--platform=cpu")
    return here("network", "predict", str(network), *files, *flags, check=check)


def test_slices_of_a_file_become_images(varnet, tmp_path):
    """As an inference run on that file gives them, bit for bit; complete k-space gets a note."""
    _, slices = knee_split(0, 3, (20, 24), 2, 5, 6)
    fastmri.write_fastmri(slices, tmp_path / "in" / "vol.h5")
    own = ("--steps=0", f"--from_run={varnet}", "--dataset=fastmri", "--n_test=0", *SAMPLING)
    here("varnet", *micro("varnet"), *own, f"--data_dir={tmp_path / 'in'}",
         f"--workdir={tmp_path / 'w'}")  # fmt: skip
    done = predict(varnet, tmp_path / "in/vol.h5", tmp_path / "out.h5")
    assert "note: k-space that is complete is undersampled as in the network's training (1 in 3 columns and 6 central ones)" in done.stderr  # noqa: E501  # fmt: skip
    assert "slice 3/3" in done.stderr
    with h5py.File(tmp_path / "out.h5") as file:
        names = [name.decode() for name in file["name"]]
        images, magnitudes = np.asarray(file["image"]), np.asarray(file["reconstruction"])
    assert names == [f"vol_slice{i:02d}" for i in range(3)]
    assert images.shape == (3, 20, 24) and magnitudes.dtype == np.float32
    for name, image, magnitude in zip(names, images, magnitudes, strict=True):
        with h5py.File(tmp_path / "w/predictions" / f"{name}.h5") as file:
            np.testing.assert_array_equal(image, np.asarray(file["network"]))
        np.testing.assert_allclose(magnitude, np.abs(image), rtol=1e-6)
    predict(varnet, tmp_path / "in/vol.h5", tmp_path / "out.nii.gz")
    volume = np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj)
    np.testing.assert_array_equal(volume, np.moveaxis(magnitudes, 0, 2))


def test_magnitudes_of_the_end_to_end_network_are_those_of_an_inference_run(tmp_path):
    net, own = tmp_path / "net", ("--acceleration=3", "--centre_fraction=0.25")
    here("e2e", *micro("e2e"), *own, f"--workdir={net}")
    _, slices = knee_split(0, 2, (20, 24), 2, 5, 6)
    fastmri.write_fastmri(slices, tmp_path / "in" / "vol.h5")
    flags = ("--steps=0", f"--from_run={net}", "--dataset=fastmri", "--n_test=0", *own)
    here("e2e", *micro("e2e"), *flags, f"--data_dir={tmp_path / 'in'}",
         f"--workdir={tmp_path / 'w'}")  # fmt: skip
    done = predict(net, tmp_path / "in/vol.h5", tmp_path / "out.h5")
    assert "(1 in 3 columns and 25 % in the middle)" in done.stderr
    with h5py.File(tmp_path / "out.h5") as file:
        assert set(file) == {"reconstruction", "name"}
        magnitudes = np.asarray(file["reconstruction"])
    assert magnitudes.shape == (2, 20, 24) and magnitudes.dtype == np.float32
    for number, magnitude in enumerate(magnitudes):
        with h5py.File(tmp_path / "w/predictions" / f"vol_slice{number:02d}.h5") as file:
            np.testing.assert_array_equal(magnitude, np.asarray(file["network"]))
    more = ("--acceleration=2", "--centre_fraction=0.125")
    other = predict(net, tmp_path / "in/vol.h5", tmp_path / "other.h5", *more)
    assert "(1 in 2 columns and 12.5 % in the middle)" in other.stderr
    refused(predict(net, tmp_path / "in/vol.h5", tmp_path / "x.h5", "--maps=acs", check=False),
            "--maps has no effect on a network of e2e")  # fmt: skip


def test_a_pair_of_bart_is_read_by_its_ending(varnet, tmp_path):
    _, slices = knee_split(0, 1, (20, 24), 2, 5, 6)
    bart.write_bart(slices, tmp_path)
    done = predict(varnet, tmp_path / "slice0001.cfl", tmp_path / "out.h5", "--acceleration=6")
    assert "(1 in 6 columns" in done.stderr and "outside the network's domain" in done.stderr
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["image"].shape == (1, 20, 24)
    (tmp_path / "slice.raw").touch()
    refused(predict(varnet, tmp_path / "slice.raw", tmp_path / "x.h5", check=False),
            "slice.raw is no k-space that mrjax reads")  # fmt: skip
    refused(predict(varnet, tmp_path / "slice0001.cfl", tmp_path / "x.h5", "--tile=4",
                    check=False), "--tile has no effect on a network of varnet")  # fmt: skip
    assert not (tmp_path / "x.h5").exists()


def test_raw_data_of_ismrmrd_are_told_from_fastmri(varnet, tmp_path):
    pytest.importorskip("ismrmrd", reason="needs ismrmrd")
    from mrjax.data.formats import ismrmrd

    _, slices = knee_split(0, 2, (20, 24), 2, 5, 6)
    ismrmrd.write_ismrmrd(slices, tmp_path / "raw.h5")
    predict(varnet, tmp_path / "raw.h5", tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["image"].shape == (2, 20, 24)


def test_a_series_becomes_a_mask_on_its_grid(unet, tmp_path):
    """As an inference run on that file gives it, and with turned axes the same."""
    patient = series()
    dce_nifti.write_dce_nifti(patient, tmp_path / "in")
    source = tmp_path / "in" / f"{patient.name}_dce.nii.gz"
    own = ("--steps=0", f"--from_run={unet}", "--dataset=nifti", f"--data_dir={tmp_path / 'in'}")
    here("breast", *micro("breast"), *own, f"--workdir={tmp_path / 'w'}")
    for kind, flags in (("mask", ()), ("probability", ("--probability",))):
        output = tmp_path / f"{kind}.nii.gz"
        done = predict(unet, source, output, *flags)
        assert "slice 3/3" in done.stderr
        found = nib.load(output)
        there = nib.load(tmp_path / "w/predictions" / f"{patient.name}_network_{kind}.nii.gz")
        np.testing.assert_array_equal(np.asarray(found.dataobj), np.asarray(there.dataobj))
        np.testing.assert_allclose(found.affine, there.affine, atol=1e-6)
        assert found.get_data_dtype() == there.get_data_dtype()
    turned = nib.load(source)
    turned = turned.as_reoriented(nib.orientations.axcodes2ornt("LPS"))
    nib.save(turned, tmp_path / "turned.nii.gz")
    (tmp_path / "turned.json").write_text(json.dumps({"VolumeTiming": patient.times.tolist()}))
    predict(unet, tmp_path / "turned.nii.gz", tmp_path / "other.nii.gz", "--probability")
    other = nib.load(tmp_path / "other.nii.gz")
    assert nib.aff2axcodes(other.affine) == nib.aff2axcodes(turned.affine)
    np.testing.assert_array_equal(
        nib.as_closest_canonical(other).get_fdata(),
        nib.as_closest_canonical(nib.load(tmp_path / "probability.nii.gz")).get_fdata(),
    )


def test_a_series_without_times_or_volumes_is_refused(unet, tmp_path):
    patient = series()
    dce_nifti.write_dce_nifti(patient, tmp_path)
    source = tmp_path / f"{patient.name}_dce.nii.gz"
    (tmp_path / f"{patient.name}_dce.json").unlink()
    refused(predict(unet, source, tmp_path / "x.nii", check=False), "no times for")
    refused(predict(unet.parent, source, tmp_path / "x.nii", check=False), "config.json")
    assert not (tmp_path / "x.nii").exists()


def test_the_settings_of_the_network_hold_but_not_those_of_its_machine(varnet):
    network = networks.read(varnet)
    assert (network.task, network.settings["window"]) == ("varnet", 5)
    network = network._replace(settings={**network.settings, "devices": 2, "platform": "gpu",
                                         "later": 1})  # fmt: skip
    config = networks.configuration(network, {"dataset": "bart", "data_dir": "x"})
    assert (config.window, config.acs_lines, config.steps) == (5, 6, 0)
    assert (config.devices, config.platform, config.from_run) == (1, "auto", str(varnet))
