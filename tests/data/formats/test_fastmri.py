"""fastMRI's HDF5: what is read, from which readout, with which mask, and the one-liners."""

import h5py
import numpy as np
import pytest
from slices import random_slice

from mrjax.data.formats import fastmri
from mrjax.errors import UserError
from mrjax.physics import coils, sampling

SHAPE = (3, 24, 32)


def write(path, **content) -> None:
    with h5py.File(path, "w") as file:
        for key, value in content.items():
            file[key] = value


def volume(n: int = 2) -> np.ndarray:
    return np.stack([random_slice(i, SHAPE).kspace for i in range(n)])


def test_a_written_file_comes_back(tmp_path):
    slices = [random_slice(i, SHAPE) for i in range(2)]
    fastmri.write_fastmri(slices, tmp_path / "new/knee7.h5")
    (path,) = fastmri.files(tmp_path / "new")
    found = fastmri.read(path, acs_lines=12)
    assert [s.name for s in found] == ["knee7_slice00", "knee7_slice01"]
    for a, b in zip(slices, found, strict=True):
        np.testing.assert_array_equal(a.kspace, b.kspace)
        np.testing.assert_array_equal(b.maps, coils.from_acs(a.kspace, 12).astype(np.complex64))
        expected = coils.combine(b.maps, coils.images(a.kspace))
        np.testing.assert_allclose(b.reference, expected, atol=1e-6)
        assert b.mask is None and b.reference.dtype == np.complex64
        inside = np.abs(a.reference) > 0.5
        np.testing.assert_allclose(
            np.abs(b.reference[inside]), np.abs(a.reference[inside]), rtol=0.1
        )


def test_the_image_in_the_file_is_the_root_sum_of_squares(tmp_path):
    one = random_slice(0, SHAPE)
    fastmri.write_fastmri([one], tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        rss = np.sqrt((np.abs(one.maps * one.reference) ** 2).sum(axis=0))
        np.testing.assert_allclose(file["reconstruction_rss"][0], rss, atol=1e-5)
        assert file.attrs["max"] == pytest.approx(rss.max(), rel=1e-5)


HEADER = (
    b'<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding><reconSpace><matrixSize>'
    b"<x>12</x><y>32</y></matrixSize></reconSpace></encoding></ismrmrdHeader>"
)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ({"reconstruction_rss": np.ones((2, 12, 12), np.float32)}, 12),
        ({"reconstruction_rss": np.ones((2, 24, 24), np.float32)}, 24),
        ({"ismrmrd_header": HEADER}, 12),
        ({"ismrmrd_header": np.bytes_(HEADER)}, 12),
        ({"ismrmrd_header": b"<no"}, 24),
        ({}, 24),
    ],
)
def test_twice_the_reconstructed_rows_are_oversampling(content, rows, tmp_path):
    write(tmp_path / "a.h5", kspace=volume(), **content)
    found = fastmri.read(tmp_path / "a.h5", acs_lines=12)
    expected = [sampling.crop_readout(k) for k in volume()] if rows == 12 else volume()
    np.testing.assert_array_equal([s.kspace for s in found], expected)


def test_undersampled_files_have_a_mask_and_no_reference(tmp_path):
    mask = np.arange(32) % 4 == 0
    mask[12:20] = True
    zeroed = np.where(mask, volume(), 0)
    write(tmp_path / "with.h5", kspace=zeroed, mask=mask.astype(np.float32))
    write(tmp_path / "without.h5", kspace=zeroed)
    for path in fastmri.files(tmp_path):
        for one in fastmri.read(path, acs_lines=8):
            np.testing.assert_array_equal(one.mask, mask)
            assert one.reference is None and one.maps.any()
    with pytest.raises(UserError, match="3 of the 12 central columns of with_slice00 were not"):
        fastmri.read(tmp_path / "with.h5", acs_lines=12)
    slices = [random_slice(0, SHAPE, kspace=zeroed[0], mask=mask, reference=None)]
    fastmri.write_fastmri(slices, tmp_path / "own.h5")
    (own,) = fastmri.read(tmp_path / "own.h5", acs_lines=8)
    np.testing.assert_array_equal(own.mask, mask)


def test_zero_padding_at_the_edges_is_not_undersampling(tmp_path):
    padded = volume(1)
    padded[..., :3] = padded[..., -2:] = 0
    write(tmp_path / "a.h5", kspace=padded)
    (found,) = fastmri.read(tmp_path / "a.h5", acs_lines=8)
    assert found.mask is None and found.reference is not None


def spoiled() -> np.ndarray:
    values = volume()
    values[1, 0, 5, 5] = np.inf
    return values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"reconstruction_esc": np.ones(3)}, "has no dataset kspace; expected it beside or inst"),
        ({}, "has no dataset kspace; expected it beside or instead of nothing; point"),
        ({"kspace": volume()[:, 0]}, "has shape 2 x 24 x 32 and type complex64; expected complex"),
        ({"kspace": volume().real}, "has shape 2 x 3 x 24 x 32 and type float32; expected complex"),
        ({"kspace": volume(), "mask": np.ones(31)}, "a_slice00 has 31 columns, its k-space 32"),
        ({"kspace": volume(), "mask": np.zeros(32)}, "mask of a_slice00 is empty; expected"),
        ({"kspace": 0 * volume()}, "the k-space of a_slice00 is zero everywhere; expected"),
        ({"kspace": spoiled()}, "the k-space of a_slice01 is NaN or infinite in 1 places; expect"),
    ],
)
def test_unusable_files_are_one_line(content, message, tmp_path):
    write(tmp_path / "a.h5", **content)
    with pytest.raises(UserError, match=message) as caught:
        fastmri.read(tmp_path / "a.h5", acs_lines=12)
    assert "\n" not in str(caught.value)


def test_other_files_flags_and_folders_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"no .h5 files in .*; expected fastMRI"):
        fastmri.files(tmp_path)
    with pytest.raises(UserError, match=r"no directory .*gone; expected"):
        fastmri.files(tmp_path / "gone")
    (tmp_path / "a.h5").write_text("no")
    with pytest.raises(UserError, match="is not a readable HDF5 file; expected a multi-coil"):
        fastmri.read(tmp_path / "a.h5")
    write(tmp_path / "b.h5", kspace=volume())
    with pytest.raises(UserError, match="'walsh'; expected one of acs, espirit; set --maps"):
        fastmri.read(tmp_path / "b.h5", maps="walsh")
    with pytest.raises(UserError, match="from 33 ACS lines of 32 columns; expected 2 to 32"):
        fastmri.read(tmp_path / "b.h5", acs_lines=33)
