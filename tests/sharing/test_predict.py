"""`experiments.network predict`: one local field to its map, on the field's own grid."""

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from experiments_helpers import refused
from micro_runs import micro
from programs_here import here
from scipy.spatial.transform import Rotation

from mrjax.data.formats.nifti import GYROMAGNETIC_MHZ_PER_TESLA
from mrjax.physics.phantoms import brain

SHAPE = (17, 18, 19)
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", (4, 5, 6), degrees=True).as_matrix()
OBLIQUE[:3, 3] = (-7, 5, 11)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("predict") / "net"
    here("qsm", *micro("qsm"), f"--workdir={workdir}")
    return workdir


@pytest.fixture(scope="module")
def head():
    """A brain as its field [ppm] and its mask on an oblique grid of odd size."""
    one = brain.brain(0, 0, 7, (20, 20, 20))
    cut = tuple(slice(n) for n in SHAPE)
    return image(one.field[cut] * one.mask[cut]), image(one.mask[cut].astype(np.uint8))


def image(volume: np.ndarray, affine: np.ndarray = OBLIQUE) -> nib.Nifti1Image:
    made = nib.Nifti1Image(volume, affine)
    made.set_qform(affine, 1)
    made.set_sform(affine, 1)
    return made


def save(folder: Path, **images: nib.Nifti1Image) -> list[str]:
    """Write images, and return the flags that name them."""
    for name, one in images.items():
        nib.save(one, folder / f"{name}.nii.gz")
    return [f"--{name}={folder / f'{name}.nii.gz'}" for name in images]


def predict(network: Path, folder: Path, *flags: str, check: bool = True):
    """Run the command on one core; its output is out.nii.gz."""
    own = (f"--output={folder / 'out.nii.gz'}", "--platform=cpu")
    return here("network", "predict", str(network), *own, *flags, check=check)


def read(folder: Path, name: str = "out.nii.gz") -> Any:
    return nib.load(folder / name)


@pytest.fixture(scope="module")
def expected(network, head, tmp_path_factory) -> np.ndarray:
    """The map of the head as an inference run writes it, whose bits the command gives too."""
    folder = tmp_path_factory.mktemp("expected")
    (folder / "in").mkdir()
    for name, one in zip(("localfield", "mask"), head, strict=True):
        nib.save(one, folder / "in" / f"sub-a_{name}.nii.gz")
    own = ("--steps=0", f"--from_run={network}", "--dataset=nifti", "--unit=ppm", "--n_test=0")
    here("qsm", *micro("qsm"), *own, f"--data_dir={folder / 'in'}", f"--workdir={folder / 'w'}")
    return np.asarray(read(folder / "w/predictions", "sub-a_network_Chimap.nii.gz").dataobj)


def test_it_is_the_map_of_an_inference_run_on_the_grid_of_the_field(
    network, head, expected, tmp_path
):
    files = save(tmp_path, input=head[0], mask=head[1])
    done = predict(network, tmp_path, *files, "--unit=ppm")
    assert done.stdout == f"written: {tmp_path / 'out.nii.gz'}\n"
    found = read(tmp_path)
    assert found.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asarray(found.dataobj), expected)
    assert expected.any() and not expected[np.asarray(head[1].dataobj) == 0].any()
    for name in ("qform", "sform"):
        ours, code = getattr(found.header, f"get_{name}")(coded=True)
        np.testing.assert_allclose(ours, OBLIQUE, atol=1e-6)
        assert code == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "input.nii.gz", "mask.nii.gz", "out.nii.gz"
    ]  # fmt: skip


@pytest.mark.parametrize("axes", ["LAS", "LPI", "SRA", "PIR"])
def test_a_field_stored_with_other_axes_is_the_same_field(axes, network, head, expected, tmp_path):
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes)
    )
    field, mask = (image(one.as_reoriented(turn).get_fdata(), one.as_reoriented(turn).affine)
                   for one in head)  # fmt: skip
    assert "".join(nib.aff2axcodes(field.affine)) == axes
    # The mask keeps its own axes in two of the cases.
    files = save(tmp_path, input=field, mask=mask if axes in ("LAS", "SRA") else head[1])
    predict(network, tmp_path, *files, "--unit=ppm")
    found = read(tmp_path)
    assert "".join(nib.aff2axcodes(found.affine)) == axes
    np.testing.assert_allclose(found.affine, field.affine, atol=1e-5)
    np.testing.assert_array_equal(nib.as_closest_canonical(found).get_fdata(), expected)


def test_a_network_of_other_files_gets_the_axes_of_the_file(network, head, expected, tmp_path):
    theirs = tmp_path / "net"
    shutil.copytree(network, theirs)
    record = json.loads((theirs / "config.json").read_text())
    record["config"] |= {"dataset": "nifti", "data_dir": "gone"}
    (theirs / "config.json").write_text(json.dumps(record))
    done = predict(theirs, tmp_path, *save(tmp_path, input=head[0], mask=head[1]), "--unit=ppm")
    assert "this field keeps its own (R, A, S)" in done.stderr
    np.testing.assert_array_equal(np.asarray(read(tmp_path).dataobj), expected)
    mirror = np.array([[0, -1], [1, 1], [2, 1]])
    files = save(tmp_path, input=head[0].as_reoriented(mirror), mask=head[1].as_reoriented(mirror))
    done = predict(theirs, tmp_path, *files, "--unit=ppm", "--overwrite")
    assert "this field keeps its own (L, A, S)" in done.stderr
    assert not np.array_equal(nib.as_closest_canonical(read(tmp_path)).get_fdata(), expected)


def test_scaled_integers_are_the_numbers_they_stand_for(network, head, tmp_path):
    stored = image(np.asarray(head[0].dataobj))
    stored.set_data_dtype(np.int16)
    files = save(tmp_path, input=stored, mask=head[1])
    assert read(tmp_path, "input.nii.gz").dataobj.slope != 1
    predict(network, tmp_path, *files, "--unit=ppm")
    (tmp_path / "plain").mkdir()
    plain = image(read(tmp_path, "input.nii.gz").get_fdata())
    files = save(tmp_path / "plain", input=plain, mask=head[1])
    predict(network, tmp_path / "plain", *files, "--unit=ppm")
    ours, theirs = (np.asarray(read(f).dataobj) for f in (tmp_path, tmp_path / "plain"))
    np.testing.assert_array_equal(ours, theirs)


def test_what_lies_outside_the_mask_does_not_count(network, head, expected, tmp_path):
    field = np.where(np.asarray(head[1].dataobj), np.asarray(head[0].dataobj), np.nan)
    files = save(tmp_path, input=image(field.astype(np.float32)), mask=head[1])
    predict(network, tmp_path, *files, "--unit=ppm")
    np.testing.assert_array_equal(np.asarray(read(tmp_path).dataobj), expected)


def test_without_a_mask_the_field_says_where_the_brain_is(network, head, expected, tmp_path):
    done = predict(network, tmp_path, *save(tmp_path, input=head[0]), "--unit=ppm")
    inside = np.count_nonzero(np.asarray(head[1].dataobj))
    assert f"note: without --mask, the brain is where the field is finite and not zero, with holes filled: {inside} of {17 * 18 * 19} voxels" in done.stderr  # noqa: E501  # fmt: skip
    np.testing.assert_array_equal(np.asarray(read(tmp_path).dataobj), expected)
    full = image(np.asarray(head[0].dataobj) + np.float32(1))
    done = predict(network, tmp_path, *save(tmp_path, input=full), "--unit=ppm", "--overwrite",
                   check=False)  # fmt: skip
    refused(done, "does not say where the brain is", "give --mask")


def test_one_of_several_echoes(network, head, expected, tmp_path):
    field = np.asarray(head[0].dataobj)
    files = save(tmp_path, input=image(np.stack([0 * field, field], axis=-1)), mask=head[1])
    refused(predict(network, tmp_path, *files, "--unit=ppm", check=False),
            "has 2 volumes", "--echo=1 to --echo=2")  # fmt: skip
    refused(predict(network, tmp_path, *files, "--unit=ppm", "--echo=3", check=False), "lower")
    predict(network, tmp_path, *files, "--unit=ppm", "--echo=2")
    found = read(tmp_path)
    assert found.shape == SHAPE
    np.testing.assert_array_equal(np.asarray(found.dataobj), expected)


def test_hertz_are_turned_into_ppm(network, head, expected, tmp_path):
    hertz = image(np.asarray(head[0].dataobj) * 3 * GYROMAGNETIC_MHZ_PER_TESLA)
    files = save(tmp_path, input=hertz, mask=head[1])
    predict(network, tmp_path, *files, "--unit=Hz", "--field_strength=3")
    np.testing.assert_allclose(np.asarray(read(tmp_path).dataobj), expected, atol=1e-6)
    refused(predict(network, tmp_path, *files, "--unit=Hz", "--overwrite", check=False), "B0")
    refused(predict(network, tmp_path, *files, "--unit=ppm", "--overwrite", check=False),
            "--accept=field")  # fmt: skip


def test_a_field_outside_the_domain_is_named_and_may_be_brought_into_it(network, head, tmp_path):
    affine = OBLIQUE @ np.diag([0.5, 0.5, 2, 1])
    field, mask = (image(np.asarray(one.dataobj), affine) for one in head)
    files = save(tmp_path, input=field, mask=mask)
    done = predict(network, tmp_path, *files, "--unit=ppm")
    assert "note: outside the network's domain: voxels of 0.5 x 0.5 x 2 mm" in done.stderr
    plain = np.asarray(read(tmp_path).dataobj)
    done = predict(network, tmp_path, *files, "--unit=ppm", "--resample", "--overwrite")
    assert "note: brought into the network's domain and back by interpolation" in done.stderr
    brought = np.asarray(read(tmp_path).dataobj)
    assert brought.shape == plain.shape and not np.array_equal(brought, plain)


def test_what_must_not_be_written_is_refused(network, head, tmp_path):
    files = save(tmp_path, input=head[0], mask=head[1])
    before = sorted(p.name for p in tmp_path.iterdir())
    for flags, words in (
        ((f"--output={tmp_path / 'none' / 'out.nii'}",), ("none of --output does not exist",)),
        ((f"--output={tmp_path / 'out.h5'}",), (".nii or .nii.gz", "rename")),
        ((f"--output={tmp_path}",), ("another ending",)),
        ((f"--output={tmp_path / 'input.nii.gz'}", "--overwrite"), ("the file that is read",)),
        ((f"--output={tmp_path / 'mask.nii.gz'}", "--overwrite"), ("the file that is read",)),
        (("--probability",), ("--probability has no effect on a network of qsm",)),
        (("--tile=-1",), ("tile",)),
        ((f"--mask={tmp_path / 'no.nii'}",), ("no.nii is no file",)),
        (("--mask=",), ("--mask= is no file",)),
        (("--accept=everything",), ("everything",)),
    ):
        refused(predict(network, tmp_path, *files, "--unit=ppm", *flags, check=False), *words)
    refused(predict(network, tmp_path, *files, check=False), "set --unit")
    refused(predict(tmp_path, tmp_path, *files, check=False), "config.json cannot be read")
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    (tmp_path / "out.nii.gz").write_bytes(b"mine")
    refused(predict(network, tmp_path, *files, "--unit=ppm", check=False), "--overwrite")
    assert (tmp_path / "out.nii.gz").read_bytes() == b"mine"
    nib.save(image(np.full(SHAPE, np.nan, np.float32)), tmp_path / "input.nii.gz")
    done = predict(network, tmp_path, *files, "--unit=ppm", "--overwrite", check=False)
    refused(done, "NaN")
    assert (tmp_path / "out.nii.gz").read_bytes() == b"mine"


def test_the_arithmetic_is_that_of_the_training_unless_another_is_asked_for(
    network, head, tmp_path
):
    files = save(tmp_path, input=head[0], mask=head[1])
    predict(network, tmp_path, *files, "--unit=ppm", "--numerics=reproducible")
    order_free = np.asarray(read(tmp_path).dataobj)
    predict(network, tmp_path, *files, "--unit=ppm", "--overwrite")
    native = np.asarray(read(tmp_path).dataobj)
    assert not np.array_equal(order_free, native)
    np.testing.assert_allclose(order_free, native, atol=1e-4)
