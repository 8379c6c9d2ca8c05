"""Volumes on another grid, against functions that are known everywhere in space."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from nibabel.processing import resample_from_to

from mrjax.data import regrid

Z = (0.0, 0.0, 1.0)
OBLIQUE = (0.0, np.sin(0.4), np.cos(0.4))
RADIUS = 4.0


def coordinates(grid: regrid.Grid) -> np.ndarray:
    """Positions of all voxels in the other grid's axes [3 x y z], mm."""
    index = np.indices(grid.shape).reshape(3, -1)
    return (grid.affine[:3, :3] @ index + grid.affine[:3, 3:]).reshape(3, *grid.shape)


def way(shape, voxel_size, wanted=(1.0, 1.0, 1.0), b0=Z, **near) -> regrid.Passage:
    return regrid.passage(shape, voxel_size, wanted, regrid.rotation_between(b0, Z), **near)


def from_centre(shape, voxel_size) -> np.ndarray:
    """Positions relative to the middle of a volume in its own axes [3 x y z], mm."""
    size = np.asarray(voxel_size)[:, None, None, None]
    middle = (np.asarray(shape)[:, None, None, None] - 1) / 2
    return (np.indices(shape) - middle) * size


def there_from_centre(passage: regrid.Passage, shape, voxel_size, b0) -> np.ndarray:
    """The same for the voxels of the other grid, in its axes."""
    middle = regrid.rotation_between(b0, Z) @ ((np.asarray(shape) - 1) / 2 * np.asarray(voxel_size))
    return coordinates(passage.other or passage.own) - middle[:, None, None, None]


def sphere_field(position: np.ndarray, b0) -> np.ndarray:
    """Field [ppm] outside a sphere of 1 ppm: 1/3 (a / r)^3 (3 cos^2 - 1); a constant inside."""
    distance = np.maximum(np.sqrt((position**2).sum(0)), RADIUS)
    along = np.einsum("i,ixyz->xyz", np.asarray(b0, float), position) / distance
    return (RADIUS / distance) ** 3 * (3 * along**2 - 1) / 3


def shell(position: np.ndarray, low: float, high: float) -> np.ndarray:
    distance = np.sqrt((position**2).sum(0))
    return (distance > low) & (distance < high)


@pytest.mark.parametrize(
    ("shape", "size", "b0"),
    [
        ((60, 60, 16), (0.5, 0.5, 2.0), Z),
        ((28, 30, 32), (1.0, 1.0, 1.0), OBLIQUE),
        ((16, 60, 60), (2.0, 0.5, 0.5), (1.0, 0.0, 0.0)),
        ((40, 40, 24), (0.7, 0.7, 1.2), (0.0, -np.sin(1.2), np.cos(1.2))),
    ],
)
def test_the_field_of_a_sphere_is_that_of_a_sphere_on_the_other_grid(shape, size, b0):
    position = from_centre(shape, size)
    mask = shell(position, RADIUS + 1, 13)
    field = np.where(mask, sphere_field(position, b0), 0)
    passage = way(shape, size, b0=b0)
    its = there_from_centre(passage, shape, size, b0)
    inner = shell(its, RADIUS + 3, 12)
    found, truth = passage.there(field, mask)[inner], sphere_field(its, Z)[inner]
    assert np.linalg.norm(found - truth) < 0.05 * np.linalg.norm(truth)
    moved = passage.mask_there(mask)
    assert 2 * np.count_nonzero(moved & shell(its, RADIUS + 1, 13)) > 0.95 * (
        np.count_nonzero(moved) + np.count_nonzero(shell(its, RADIUS + 1, 13))
    )
    back = passage.back(np.where(moved, sphere_field(its, Z), 0), moved)
    own_inner = shell(position, RADIUS + 3, 12)
    error = np.linalg.norm((back - field)[own_inner]) / np.linalg.norm(field[own_inner])
    assert back.shape == shape and error < 0.05


@pytest.mark.parametrize(
    "b0", [v for v in itertools.product((-1, 0, 1), repeat=3) if np.abs(v).sum() == 1]
)
def test_quarter_turns_move_voxels_and_change_none(b0):
    volume = np.random.default_rng(0).standard_normal((5, 6, 7)).astype(np.float32)
    passage = way(volume.shape, (1.0, 1.0, 1.0), b0=b0)
    assert passage.other is None
    turned = passage.there(volume)
    assert turned.shape == passage.shape and turned.dtype == volume.dtype
    assert np.array_equal(np.sort(turned, axis=None), np.sort(volume, axis=None))
    assert np.array_equal(passage.back(turned), volume)
    mask = volume > 0
    assert np.array_equal(passage.back(passage.mask_there(mask)), mask)
    assert np.linalg.det(regrid.rotation_between(b0, Z)) == pytest.approx(1)
    field = sphere_field(from_centre((9, 9, 9), (1, 1, 1)), b0)
    along_z = sphere_field(from_centre((9, 9, 9), (1, 1, 1)), Z)
    found = way((9, 9, 9), (1.0, 1.0, 1.0), b0=b0).there(field)
    np.testing.assert_allclose(found, along_z, atol=1e-12)


def test_what_is_near_enough_is_turned_and_not_interpolated():
    tilted = (0.0, np.cos(0.1), -np.sin(0.1))
    near = {"near": 0.1, "near_degrees": 6.0}
    assert way((8, 9, 10), (1.0, 1.05, 0.95), b0=tilted, **near).other is None
    assert way((8, 9, 10), (1.0, 1.05, 0.95), b0=tilted, near=0.1, near_degrees=5.0).other
    assert way((8, 9, 10), (1.0, 1.15, 0.95), b0=tilted, **near).other
    rounded = way((8, 9, 10), (1.0, 1.00001, 1.0), b0=(0.0, 1.0, 1e-5))
    assert rounded.other is None and rounded.shape == (8, 10, 9)


def test_interpolation_agrees_with_nibabel():
    """Without a change of voxel size nothing is averaged, which nibabel does not do either."""
    volume = np.random.default_rng(1).standard_normal((9, 10, 11))
    passage = way(volume.shape, (1.0, 1.0, 1.0), b0=OBLIQUE)
    assert passage.other is not None
    image = nib.Nifti1Image(volume, passage.own.affine)
    theirs = resample_from_to(image, tuple(passage.other), order=3, mode="nearest").get_fdata()
    np.testing.assert_allclose(passage.there(volume), theirs, atol=1e-9)
    assert np.abs(theirs).max() > 1


def test_larger_voxels_are_averages():
    """Of white noise little more than the half is left that a mean of four values leaves."""
    noise = np.random.default_rng(2).standard_normal((80, 80, 20))
    found = way(noise.shape, (0.5, 0.5, 1.0)).there(noise)[2:-2, 2:-2, 2:-2]
    assert 0.5 < found.std() < 0.7
    ones = way(noise.shape, (0.5, 0.5, 1.0)).there(np.ones(noise.shape))
    np.testing.assert_allclose(ones, 1, atol=1e-9)


def test_what_lies_outside_a_mask_does_not_reach_into_it():
    position = from_centre((40, 40, 10), (0.5, 0.5, 2.0))
    mask = shell(position, -1, 8)
    passage = way(mask.shape, (0.5, 0.5, 2.0))
    wild = np.where(mask, 1.0, 1e3)
    inside = passage.mask_there(mask)
    np.testing.assert_allclose(passage.there(wild, mask)[inside], 1, atol=1e-6)
    assert passage.there(wild)[inside].max() > 2
    outside = np.where(inside, 1.0, -1e3)
    np.testing.assert_allclose(passage.back(outside, inside)[mask], 1, atol=1e-6)


def test_linear_interpolation_stays_between_its_values():
    step = np.zeros((12, 12, 6))
    step[6:] = 1
    passage = way((20, 20, 6), (0.6, 0.6, 1.0))
    assert passage.shape == (13, 13, 6)
    small = np.zeros(passage.shape)
    small[6:] = 1
    linear = passage.back(small, order=regrid.LINEAR)
    assert 0 <= linear.min() and linear.max() <= 1
    assert passage.back(small).max() > 1.01
