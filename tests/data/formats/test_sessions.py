"""NIfTI files without a session, which serve all sessions of their subject."""

import numpy as np
import pytest

from mrjax.data.formats import nifti, nifti_names
from mrjax.data.intake import Intake
from mrjax.errors import UserError


def touch(folder, *names) -> None:
    for name in names:
        (folder / f"{name}.nii.gz").touch()


@pytest.mark.parametrize("kind", ["Chimap", "mask", "dseg"])
def test_a_file_without_a_session_serves_all_of_them_with_a_note(kind, tmp_path):
    touch(tmp_path, "sub-1_ses-a_localfield", "sub-1_ses-b_localfield", f"sub-1_{kind}")
    touch(tmp_path, "sub-2_ses-a_localfield", f"sub-2_{kind}")
    intake = Intake()
    groups = nifti_names.groups(tmp_path, intake)
    names = [path.name for files in groups.values() for path in list(files.values())[1:]]
    assert names == [f"sub-1_{kind}.nii.gz"] * 2 + [f"sub-2_{kind}.nii.gz"]
    note = "maps, masks and segmentations without a session serve several sessions"
    assert intake.notes == [f"{note}: sub-1_{kind}.nii.gz (a, b)"]


def test_runs_of_one_session_share_a_map_without_a_note(tmp_path):
    touch(tmp_path, "sub-1_ses-a_run-1_localfield", "sub-1_ses-a_run-2_localfield", "sub-1_Chimap")
    intake = Intake()
    assert all("chi" in files for files in nifti_names.groups(tmp_path, intake).values())
    assert not intake.notes


def test_a_map_that_lies_elsewhere_than_a_session_it_serves_is_refused(tmp_path):
    field = np.random.default_rng(0).normal(0, 0.02, (9, 9, 9)).astype(np.float32)
    for session, shift in (("a", 0.0), ("b", 3.0)):
        affine = np.eye(4)
        affine[0, 3] = shift
        for name, volume in (("localfield", field), ("mask", np.ones_like(field))):
            path = tmp_path / f"sub-1_ses-{session}_{name}.nii.gz"
            nifti.write_nifti(path, volume, affine=affine)
    nifti.write_nifti(tmp_path / "sub-1_Chimap.nii.gz", field, affine=np.eye(4))
    with pytest.raises(UserError, match=r"sub-1_Chimap.* lies elsewhere than .*ses-b_localfield"):
        nifti.nifti(tmp_path, "ppm")
