"""Segmentations beside NIfTI subjects: which is taken, its names, and why one is not used."""

import re

import nibabel as nib
import numpy as np
import pytest

from mrjax.arrays import QsmSubject
from mrjax.data.formats import nifti, nifti_labels
from mrjax.data.intake import Intake

SHAPE = (12, 10, 9)
LABELS = np.arange(np.prod(SHAPE)).reshape(SHAPE) % 5


def write(path, volume, affine=None, dtype=np.int16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.asarray(volume).astype(dtype), np.eye(4))
    image.set_sform(np.eye(4) if affine is None else affine, 1)
    nib.save(image, path)


def subject(folder, prefix: str) -> None:
    draw = np.random.default_rng(0)
    mask = np.zeros(SHAPE)
    mask[2:-2, 2:-2, 2:-2] = 1
    for name, volume in (("localfield", draw.normal(0, 0.02, SHAPE)), ("mask", mask)):
        write(folder / f"{prefix}{name}.nii.gz", volume, dtype=np.float32)


def read(folder) -> tuple[QsmSubject, list[str]]:
    intake = Intake()
    (found,) = nifti.nifti(folder, "ppm", intake=intake)
    assert not intake.left_out
    return found, intake.notes


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int32])
@pytest.mark.parametrize("name", ["sub-1/anat/sub-1_dseg", "derivatives/sub-1_desc-x_labels"])
def test_the_segmentation_of_a_subject_is_read(name, dtype, tmp_path):
    subject(tmp_path, "sub-1_")
    write(tmp_path / f"{name}.nii.gz", LABELS, dtype=dtype)
    found, notes = read(tmp_path)
    np.testing.assert_array_equal(found.regions.labels, LABELS)
    assert found.regions.labels.dtype == np.int16 and found.regions.names == {}
    assert notes == []


def test_without_entities_the_beginning_of_the_name_says_whose_it_is(tmp_path):
    subject(tmp_path, "a_")
    write(tmp_path / "a_labels.nii.gz", 10**5 * LABELS, dtype=np.int32)
    write(tmp_path / "b_labels.nii.gz", LABELS)
    found, notes = read(tmp_path)
    np.testing.assert_array_equal(found.regions.labels, 10**5 * LABELS)
    assert notes == ["segmentations that are used for no local field: b_labels.nii.gz"]


def test_axes_are_turned_as_those_of_the_field(tmp_path):
    subject(tmp_path, "a_")
    flipped = np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = SHAPE[0] - 1
    write(tmp_path / "a_dseg.nii.gz", LABELS[::-1], flipped)
    for name in ("localfield", "mask"):  # the same frame, by its code
        path = tmp_path / f"a_{name}.nii.gz"
        write(path, nib.load(path).get_fdata(), dtype=np.float32)
    np.testing.assert_array_equal(read(tmp_path)[0].regions.labels, LABELS)


@pytest.mark.parametrize(
    ("labels", "changes", "words"),
    [
        (LABELS / 2, {"dtype": np.float32}, "values are not integers"),
        (np.where(LABELS, LABELS, np.nan), {"dtype": np.float32}, "values are not integers"),
        (LABELS * 2.0**30, {"dtype": np.float64}, "labels are larger than"),
        (LABELS[1:], {}, "they have 11 x 10 x 9 voxels where the field has 12 x 10 x 9"),
        (LABELS, {"affine": np.diag([1.0, 1, 2, 1])}, "lies elsewhere"),
        (0 * LABELS, {}, "zero everywhere"),
        (LABELS, {"dtype": np.complex64}, "complex numbers"),
    ],
)
def test_one_that_cannot_be_used_stops_no_run_and_a_note_says_why(labels, changes, words, tmp_path):
    subject(tmp_path, "a_")
    write(tmp_path / "a_dseg.nii.gz", labels, **changes)
    found, notes = read(tmp_path)
    assert found.regions is None
    (note,) = notes
    assert "a_dseg.nii.gz" in note and "not used for the means of regions" in note
    assert re.search(words, note), note


def test_of_several_none_is_used(tmp_path):
    subject(tmp_path, "sub-1_")
    for name in ("desc-aseg", "desc-aparc"):
        write(tmp_path / f"sub-1_{name}_dseg.nii.gz", LABELS)
    found, notes = read(tmp_path)
    assert found.regions is None
    assert notes[0] == "subjects without means of regions, having several segmentations: sub-1"


def table(path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def test_names_come_from_the_nearest_table_that_applies(tmp_path):
    subject(tmp_path, "sub-1_")
    anat = tmp_path / "sub-1" / "anat"
    write(anat / "sub-1_desc-x_dseg.nii.gz", LABELS)
    names = lambda: dict(read(tmp_path)[0].regions.names)  # noqa: E731
    table(tmp_path / "dseg.tsv", "index\tname\n0\tnothing\n3\tputamen\n")
    assert names() == {0: "nothing", 3: "putamen"}
    table(anat / "desc-y_dseg.tsv", "index\tname\n1\tof another\n")
    assert names()[3] == "putamen"
    table(anat / "dseg.tsv", "name\tindex\tcolor\nn/a\t2\t#000\n")
    assert names() == {2: "n/a"}
    table(anat / "sub-1_desc-x_dseg.tsv", "\ufeffindex\tname\n1\tcaudate\n")
    assert names() == {1: "caudate"}


@pytest.mark.parametrize("text", ["label\tname\n1\tx\n", "index\tname\none\tx\n", "index\n1\n", ""])
def test_a_table_that_names_nothing_is_noted(text, tmp_path):
    subject(tmp_path, "a_")
    write(tmp_path / "a_dseg.nii.gz", LABELS)
    table(tmp_path / "a_dseg.tsv", text)
    found, notes = read(tmp_path)
    assert found.regions is not None and found.regions.names == {}
    if text:
        assert "names of labels are not taken from" in notes[0]


def test_a_table_in_other_bytes_is_noted(tmp_path):
    subject(tmp_path, "a_")
    write(tmp_path / "a_dseg.nii.gz", LABELS)
    (tmp_path / "a_dseg.tsv").write_bytes("index\tname\n1\tä\n".encode("latin-1"))
    assert "UnicodeDecodeError" in read(tmp_path)[1][0]


def test_a_segmentation_whose_axes_are_swapped_is_not_used(tmp_path):
    subject(tmp_path, "a_")
    write(tmp_path / "a_dseg.nii.gz", LABELS, np.eye(4)[[1, 0, 2, 3]])
    found, notes = read(tmp_path)
    assert found.regions is None and "lies elsewhere than" in notes[0]


def test_links_that_lead_nowhere_leave_out_only_the_segmentation_or_its_names(tmp_path):
    subject(tmp_path, "a_")
    (tmp_path / "a_dseg.nii.gz").symlink_to("gone.nii.gz")
    found, notes = read(tmp_path)
    assert found.regions is None
    assert notes == ["links that lead nowhere and are passed by: a_dseg.nii.gz"]
    (tmp_path / "a_dseg.nii.gz").unlink()
    write(tmp_path / "a_dseg.nii.gz", LABELS)
    (tmp_path / "dseg.tsv").symlink_to("gone.tsv")
    found, notes = read(tmp_path)
    assert found.regions.names == {} and "dseg.tsv is a link to gone.tsv" in notes[0]


def test_a_quotation_mark_is_a_character_of_a_name(tmp_path):
    subject(tmp_path, "a_")
    write(tmp_path / "a_dseg.nii.gz", LABELS)
    names = {1: '"left', 2: 'the "right"', 3: "both"}
    nifti_labels.write_names(tmp_path / "dseg.tsv", names)
    assert read(tmp_path)[0].regions.names == names
