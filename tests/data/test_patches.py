"""Patches: the authors' grid, the cut, and that volumes are held once."""

import dataclasses

import numpy as np
import pytest

from mrjax.arrays import QsmSubject
from mrjax.data.patches import Patches, patch_corners
from mrjax.errors import UserError


def subject(shape=(12, 10, 9), name="a", start=0) -> QsmSubject:
    count = int(np.prod(shape))
    field = np.arange(start, start + count, dtype=np.float32).reshape(shape)
    return QsmSubject(name=name, field=field, chi=-field, mask=field % 2 == 0)


def test_corners_are_those_of_the_authors_script():
    corners = patch_corners((176, 224, 144), 64, (6, 8, 7))
    slow = []
    for i in range(6):
        for j in range(8):
            for k in range(7):
                slow.append((i * (112 // 5), j * (160 // 7), k * (80 // 6)))
    assert corners.tolist() == [list(c) for c in slow]


@pytest.mark.parametrize(
    ("shape", "per_axis", "corners"),
    [((12, 12, 12), 1, 1), ((8, 8, 8), 5, 1), ((9, 8, 16), (2, 4, 3), 2 * 1 * 3)],
)
def test_one_patch_and_repeated_corners_are_given_once(shape, per_axis, corners):
    found = patch_corners(shape, 8, per_axis)
    assert len(found) == corners == len({tuple(row) for row in found.tolist()})
    assert found[0].tolist() == [0, 0, 0]


def test_patches_stay_inside_for_every_small_shape():
    for n in range(8, 40):
        for count in range(1, 9):
            corners = patch_corners((n, n, n), 8, count)
            assert corners.min() == 0 and corners.max() + 8 <= n


def test_too_small_a_volume_is_one_line():
    with pytest.raises(UserError, match=r"12 x 10 x 3 voxels .* 8\^3; expected .*; lower --patch"):
        Patches([subject((12, 10, 3))], 8, 2)
    with pytest.raises(ValueError):
        patch_corners((8, 8), 8, 2)
    with pytest.raises(ValueError):
        patch_corners((8, 8, 8), 8, 0)


def test_get_cuts_the_right_box_of_the_right_subject():
    subjects = [subject(name="a"), subject((9, 9, 9), "b", start=5000)]
    patches = Patches(subjects, 8, (2, 2, 1))
    assert len(patches) == 4 + 4
    corners = patch_corners((9, 9, 9), 8, (2, 2, 1))
    x, y, z = corners[2]
    one = patches.get(4 + 2)
    for name, volume in (("field", subjects[1].field), ("chi", subjects[1].chi)):
        assert one[name].shape == (8, 8, 8, 1) and one[name].dtype == np.float32
        np.testing.assert_array_equal(one[name][..., 0], volume[x : x + 8, y : y + 8, z : z + 8])
    assert one["mask"].dtype == np.float32
    np.testing.assert_array_equal(
        one["mask"][..., 0] == 1, subjects[1].mask[x : x + 8, y : y + 8, z : z + 8]
    )


def test_stack_is_the_patches_in_the_order_asked_for():
    patches = Patches([subject(), subject(start=9000)], 8, 2)
    stacked = patches.stack([9, 0, 3])
    for row, index in enumerate([9, 0, 3]):
        for name, array in patches.get(index).items():
            np.testing.assert_array_equal(stacked[name][row], array)


def test_volumes_are_held_once_and_a_patch_is_a_copy():
    one = subject()
    patches = Patches([one], 8, 3)
    held = [array for volume in patches._volumes for array in volume.values()]
    assert {id(a) for a in held} == {id(one.field), id(one.chi), id(one.mask)}
    patches.get(0)["field"][:] = 7
    assert one.field[0, 0, 0] == 0


def test_a_subject_without_chi_is_one_line():
    bare = dataclasses.replace(subject(name="sub-7"), chi=None)
    with pytest.raises(UserError, match="sub-7 has no susceptibility map; expected"):
        Patches([bare], 8, 1)
