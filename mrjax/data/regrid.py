"""Volumes brought onto another grid and back: other voxel sizes, another direction of an axis.

Axes are turned and flipped first, which changes no value. Only what such turns leave over is
interpolated.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float
from nibabel.spaces import vox2out_vox
from scipy import ndimage

from mrjax.arrays import Vector

LINEAR, CUBIC = 1, 3
"""Orders of the splines that interpolate."""
_STRAIGHT = np.array([[axis, 1] for axis in range(3)])
"""nibabel's orientation of axes that stay as they are."""
_ROUNDING, _ROUNDING_DEGREES = 1e-4, 0.01
"""Headers hold float32: what differs by less is no difference."""


class Grid(NamedTuple):
    """Where the voxels of a volume lie.

    Attributes:
        shape: number of voxels along each axis.
        affine: voxel indices to the network's axes [mm].
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def voxel_size(self) -> np.ndarray:
        """Edge lengths [mm]."""
        return np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))


@dataclasses.dataclass(frozen=True)
class Passage:
    """The way of a volume onto another grid, and back.

    Attributes:
        turn: nibabel's orientation, from the axes of the volume to those most like the other's.
        own: the volume's grid with turned axes.
        other: the grid it is interpolated onto; None where turning its axes suffices.
    """

    turn: np.ndarray
    own: Grid
    other: Grid | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the volume on the other grid."""
        return (self.other or self.own).shape

    def there(
        self, volume: Float[np.ndarray, "x y z"], inside: np.ndarray | None = None
    ) -> np.ndarray:
        """Bring a volume onto the other grid, by cubic splines where it is interpolated.

        Args:
            volume: on the volume's own grid.
            inside: mask of the voxels whose values count; None: all of them. Without a mask, what
                lies outside it would leak into its outermost voxels.

        Returns:
            The volume on the other grid; outside the mask it goes on as at the mask's border.
        """
        turned = nib.orientations.apply_orientation(volume, self.turn)
        if self.other is None:
            return turned
        if inside is not None:
            inside = nib.orientations.apply_orientation(inside, self.turn)
        return _moved(_continued(turned, inside), self.own, self.other, CUBIC)

    def mask_there(self, mask: Bool[np.ndarray, "x y z"]) -> Bool[np.ndarray, "..."]:
        """Bring a mask onto the other grid: linear interpolation, cut at one half."""
        turned = nib.orientations.apply_orientation(mask, self.turn)
        if self.other is None:
            return turned
        share = _moved(turned.astype(np.float64), self.own, self.other, LINEAR, "grid-constant")
        return share >= 0.5

    def back(
        self,
        volume: Float[np.ndarray, "..."],
        inside: np.ndarray | None = None,
        order: int = CUBIC,
    ) -> Float[np.ndarray, "x y z"]:
        """Bring a volume from the other grid onto the volume's own, see `there`.

        Args:
            volume: on the other grid.
            inside: mask on the other grid, or None.
            order: of the splines; linear ones stay between the values around them.
        """
        if self.other is not None:
            volume = _moved(_continued(volume, inside), self.other, self.own, order)
        back = nib.orientations.ornt_transform(_STRAIGHT, self.turn)
        return nib.orientations.apply_orientation(volume, back)


def passage(
    shape: tuple[int, ...],
    voxel_size: Vector,
    wanted: Sequence[float],
    rotation: np.ndarray | None = None,
    *,
    near: float = 0.0,
    near_degrees: float = 0.0,
) -> Passage:
    """Plan how a volume gets other voxel sizes and, if asked for, turned axes.

    Args:
        shape: of the volume.
        voxel_size: its edge lengths [mm].
        wanted: edge lengths of the other grid [mm].
        rotation: from the axes of the volume to those of the other grid [3 3]; None: they agree.
        near: share by which edge lengths may differ from the wanted ones without interpolation.
        near_degrees: angle by which axes may differ without interpolation.

    Returns:
        The passage; its other grid begins at the volume's first voxel and covers all of it.
    """
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if rotation is None else rotation) * np.asarray(voxel_size)
    turn = nib.orientations.io_orientation(affine)
    turned = affine @ nib.orientations.inv_ornt_aff(turn, shape)
    x, y, z = (shape[int(axis)] for axis in np.argsort(turn[:, 0]))
    own = Grid((x, y, z), turned)
    larger = np.maximum(own.voxel_size / wanted, wanted / own.voxel_size)
    cosines = np.clip(np.diag(turned[:3, :3] / own.voxel_size), -1, 1)
    left = np.degrees(np.arccos(cosines.min()))
    if larger.max() <= 1 + near + _ROUNDING and left <= near_degrees + _ROUNDING_DEGREES:
        return Passage(turn, own, None)
    covering, its_affine = vox2out_vox((own.shape, turned), wanted)
    x, y, z = covering
    return Passage(turn, own, Grid((x, y, z), its_affine))


def rotation_between(own: Sequence[float], wanted: Sequence[float]) -> np.ndarray:
    """The smallest rotation [3 3] that turns one direction into another."""
    from scipy.spatial.transform import Rotation  # takes a quarter of a second to import

    return Rotation.align_vectors([wanted], [own])[0].as_matrix()


def _moved(
    volume: np.ndarray, own: Grid, other: Grid, order: int, mode: str = "nearest"
) -> np.ndarray:
    """Interpolate; where the other voxels are larger, each is an average over its size.

    A box of r voxels has a variance of (r^2 - 1) / 12 more than one voxel, and so has the Gaussian
    that averages here.
    """
    ratio = other.voxel_size / own.voxel_size
    sigma = np.sqrt(np.maximum(ratio**2 - 1, 0) / 12)
    wide = volume.astype(np.float64)
    if sigma.any():
        wide = ndimage.gaussian_filter(wide, sigma, mode=mode)
    step = np.linalg.inv(own.affine) @ other.affine
    return ndimage.affine_transform(wide, step, output_shape=other.shape, order=order, mode=mode)


def _continued(volume: np.ndarray, inside: np.ndarray | None) -> np.ndarray:
    """Give every voxel outside a mask the value of the nearest one inside."""
    if inside is None or inside.all():
        return volume
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return volume[tuple(nearest)]  # type: ignore[arg-type]
