"""Whether two NIfTI volumes lie on one grid, whichever way their axes run in their files."""

from typing import Any, NamedTuple, Protocol

import nibabel as nib
import numpy as np

from mrjax.data.intake import Intake
from mrjax.data.plausible.frames import Frame, usable
from mrjax.errors import UserError

_LARGEST_SHIFT = 0.05
"""Distance of two grids that count as one [voxels]."""


class Placed(Protocol):
    """A volume with its header."""

    @property
    def path(self) -> object: ...  # noqa: D102
    @property
    def volume(self) -> np.ndarray: ...  # noqa: D102
    @property
    def header(self) -> Any: ...  # noqa: D102
    @property
    def raw(self) -> Any: ...  # noqa: D102


class Upright(NamedTuple):
    """A grid whose axes were turned to the right, the front and the top.

    Attributes:
        turn: from the axes of the file, as nibabel's orientations have it.
        affine: of the turned volume [mm].
        shape: of the turned volume.
    """

    turn: np.ndarray
    affine: np.ndarray
    shape: tuple[int, ...]


def upright(affine: np.ndarray, shape: tuple[int, ...]) -> Upright:
    """A grid turned by whole quarter turns and flips."""
    turn = nib.orientations.io_orientation(affine)
    turned = affine @ nib.orientations.inv_ornt_aff(turn, shape)
    lengths = [0, 0, 0]
    for axis, (target, _) in enumerate(turn):
        lengths[int(target)] = shape[axis]
    return Upright(turn, turned, tuple(lengths))


def turned_onto(other: Placed, first: Placed, intake: Intake) -> np.ndarray:
    """A volume with the axes of another one that it must lie on.

    Both grids are turned upright by frames that can be compared: those of one name or of one
    code. Headers of one scan differ by rounding, so a twentieth of a voxel is allowed at the
    corners.

    Args:
        other: a mask or map; one whose shape is another, turned or not, is returned as it is,
            since shapes are compared elsewhere.
        first: what it must lie on.
        intake: the run's account.

    Returns:
        The volume of `other` in the axes of the file of `first`.

    Raises:
        UserError: it lies elsewhere by every pair of frames that can be compared, or one has no
            frame that can be used.
    """
    shape, own_shape = first.volume.shape[:3], other.volume.shape
    if len(own_shape) != 3:
        return other.volume
    frames = usable(first.path, first.header, first.raw, intake)
    own = usable(other.path, other.header, other.raw, intake)
    if own[0].code == 0 or frames[0].code == 0:
        if own[0].code != frames[0].code:
            intake.note(f"one of {other.path} and {first.path} names no frame; one grid is assumed")
        return other.volume
    comparable = _comparable(own, frames)
    pairs = [
        (upright(mine.affine, own_shape), upright(its.affine, shape)) for mine, its in comparable
    ]
    fitting = [(mine, its) for mine, its in pairs if mine.shape == its.shape]
    if not fitting:
        # Of axes near 45 degrees, rounding alone decides how they are turned.
        shifts = [_shift(mine.affine, its.affine, shape) for mine, its in comparable]
        if own_shape == shape and min(shifts) > _LARGEST_SHIFT:
            raise _elsewhere(other, first)
        return other.volume
    mine, its = min(fitting, key=lambda pair: _shift(pair[0].affine, pair[1].affine, pair[1].shape))
    if _shift(mine.affine, its.affine, its.shape) > _LARGEST_SHIFT:
        raise _elsewhere(other, first)
    back = nib.orientations.ornt_transform(mine.turn, its.turn)
    return nib.orientations.apply_orientation(other.volume, back)


def _comparable(own: list[Frame], frames: list[Frame]) -> list[tuple[Frame, Frame]]:
    """Pairs of frames that should agree; all of them where no names or codes are equal."""
    pairs = [(mine, its) for mine in own for its in frames]
    alike = [(m, i) for m, i in pairs if m.name == i.name or m.code == i.code]
    return alike or pairs


def _elsewhere(other: Placed, first: Placed) -> UserError:
    return UserError(
        f"{other.path} lies elsewhere than {first.path}; expected equal affines; "
        "resample it to that grid"
    )


def _shift(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Largest distance between the corners of two grids of one shape [voxels of the other]."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape], (1,))).reshape(4, -1)
    apart = np.linalg.inv(other) @ one @ corners - corners
    return float(np.sqrt((apart**2).sum(axis=0)).max())
