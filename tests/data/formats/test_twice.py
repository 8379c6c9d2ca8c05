"""Two files for one purpose: one line that names both, whatever the format."""

import re

import nibabel as nib
import numpy as np
import pytest
import scipy.io

from mrjax.arrays import DcePatient, QsmSubject
from mrjax.data.formats import border, dce_nifti, qsmnet
from mrjax.errors import UserError

SHAPE = (9, 10, 8)


@pytest.mark.parametrize(("ending", "kind"), [("_dce", "series"), ("_mask", "mask")])
def test_a_breast_patient_has_one_series_and_one_mask(ending, kind, tmp_path):
    signal = np.random.default_rng(0).uniform(1, 2, (*SHAPE, 4)).astype(np.float32)
    mask = np.ones(SHAPE, bool)
    anna = DcePatient(name="anna", signal=signal, times=60.0 * np.arange(4), mask=mask)
    dce_nifti.write_dce_nifti(anna, tmp_path)
    nib.save(nib.load(tmp_path / f"anna{ending}.nii.gz"), tmp_path / f"anna{ending}.nii")
    message = rf"anna{ending}\.nii and .*anna{ending}\.nii\.gz are both the {kind} of anna; exp"
    with pytest.raises(UserError, match=message):
        dce_nifti.dce_nifti(tmp_path)


def qsm_subject() -> QsmSubject:
    field = np.random.default_rng(0).normal(0, 0.02, SHAPE).astype(np.float32)
    return QsmSubject(name="s", field=field, chi=field + 0.01, mask=np.ones(SHAPE, bool))


@pytest.mark.parametrize(
    "name",
    ["Test/Input/test_input", "Test/Label/test_label", "Train/Input/train_input",
     "Train/Input/train_mask", "Train/Label/train_label"],
)  # fmt: skip
def test_a_number_of_the_qsmnet_layout_stands_for_one_file(name, tmp_path):
    qsmnet.write_qsmnet_mat([qsm_subject()], tmp_path, test=[qsm_subject()])
    one, other = tmp_path / f"{name}01.mat", tmp_path / f"{name}1.mat"
    one.write_bytes(other.read_bytes())
    message = re.escape(f"{one} and {other.name} both have the number 1; expected one file")
    with pytest.raises(UserError, match=message):
        qsmnet.qsmnet_mat(tmp_path)


def test_numbers_with_zeros_before_them_belong_together(tmp_path):
    qsmnet.write_qsmnet_mat([qsm_subject()], tmp_path, test=[qsm_subject()])
    for path in list(tmp_path.rglob("*1.mat")):
        path.rename(path.with_name(path.name.replace("1", "01")))
    for found in qsmnet.qsmnet_mat(tmp_path):
        np.testing.assert_array_equal(found[0].chi, qsm_subject().chi)


def test_a_number_of_a_slice_stands_for_one_file(tmp_path):
    for name in ("rawdata1.mat", "rawdata01.mat"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"rawdata01\.mat and rawdata1\.mat both have the number 1"):
        border.numbered(tmp_path, "rawdata")


@pytest.mark.parametrize("kind", ["chi", "mask"])
def test_volumes_beyond_the_directions_of_a_field_are_refused(kind, tmp_path):
    one = qsm_subject()
    qsmnet.write_qsmnet_mat([one], tmp_path)
    train = tmp_path / "Train"
    places = {
        "field": (train / "Input/train_input1.mat", "phs_tissue", 2),
        "chi": (train / "Label/train_label1.mat", "chi_cosmos", 2 + (kind == "chi")),
        "mask": (train / "Input/train_mask1.mat", "mask", 2 + (kind == "mask")),
    }
    for of, (path, key, count) in places.items():
        scipy.io.savemat(path, {key: np.stack([getattr(one, of)] * count, -1).astype(np.float32)})
    with pytest.raises(UserError, match=f"{kind} of train1 has 3 directions, more than its field"):
        qsmnet.qsmnet_mat(tmp_path)
