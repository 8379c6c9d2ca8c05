"""Which volumes lie on one grid, judged by nibabel's own turning and by coordinates."""

import types

import nibabel as nib
import numpy as np
import pytest

from mrjax.data.intake import Intake
from mrjax.data.plausible import places
from mrjax.errors import UserError

SHAPE = (9, 11, 8)
TILT = np.linalg.qr(np.random.default_rng(12).normal(size=(3, 3)))[0]
TILTED = np.eye(4)
TILTED[:3, :3] = TILT * (0.7, 1.0, 2.0)
TILTED[:3, 3] = (-30, 12, 5)
INSIDE = np.random.default_rng(0).random(SHAPE).astype(np.float32)


def placed(affine, volume=INSIDE, codes=(1, 0), qform=None) -> types.SimpleNamespace:
    """A file with an sform, and a qform where one is given; codes of both."""
    made = nib.Nifti1Image(volume, None).header
    made.set_zooms((1.0, 1.0, 1.0))
    if qform is not None:
        made.set_qform(qform, codes[1])
    if affine is not None:
        made.set_sform(affine, codes[0])
    made.set_xyzt_units("mm")
    return types.SimpleNamespace(path="b.nii", volume=volume, header=made, raw=made)


def moved(affine, by: float) -> np.ndarray:
    found = affine.copy()
    found[:3, 3] += by
    return found


def turned(affine=TILTED, volume=INSIDE, to: str = "RAS") -> types.SimpleNamespace:
    """The same voxels with other axes in the file, by nibabel."""
    image = nib.Nifti1Image(volume, affine)
    axes = nib.orientations.axcodes2ornt(tuple(to))
    turn = nib.orientations.ornt_transform(nib.io_orientation(affine), axes)
    other = image.as_reoriented(turn)
    return placed(other.affine, np.asarray(other.dataobj))


def test_volumes_lie_together_to_a_twentieth_of_a_voxel():
    first = placed(TILTED)
    near = places.turned_onto(placed(moved(TILTED, 0.01)), first, Intake())
    np.testing.assert_array_equal(near, INSIDE)
    mirrored = TILTED @ np.diag([1, -1, -1, 1.0])
    for elsewhere in (moved(TILTED, 0.2), mirrored):
        with pytest.raises(UserError, match="lies elsewhere than"):
            places.turned_onto(placed(elsewhere), first, Intake())
    intake = Intake()
    places.turned_onto(placed(None), first, intake)
    assert "names no frame; one grid is assumed" in intake.notes[-1]


@pytest.mark.parametrize("to", ["RAS", "LPS", "ASR", "SLP", "PIL"])
def test_a_mask_with_other_axes_is_turned_and_its_place_is_checked(to):
    first = placed(TILTED)
    found = places.turned_onto(turned(to=to), first, Intake())
    np.testing.assert_array_equal(found, INSIDE)
    with pytest.raises(UserError, match="lies elsewhere than"):
        places.turned_onto(turned(moved(TILTED, 50), to=to), first, Intake())


def test_a_cube_with_other_axes_is_turned_too():
    """Equal shapes do not mean equal axes."""
    cube = np.random.default_rng(1).random((9, 9, 9)).astype(np.float32)
    first = placed(TILTED, cube)
    for to in ("RAS", "LPI", "SRA"):
        found = places.turned_onto(turned(volume=cube, to=to), first, Intake())
        np.testing.assert_array_equal(found, cube)


@pytest.mark.parametrize("code", [1, 2])
def test_a_mask_that_nibabel_wrote_with_the_affine_of_the_field_lies_on_it(code):
    """nibabel's affine is the sform, and it writes it to both frames with codes of its own."""
    first = placed(moved(TILTED, 4), codes=(2, 1), qform=TILTED)
    mask = placed(moved(TILTED, 4), codes=(code, 0))
    np.testing.assert_array_equal(places.turned_onto(mask, first, Intake()), INSIDE)
    neither = placed(moved(TILTED, 9), codes=(code, 0))
    with pytest.raises(UserError, match="lies elsewhere than"):
        places.turned_onto(neither, first, Intake())


def test_another_shape_is_left_to_the_check_of_shapes():
    small = placed(TILTED, INSIDE[:-1])
    assert places.turned_onto(small, placed(TILTED), Intake()).shape == (8, 11, 8)


def test_equal_shapes_do_not_make_up_for_axes_that_differ():
    """The mask's first axis runs along the field's second, which has another length."""
    first = placed(np.diag([1, 1.2, 1.5, 1]))
    swapped = np.array([[0, 1.2, 0, -12], [1, 0, 0, -10], [0, 0, 1.5, -9], [0, 0, 0, 1.0]])
    with pytest.raises(UserError, match="lies elsewhere than"):
        places.turned_onto(placed(swapped), first, Intake())


def test_rounding_at_45_degrees_moves_no_mask():
    def oblique(degrees):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])

    one, other = oblique(44.99), oblique(45.01)
    assert not np.array_equal(nib.io_orientation(one), nib.io_orientation(other))
    found = places.turned_onto(placed(one), placed(other), Intake())
    np.testing.assert_array_equal(found, INSIDE)
