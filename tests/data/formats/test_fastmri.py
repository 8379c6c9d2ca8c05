"""fastMRI's HDF5: what is read, from which readout, with which mask, and the one-liners."""

import h5py
import numpy as np
import pytest
from slices import random_slice

from mrjax.data.formats import fastmri
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.physics import coils

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
def fft2c(image: np.ndarray) -> np.ndarray:
    """fastMRI's transform: centred, orthonormal, over the last two axes."""
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, axes), norm="ortho"), axes=axes)


def ifft2c(kspace: np.ndarray) -> np.ndarray:
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes), norm="ortho"), axes=axes)


def center_crop(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    top, left = (image.shape[-2] - rows) // 2, (image.shape[-1] - columns) // 2
    return image[..., top : top + rows, left : left + columns]


def rss(image: np.ndarray) -> np.ndarray:
    return np.sqrt((np.abs(image) ** 2).sum(axis=-3))


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ({"reconstruction_rss": np.ones((2, 12, 12), np.float32)}, 12),
        ({"reconstruction_rss": np.ones((2, 24, 24), np.float32)}, 24),
        ({"reconstruction_rss": np.ones((2, 17, 24), np.float32)}, 17),
        ({"ismrmrd_header": HEADER}, 12),
        ({"ismrmrd_header": np.bytes_(HEADER)}, 12),
        ({"ismrmrd_header": b"<no"}, 24),
        ({}, 24),
    ],
)
def test_rows_are_cut_about_the_centre_as_fastmri_cuts_them(content, rows, tmp_path):
    write(tmp_path / "a.h5", kspace=volume(), **content)
    found = fastmri.read(tmp_path / "a.h5", acs_lines=12)
    expected = center_crop(ifft2c(volume()), rows, 32)
    np.testing.assert_allclose(ifft2c([s.kspace for s in found]), expected, atol=1e-5)


def test_values_that_are_not_finite_are_one_line_though_rows_are_cut(tmp_path):
    kspace = volume(1)
    kspace[0, 1, 3, 4] = np.nan
    images = np.ones((1, 12, 12), np.float32)
    write(tmp_path / "a.h5", kspace=kspace, reconstruction_rss=images)
    with pytest.raises(UserError, match="k-space of a_slice00 is NaN or infinite in 1 places"):
        fastmri.read(tmp_path / "a.h5", acs_lines=12)


def mask_function(columns: int, fraction: float, acceleration: int) -> np.ndarray:
    """fastMRI's equispaced mask: round(N f) lines from (N - lines + 1) // 2 on, and every n-th."""
    lines = round(columns * fraction)
    first = (columns - lines + 1) // 2
    mask = np.arange(columns) % acceleration == 1
    mask[first : first + lines] = True
    return mask


@pytest.mark.parametrize("shape", [(40, 46), (40, 37), (31, 44), (64, 72)])
@pytest.mark.parametrize("fraction", [0.2, 0.25])
def test_files_of_fastmris_own_rules_agree_with_their_images(shape, fraction, tmp_path):
    """Square images of half the rows, whatever the parity of rows, columns and centre lines."""
    kspace = np.stack([random_slice(i, (4, *shape)).kspace for i in range(2)])
    size = shape[0] // 2
    images = center_crop(rss(ifft2c(kspace)), size, size).astype(np.float32)
    mask = mask_function(shape[1], fraction, 4)
    lines = round(shape[1] * fraction)
    write(tmp_path / "full.h5", kspace=kspace, reconstruction_rss=images)
    write(tmp_path / "both.h5", kspace=kspace, reconstruction_rss=images, mask=mask)
    zeroed = (kspace * mask).astype(np.complex64)
    write(tmp_path / "test.h5", kspace=zeroed, reconstruction_rss=images, mask=mask)
    intake = Intake()
    full, both, test = (
        fastmri.read(tmp_path / f"{name}.h5", acs_lines=lines, intake=intake)
        for name in ("full", "both", "test")
    )
    for i in range(2):
        own = center_crop(rss(ifft2c(full[i].kspace)), size, size)
        np.testing.assert_allclose(own, images[i], atol=1e-5 * images.max())
        np.testing.assert_allclose(np.abs(both[i].reference).max(), images[i].max(), rtol=0.1)
        np.testing.assert_array_equal(both[i].mask, mask)
        assert test[i].reference is None and both[i].reference is not None
    assert not [line for line in intake.notes if "differs from the image" in line]


def test_an_image_of_other_data_is_said(tmp_path):
    images = rss(ifft2c(volume()))[:, ::-1].astype(np.float32)
    write(tmp_path / "a.h5", kspace=volume(), reconstruction_rss=images)
    intake = Intake()
    fastmri.read(tmp_path / "a.h5", acs_lines=12, intake=intake)
    assert "reconstruction_rss differs" in intake.notes[0] and "a_slice01 by" in intake.notes[0]


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
    with pytest.raises(UserError, match=r"is not a readable HDF5 file .*file signature not found"):
        fastmri.read(tmp_path / "a.h5")
    write(tmp_path / "b.h5", kspace=volume())
    with pytest.raises(UserError, match="'walsh'; expected one of acs, espirit; set --maps"):
        fastmri.read(tmp_path / "b.h5", maps="walsh")
    with pytest.raises(UserError, match="from 33 ACS lines of 32 columns; expected 2 to 32"):
        fastmri.read(tmp_path / "b.h5", acs_lines=33)


ROWS, COLUMNS = 64, 48
Y, X = np.meshgrid(np.linspace(-1, 1, ROWS), np.linspace(-1, 1, COLUMNS), indexing="ij")
DOTS = np.random.default_rng(0).random((ROWS, COLUMNS)) < 0.4
DOTS[24:40, 16:32] = True
ROW = np.arange(ROWS)[:, None]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (DOTS, "undersampled in both directions"),
        ((ROW % 2 == 0) | (abs(ROW - 32) < 8) | (0 * X > 1), "undersampled along rows"),
        ((ROW >= 20) | (0 * X > 1), "rows 20 to 63 of 64 only"),
    ],
)
def test_gaps_are_found_though_the_readout_is_cropped_afterwards(where, message, tmp_path):
    kspace = np.where(where, random_slice(0, (4, ROWS, COLUMNS)).kspace, 0)[None]
    images = np.ones((1, 32, 32), np.float32)
    write(tmp_path / "a.h5", kspace=kspace.astype(np.complex64), reconstruction_rss=images)
    with pytest.raises(UserError, match=message):
        fastmri.read(tmp_path / "a.h5", acs_lines=12)


def test_an_elliptical_shutter_is_said_though_the_readout_is_cropped(tmp_path):
    kspace = np.where(X**2 + Y**2 < 1.05, random_slice(0, (4, ROWS, COLUMNS)).kspace, 0)[None]
    images = np.ones((1, 32, 32), np.float32)
    write(tmp_path / "a.h5", kspace=kspace.astype(np.complex64), reconstruction_rss=images)
    intake = Intake()
    fastmri.read(tmp_path / "a.h5", acs_lines=12, intake=intake)
    assert "elliptical shutter" in intake.notes[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"reconstruction_rss": np.ones((24, 32))}, "rss of .* has shape 24 x 32 and type float64"),
        ({"reconstruction_rss": np.ones((1, 24, 32))}, "expected 2 slices x row x column"),
        ({"reconstruction_rss": np.float32(3)}, "expected 2 slices x row x column"),
        ({"reconstruction_rss": np.bytes_("x")}, "expected 2 slices x row x column"),
        ({"ismrmrd_header": HEADER.replace(b"<x>12", b"<x>0")}, "says that 0 rows were"),
        ({"ismrmrd_header": HEADER.replace(b"<x>12", b"<x>-5")}, "says that -5 rows were"),
        ({"mask": np.bytes_("abc")}, "the mask of .* is of type .S3; expected a number"),
        ({"mask": np.ones(32, complex)}, "the mask of .* is of type complex128; expected"),
    ],
)
def test_odd_contents_are_one_line(content, message, tmp_path):
    write(tmp_path / "a.h5", kspace=volume(), **content)
    with pytest.raises(UserError, match=message) as caught:
        fastmri.read(tmp_path / "a.h5", acs_lines=12)
    assert "\n" not in str(caught.value)


def test_a_header_of_another_kind_and_a_file_without_a_slice_are_said(tmp_path):
    write(tmp_path / "a.h5", kspace=volume(), ismrmrd_header=np.zeros(4))
    write(tmp_path / "b.h5", kspace=volume()[:0])
    intake = Intake()
    assert [len(fastmri.read(p, "acs", 12, intake)) for p in fastmri.files(tmp_path)] == [2, 0]
    assert "does not say how many count: a.h5" in intake.notes[0]
    assert "a file without a slice: b.h5" in intake.notes


@pytest.mark.parametrize("key", ["kspace", "mask", "reconstruction_rss"])
def test_groups_and_lost_links_are_one_line(key, tmp_path):
    for kind in (h5py.ExternalLink("gone.h5", "/x"), h5py.SoftLink("/" + key), None):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["kspace"] = volume()
            if key == "kspace":
                del file[key]
            if kind is None:
                file.create_group(key)
            else:
                file[key] = kind
        if key != "kspace" and kind is not None:
            continue  # h5py counts a lost link as absent
        with pytest.raises(UserError, match=r"not a readable HDF5|no dataset|has shape|0 columns"):
            fastmri.read(tmp_path / "a.h5", acs_lines=12)
