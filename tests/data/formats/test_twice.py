"""Two files for one purpose: one line that names both, whatever the format."""

import nibabel as nib
import numpy as np
import pytest

from mrjax.arrays import DcePatient
from mrjax.data.formats import dce_nifti
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
