"""Damaged files of every format: a result or one line, never anything else (tests/damage.py)."""

import os

import damage
import nibabel as nib
import numpy as np
import pytest

from mrjax.data.formats import nifti_file
from mrjax.errors import UserError

MUTATIONS = int(os.environ.get("MRJAX_MUTATIONS", "60"))


@pytest.mark.parametrize("name", damage.FORMATS)
def test_a_damaged_file_is_one_line_or_is_read(name, tmp_path):
    found = damage.attempts(name, tmp_path, MUTATIONS)
    assert found.lines and not any("\n" in line for line in found.lines)
    assert found.memory <= damage.MEMORY


def test_a_gzip_file_is_compared_with_its_checksum(tmp_path):
    """nibabel stops after the bytes it needs, before the checksum."""
    path = tmp_path / "a.nii.gz"
    volume = np.random.default_rng(0).normal(size=(20, 20, 10)).astype(np.float32)
    nib.save(nib.Nifti1Image(volume, np.eye(4)), path)
    good = path.read_bytes()
    for place in np.random.default_rng(1).integers(500, len(good) - 8, 40):
        bad = bytearray(good)
        bad[place] ^= 4
        path.write_bytes(bad)
        with pytest.raises(UserError, match=r"a\.nii\.gz cannot be read \(.*; write") as error:
            nifti_file.read(path)
        assert "\n" not in str(error.value)
    path.write_bytes(good)
    np.testing.assert_array_equal(nifti_file.read(path).volume, volume)
