"""Series in MATLAB and NIfTI files: axes, times, orientation, and each mistake's one line."""

import dataclasses
import json
import re

import nibabel as nib
import numpy as np
import pytest
import scipy.io
from helpers import shared

from mrjax.arrays import DcePatient
from mrjax.data.formats import dce, dce_nifti
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
    scipy.io.savemat(tmp_path / "s.mat", {"DCEdata": series, "t": np.arange(5.0)[:, None]})
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
    (tmp_path / "anna_dce.json").write_text('{"times": [1, 2]}')
    with pytest.raises(UserError, match=r"anna_dce\.json gives no VolumeTiming"):
        dce_nifti.dce_nifti(tmp_path)
