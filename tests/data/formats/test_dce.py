"""Series in MATLAB and NIfTI files: axes, times, orientation, and each mistake's one line."""

import dataclasses
import json
import re

import h5py
import nibabel as nib
import numpy as np
import pytest
import scipy.io
from helpers import shared

from mrjax.arrays import DcePatient
from mrjax.data.formats import dce, dce_nifti
from mrjax.data.intake import Intake
from mrjax.errors import UserError

SHAPE = (9, 10, 3)


def patient(seed: int = 0) -> DcePatient:
    draw = np.random.default_rng(seed)
    mask = np.zeros(SHAPE, bool)
    mask[2:5, 3:6, 1] = True
    return DcePatient(
        name="anna",
        signal=draw.random((*SHAPE, 4)).astype(np.float32),
        times=np.array([0.0, 70.5, 140.0, 300.0]),
        mask=mask,
        voxel_size=(1.5, 2.0, 4.0),
    )


def same(a: DcePatient, b: DcePatient) -> None:
    assert a.name == b.name and a.signal.dtype == np.float32
    assert np.array_equal(a.signal, b.signal) and np.array_equal(a.times, b.times)
    assert (a.mask is None) == (b.mask is None)
    if a.mask is not None and b.mask is not None:
        assert b.mask.dtype == bool and np.array_equal(a.mask, b.mask)


def test_matlab_round_trip(tmp_path):
    dce.write_dce_mat(patient(), tmp_path / "anna.mat")
    same(patient(), dce.dce_mat(tmp_path)[0])
    same(patient(), dce.dce_mat(tmp_path / "anna.mat")[0])


def test_matlab_drops_the_axis_of_one_slice_and_a_mask_may_be_absent(tmp_path):
    whole = patient()
    content = {"dce": whole.signal[:, :, 1], "times": whole.times, "mask": whole.mask[:, :, 1]}
    scipy.io.savemat(tmp_path / "one.mat", content)
    (found,) = dce.dce_mat(tmp_path)
    assert np.array_equal(found.signal, whole.signal[:, :, 1:2])
    assert np.array_equal(found.mask, whole.mask[:, :, 1:2])
    scipy.io.savemat(tmp_path / "one.mat", {k: content[k] for k in ("dce", "times")})
    assert dce.dce_mat(tmp_path)[0].mask is None


def test_a_sagittal_slice_is_turned_to_the_front(tmp_path):
    series = np.random.default_rng(1).random((5, 9, 12))
    scipy.io.savemat(tmp_path / "s.mat", {"DCEdata": series, "t": 60 * np.arange(5.0)[:, None]})
    (found,) = dce.dce_mat(tmp_path)
    assert found.signal.shape == (9, 12, 1, 5) and found.mask is None
    np.testing.assert_allclose(found.signal[4, -1, 0], series[:, 4, 0], rtol=1e-6)


def test_the_real_slice_loads_with_the_breast_in_front():
    (found,) = dce.dce_mat(shared("data/dce_invivo.mat"))
    assert found.signal.shape == (192, 192, 1, 25)
    assert found.times[0] == 0 and found.times[1] == pytest.approx(16.43)
    bright = found.signal[..., 0, 0] > 0.2 * found.signal[..., 0, 0].max()
    # Seen from above or below there is air in front; behind there is the chest.
    assert bright[:, -15:].mean() < 0.01 < 0.3 < bright[:, 20:60].mean()


def test_nifti_round_trip(tmp_path):
    dce_nifti.write_dce_nifti(patient(), tmp_path)
    (found,) = dce_nifti.dce_nifti(tmp_path)
    same(patient(), found)
    assert found.voxel_size == (1.5, 2.0, 4.0) and found.affine.shape == (4, 4)


def test_nifti_is_turned_until_y_points_to_the_front(tmp_path):
    """The same patient, stored with its axes in another order and two of them reversed."""
    straight = patient()
    turned = np.transpose(straight.signal, (1, 0, 2, 3))[::-1, :, ::-1]
    affine = np.array([[0, 1.5, 0, 0], [-2, 0, 0, 18], [0, 0, -4, 8], [0, 0, 0, 1.0]])
    folder = tmp_path / "sub"
    folder.mkdir()
    nib.save(nib.Nifti1Image(turned, affine), folder / "anna_dce.nii")
    mask = np.transpose(straight.mask, (1, 0, 2))[::-1, :, ::-1].astype(np.uint8)
    nib.save(nib.Nifti1Image(mask, affine), folder / "anna_mask.nii.gz")
    timing = json.dumps({"VolumeTiming": straight.times.tolist()})
    (folder / "anna_dce.json").write_text(timing)
    (found,) = dce_nifti.dce_nifti(tmp_path)
    same(dataclasses.replace(straight, name="sub_anna"), found)
    assert found.voxel_size == (1.5, 2.0, 4.0)
    np.testing.assert_allclose(found.affine, np.diag([1.5, 2, 4, 1]), atol=1e-6)


def test_a_volume_written_beside_a_series_lies_where_it_lies(tmp_path):
    affine = np.diag([1.5, 2.0, 4.0, 1.0])
    affine[:3, 3] = (5, -7, 9)
    moved = dataclasses.replace(patient(), affine=affine)
    dce_nifti.write_volume(tmp_path / "m.nii.gz", moved.mask, moved)
    image = nib.Nifti1Image.from_filename(tmp_path / "m.nii.gz")
    np.testing.assert_allclose(image.affine, affine)
    assert image.get_data_dtype() == np.uint8


def test_times_of_the_header_count_where_their_unit_is_known(tmp_path):
    dce_nifti.write_dce_nifti(patient(), tmp_path)
    (tmp_path / "anna_dce.json").unlink()
    with pytest.raises(UserError, match=r"no times for .*anna_dce\.json with VolumeTiming"):
        dce_nifti.dce_nifti(tmp_path)
    image = nib.Nifti1Image(patient().signal, np.diag([1.5, 2, 4, 1]))
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 60000
    nib.save(image, tmp_path / "anna_dce.nii.gz")
    assert dce_nifti.dce_nifti(tmp_path)[0].times.tolist() == [0, 60, 120, 180]


def spoiled(**changes):
    values = {"signal": patient().signal, "seconds": patient().times, "mask": patient().mask}
    return values | changes


NAN = np.where(np.arange(4) == 2, np.nan, patient().signal)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signal": np.ones((9, 10, 4))}, "has shape 9 x 10 x 4; expected x y z t"),
        ({"signal": np.ones((9, 4, 3, 4))}, "slices of at least 8 x 8"),
        ({"signal": patient().signal[..., :2]}, "has 2 volumes; expected at least 3"),
        ({"seconds": np.arange(5.0)}, "has 4 volumes but 5 times"),
        ({"seconds": np.array([0, 2, 1, 3.0])}, "times of p do not rise"),
        ({"signal": NAN}, "NaN or infinite in 270 places"),
        ({"signal": np.ones((9, 10, 3, 4))}, "first volume of p is constant"),
        ({"signal": patient().signal - 0.5}, "constant or negative"),
        ({"mask": np.ones((9, 10, 4))}, "mask of p has 9 x 10 x 4 voxels, its series has 9 x 10 x"),
        ({"mask": np.zeros(SHAPE)}, "mask of p is empty"),
    ],
)
def test_unusable_series_are_refused_in_one_line(changes, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        dce.checked_patient(name="p", **spoiled(**changes))
    assert "\n" not in str(caught.value) and ";" in str(caught.value)


def test_missing_files_and_variables_are_named(tmp_path):
    with pytest.raises(UserError, match=r"no \.mat file in .*; expected one a patient"):
        dce.dce_mat(tmp_path)
    with pytest.raises(UserError, match=r"no series in .*_dce\.nii\.gz"):
        dce_nifti.dce_nifti(tmp_path)
    scipy.io.savemat(tmp_path / "x.mat", {"times": np.arange(3.0)})
    with pytest.raises(UserError, match="has no variable dce"):
        dce.dce_mat(tmp_path)
    (tmp_path / "y_dce.nii").write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"y_dce\.nii cannot be read"):
        dce_nifti.dce_nifti(tmp_path)


def test_a_mask_elsewhere_is_refused(tmp_path):
    dce_nifti.write_dce_nifti(patient(), tmp_path)
    moved = np.diag([1.5, 2.0, 4.0, 1.0])
    moved[0, 3] = 30
    mask = patient().mask.astype(np.uint8)
    nib.save(nib.Nifti1Image(mask, moved), tmp_path / "anna_mask.nii.gz")
    with pytest.raises(UserError, match="lies elsewhere"):
        dce_nifti.dce_nifti(tmp_path)


def test_a_damaged_timing_is_named(tmp_path):
    dce_nifti.write_dce_nifti(patient(), tmp_path)
    for wrong in ("null", '{"a": 1}', '"x"', "[[1, 2], [3, 4]]", "3"):
        (tmp_path / "anna_dce.json").write_text(f'{{"VolumeTiming": {wrong}}}')
        with pytest.raises(UserError, match=r"VolumeTiming of .*json is no list of numbers"):
            dce_nifti.dce_nifti(tmp_path)


def test_a_sidecar_without_times_leaves_them_to_the_header(tmp_path):
    """dcm2niix writes such files beside every series."""
    dce_nifti.write_dce_nifti(patient(), tmp_path)
    (tmp_path / "anna_dce.json").write_text('{"RepetitionTime": 0.005}')
    with pytest.raises(UserError, match=r"no times for .*anna_dce\.json with VolumeTiming"):
        dce_nifti.dce_nifti(tmp_path)
    image = nib.Nifti1Image(patient().signal, np.diag([1.5, 2, 4, 1]))
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = 60
    nib.save(image, tmp_path / "anna_dce.nii.gz")
    intake = Intake()
    assert dce_nifti.dce_nifti(tmp_path, intake)[0].times.tolist() == [0, 60, 120, 180]
    assert "come from the 60 s between volumes" in intake.notes[0]


def test_a_mask_with_its_own_axes_is_turned_and_its_place_is_checked(tmp_path):
    """By nibabel: the mask is saved upright, the series runs to the left, the back and below."""
    dce_nifti.write_dce_nifti(patient(), tmp_path)
    mask = nib.load(tmp_path / "anna_mask.nii.gz")
    turn = nib.orientations.axcodes2ornt(("S", "L", "P"))
    other = mask.as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(mask.affine), turn)
    )
    nib.save(other, tmp_path / "anna_mask.nii.gz")
    np.testing.assert_array_equal(dce_nifti.dce_nifti(tmp_path)[0].mask, patient().mask)
    affine = other.affine.copy()
    affine[:3, 3] += (50, 0, 30)
    nib.save(nib.Nifti1Image(np.asarray(other.dataobj), affine), tmp_path / "anna_mask.nii.gz")
    with pytest.raises(UserError, match="lies elsewhere"):
        dce_nifti.dce_nifti(tmp_path)


def test_an_image_of_two_axes_is_no_series(tmp_path):
    nib.save(nib.Nifti1Image(np.ones((20, 20), np.float32), np.eye(4)), tmp_path / "a_dce.nii")
    with pytest.raises(UserError, match="has 2 axes longer than 1; expected the three axes x y z"):
        dce_nifti.dce_nifti(tmp_path)


ORIENTATIONS = {
    "to the left": np.diag([-1.5, 2, 4, 1.0]),
    "sagittal": np.array([[0, 0, 1.5, 3], [2, 0, 0, 1], [0, -4, 0, 2], [0, 0, 0, 1.0]]),
    "coronal, oblique": np.array(
        [[1.5, 0, 0.1, 3], [0, 0.2, 2, 1], [0.1, 4, -0.1, 2], [0, 0, 0, 1]]
    ),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_result_lies_on_the_voxels_of_the_file(name, tmp_path):
    """Equal by index to the mask that was stored beside the series, in the file's own axes."""
    affine = ORIENTATIONS[name].copy()
    lengths = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    affine[:3, :3] = np.linalg.qr(affine[:3, :3])[0] * lengths * 1.0
    draw = np.random.default_rng(3)
    mask = np.zeros((9, 10, 8), np.uint8)
    mask[1:4, 2:6, 5] = 1
    for kind, volume in (("dce", draw.random((9, 10, 8, 4))), ("mask", mask)):
        image = nib.Nifti1Image(volume.astype(np.float32), None)
        image.header.set_sform(affine, 2)
        image.header.set_qform(affine, 1)
        image.header.set_xyzt_units("mm", "sec")
        if kind == "dce":
            image.header["pixdim"][4] = 60
        nib.save(
            nib.Nifti1Image(volume.astype(np.float32), None, image.header),
            tmp_path / f"p_{kind}.nii",
        )
    (found,) = dce_nifti.dce_nifti(tmp_path)
    x, y, z = (int(n) for n in np.argmax(np.abs(found.affine[:3, :3]), axis=0))
    assert (x, y, z) == (0, 1, 2) and (np.diagonal(found.affine)[:3] > 0).all()
    dce_nifti.write_volume(tmp_path / "out/m.nii.gz", found.mask, found)
    result, source = nib.load(tmp_path / "out/m.nii.gz"), nib.load(tmp_path / "p_mask.nii")
    np.testing.assert_array_equal(np.asarray(result.dataobj), mask)
    np.testing.assert_allclose(result.affine, source.affine, atol=1e-5)
    assert (result.header["qform_code"], result.header["sform_code"]) == (1, 2)
    assert result.get_data_dtype() == np.uint8


def test_times_of_a_header_are_said_and_those_of_a_sequence_refused(tmp_path):
    intake = Intake()
    image = nib.Nifti1Image(patient().signal, np.diag([1.5, 2, 4, 1]))
    for step, unit in ((45, "sec"), (5.3, "msec")):
        image.header.set_xyzt_units("mm", unit)
        image.header["pixdim"][4] = step
        nib.save(image, tmp_path / "anna_dce.nii.gz")
        if unit == "sec":
            dce_nifti.dce_nifti(tmp_path, intake)
    assert "come from the 45 s between volumes in its header" in intake.notes[0]
    with pytest.raises(UserError, match=r"lasts 0.0159 s .*repetition time.*--accept=times"):
        dce_nifti.dce_nifti(tmp_path)


def test_series_of_arrays_written_row_by_row_are_said(tmp_path):
    intake = Intake()
    with h5py.File(tmp_path / "p.mat", "w") as file:
        file["dce"], file["times"] = patient().signal, patient().times
    (found,) = dce.dce_mat(tmp_path, intake)
    np.testing.assert_array_equal(found.signal, patient().signal)
    assert "p.mat was not written by MATLAB: the axes" in intake.notes[0]
    assert "dce: 9 x 10 x 3 x 4" in intake.notes[0]


def test_what_is_no_series_is_said(tmp_path):
    dce_nifti.write_dce_nifti(patient(), tmp_path)
    (tmp_path / "._anna_dce.nii.gz").write_bytes(b"Mac")
    for name in ("bert_mask.nii", "anna_t1.nii"):
        (tmp_path / name).touch()
    intake = Intake()
    same(patient(), dce_nifti.dce_nifti(tmp_path, intake)[0])
    assert intake.left_out == [("bert_mask.nii", "a mask without a series *_dce.nii.gz")]
    assert "1 NIfTI files are not used" in intake.notes[0] and "anna_t1.nii" in intake.notes[0]
