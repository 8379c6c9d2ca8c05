"""Outputs that cannot be compared are named in one line and left out, whatever is wrong."""

import gzip

import h5py
import nibabel
import numpy as np
import pytest
from study import synthetic_runs as made

from mrjax import study
from mrjax.errors import UserError
from mrjax.study.report import images, voxels

WHOLE = 352  # bytes of a NIfTI header and its empty extension


@pytest.fixture
def nifti(tmp_path):
    path = tmp_path / "brain0_network_Chimap.nii.gz"
    volume = np.random.default_rng(0).normal(size=(8, 7, 6)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    return path


def unpacked(place, changed):
    """A change of the bytes inside the archive."""

    def change(packed):
        content = bytearray(gzip.decompress(packed))
        content[place : place + len(changed)] = changed
        return gzip.compress(bytes(content))

    return change


DAMAGES = {
    "empty": lambda packed: b"",
    "cut": lambda packed: packed[: len(packed) // 2],
    "one bit": lambda packed: packed[:200] + bytes([packed[200] ^ 255]) + packed[201:],
    "text": lambda packed: b"hello",
    "unknown type of numbers": unpacked(70, b"\x99\x77"),
    "larger than any memory": unpacked(42, b"\xff\x7f" * 3),
    "nan": unpacked(WHOLE, b"\0\0\xc0\x7f"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_nifti_is_one_line(nifti, damage):
    assert np.isfinite(images.read(nifti)).all()
    nifti.write_bytes(DAMAGES[damage](nifti.read_bytes()))
    with pytest.raises(UserError, match="repeat the run") as caught:
        images.read(nifti)
    assert str(nifti) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["another", "network"])
def test_hdf5_without_an_output_is_one_line(tmp_path, name):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group(name)
    with pytest.raises(UserError, match="a dataset network"):
        images.read(tmp_path / "a.h5")


def test_without_the_baselines_output_no_other_stands_in_its_place(nifti, tmp_path):
    """The pair of the second runs could be read; but "baseline, mean" must be the baseline's."""
    made.make(tmp_path / "s", made.study([made.arm("a", "dtype")], 2), steps=5)
    for run in ("baseline/000", "baseline/001", "a/001"):
        folder = tmp_path / "s/runs" / run / "predictions"
        folder.mkdir()
        (folder / nifti.name).write_bytes(nifti.read_bytes())
    found = study.load(tmp_path / "s")
    assert [one.arm for one in voxels.compute(found).arms] == ["baseline", "a"]
    damaged = tmp_path / "s/runs/baseline/000/predictions" / nifti.name
    damaged.write_bytes(b"")
    outputs = voxels.compute(found)
    assert outputs.arms == () and str(damaged) in outputs.remark
