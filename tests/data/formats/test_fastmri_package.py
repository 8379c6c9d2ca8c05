"""fastMRI's own package against our reader: its masks, its images, and files of ours read by it."""

import h5py
import numpy as np
import pytest
from slices import random_slice

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("fastmri", reason="needs fastmri-package: pip install --no-deps fastmri")

import fastmri as package
from fastmri.data import mri_data, subsample, transforms

from mrjax.data.formats import fastmri
from mrjax.data.intake import Intake
from mrjax.physics import coils

SHAPE = (4, 40, 46)
CLOSE = 1e-5
"""Largest difference of two images in float32, as a share of the brightest pixel."""
MASKS = (
    "RandomMaskFunc",
    "EquiSpacedMaskFunc",
    "EquispacedMaskFractionFunc",
    "MagicMaskFunc",
    "MagicMaskFractionFunc",
)


def volume(shape=SHAPE, n: int = 2) -> np.ndarray:
    return np.stack([random_slice(i, (4, *shape[1:])).kspace for i in range(n)])


def rss(kspace: np.ndarray, size: int | None = None) -> np.ndarray:
    """The image of their pipeline, cut to a square about its centre.

    Computed in float64: in float32 the first image of one long process was off by 2e-4.
    """
    images = package.ifft2c(transforms.to_tensor(kspace.astype(np.complex128)))
    found = package.rss(package.complex_abs(images), dim=1)
    return (
        (found if size is None else transforms.center_crop(found, (size, size)))
        .numpy()
        .astype(np.float32)
    )


def write(path, kspace, **content) -> None:
    with h5py.File(path, "w") as file:
        for key, value in (content | {"kspace": kspace}).items():
            file[key] = value


def own(kspace: np.ndarray, size: int) -> np.ndarray:
    """The image of a slice as we read it, columns cut as theirs are."""
    image = np.sqrt((np.abs(coils.images(kspace)) ** 2).sum(axis=0))
    first = [(n - size) // 2 for n in image.shape]
    return image[first[0] :, first[1] :][:size, :size]


@pytest.mark.parametrize("shape", [(4, 40, 46), (4, 41, 37), (4, 64, 45)])
def test_images_of_our_kspace_are_theirs(shape, tmp_path):
    kspace = volume(shape)
    images = rss(kspace, shape[1] // 2)
    write(tmp_path / "a.h5", kspace, reconstruction_rss=images)
    intake = Intake()
    found = fastmri.read(tmp_path / "a.h5", acs_lines=12, intake=intake)
    for one, image in zip(found, images, strict=True):
        assert np.abs(own(one.kspace, len(image)) - image).max() < CLOSE * image.max()
        assert np.abs(own(one.kspace, len(image))[1:] - image[:-1]).max() > 0.1 * image.max()
    assert intake.notes == []


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("columns", [46, 37, 45])
def test_masks_are_read_as_they_are(name, columns, tmp_path):
    """Odd numbers of centre lines lie on either side of the centre, as their function puts them."""
    kspace = volume((4, 40, columns))
    draw = getattr(subsample, name)([0.24], [3], seed=1)
    masked, mask, lines = transforms.apply_mask(transforms.to_tensor(kspace), draw, seed=2)
    expected, images = mask.numpy().ravel() > 0, rss(kspace)
    zeroed = transforms.tensor_to_complex_np(masked)
    write(tmp_path / "test.h5", zeroed, mask=expected)
    write(tmp_path / "both.h5", kspace, mask=expected, reconstruction_rss=images)
    assert lines == round(0.24 * columns)
    for path, complete in ((tmp_path / "test.h5", False), (tmp_path / "both.h5", True)):
        for one in fastmri.read(path, acs_lines=lines):
            np.testing.assert_array_equal(one.mask, expected)
            assert (one.reference is not None) == complete


def test_references_are_their_images_where_maps_are(tmp_path):
    """A reference combines with maps of unit root sum of squares, so its magnitude is theirs."""
    kspace = volume()
    write(tmp_path / "a.h5", kspace, reconstruction_rss=rss(kspace))
    for one, image in zip(fastmri.read(tmp_path / "a.h5", acs_lines=46), rss(kspace), strict=True):
        inside = image > 0.3 * image.max()
        ratio = np.abs(one.reference)[inside] / image[inside]
        assert 0.97 < np.median(ratio) <= 1 + CLOSE and ratio.max() <= 1 + CLOSE


def test_their_reader_takes_our_files(tmp_path):
    slices = [random_slice(i, SHAPE) for i in range(2)]
    fastmri.write_fastmri(slices, tmp_path / "knee.h5")
    found = mri_data.SliceDataset(root=tmp_path, challenge="multicoil", use_dataset_cache=False)
    assert len(found) == 2
    for number, one in enumerate(slices):
        kspace, mask, target, attributes, name, index = found[number]
        np.testing.assert_array_equal(kspace, one.kspace)
        assert mask is None and (name, index) == ("knee.h5", number)
        assert np.abs(target - rss(one.kspace[None])[0]).max() < CLOSE * target.max()
        assert (attributes["padding_left"], attributes["padding_right"]) == (0, 46)
        assert attributes["recon_size"] == (40, 46, 1)
