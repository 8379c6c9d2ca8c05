"""Cubic patches of QSM volumes, on the authors' grid, cut out when asked for."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int

from mrjax.arrays import QsmSubject
from mrjax.errors import UserError

Batch = dict[str, Float[np.ndarray, "batch p p p 1"]]
Patch = dict[str, Float[np.ndarray, "p p p 1"]]


def patch_corners(
    shape: Sequence[int], patch: int, per_axis: int | Sequence[int]
) -> Int[np.ndarray, "n 3"]:
    """Lower corners of the patches of one volume, on the authors' grid.

    Along an axis of N voxels the n corners are 0, s, 2s, ... with s = (N - patch) // (n - 1);
    up to n - 2 voxels at the far end stay uncovered, as in the authors' script. Where s is 0 all
    corners would be the same one: it is given once.

    Args:
        shape: three lengths [voxels].
        patch: edge of the cubic patch [voxels].
        per_axis: number of patches along each axis, one for all or one each.

    Returns:
        Corners [voxels], x slowest, z fastest.

    Raises:
        UserError: a volume smaller than the patch.
        ValueError: fewer than one patch an axis, or not three axes.

    Source: SNU-LIST/QSMnet, Code/training_data_patch.py (there n = [6, 8, 7] of 64 voxels).
    """
    counts = [per_axis] * 3 if isinstance(per_axis, int) else list(per_axis)
    if len(shape) != 3 or len(counts) != 3 or min(counts) < 1:
        raise ValueError(f"three axes and at least one patch each, not {shape} and {per_axis}")
    if min(shape) < patch:
        raise UserError(
            f"a volume of {_times(shape)} voxels is smaller than a patch of {patch}^3; "
            "expected every axis at least as long as the patch; lower --patch"
        )
    axes = [_axis_corners(n, patch, count) for n, count in zip(shape, counts, strict=True)]
    return np.array(list(itertools.product(*axes)), dtype=np.int64)


def _axis_corners(length: int, patch: int, count: int) -> list[int]:
    stride = (length - patch) // (count - 1) if count > 1 else 0
    return [i * stride for i in range(count)] if stride else [0]


class Patches:
    """All patches of some subjects.

    A patch is cut out when it is asked for, so that the volumes are held in memory only once.

    Patch i counts through the subjects in their order, and through each volume's corners in the
    order of `patch_corners`.
    """

    def __init__(
        self, subjects: Sequence[QsmSubject], patch: int, per_axis: int | Sequence[int]
    ) -> None:
        """Lay the grid over every subject.

        Args:
            subjects: training subjects, each with chi; volumes may differ in shape.
            patch: edge of a patch [voxels].
            per_axis: patches along each axis of a volume.

        Raises:
            UserError: a subject without chi, or smaller than the patch.
        """
        self.patch = patch
        self._volumes = [{"field": s.field, "chi": chi_of(s), "mask": s.mask} for s in subjects]
        corners = [patch_corners(s.mask.shape, patch, per_axis) for s in subjects]
        self._places = [
            (volume, slice(x, x + patch), slice(y, y + patch), slice(z, z + patch))
            for volume, rows in enumerate(corners)
            for x, y, z in rows.tolist()
        ]

    def __len__(self) -> int:
        """Number of patches of all subjects together."""
        return len(self._places)

    def get(self, index: int) -> Patch:
        """One patch.

        Args:
            index: 0 <= index < len.

        Returns:
            float32 arrays [p p p 1]: `field` and `chi` [ppm], `mask` 0 or 1.
        """
        return {name: array[0] for name, array in self.stack([index]).items()}

    def stack(self, indices: Iterable[int]) -> Batch:
        """Several patches as one batch, copied from the volumes once.

        Args:
            indices: which patches, in this order.

        Returns:
            float32 arrays [b p p p 1]: `field` and `chi` [ppm], `mask` 0 or 1.
        """
        places = [self._places[i] for i in indices]
        shape = (len(places), self.patch, self.patch, self.patch, 1)
        batch = {name: np.empty(shape, np.float32) for name in ("field", "chi", "mask")}
        for row, (volume, *box) in enumerate(places):
            for name, array in self._volumes[volume].items():
                batch[name][row, ..., 0] = array[tuple(box)]
        return batch


def chi_of(subject: QsmSubject) -> Float[np.ndarray, "x y z"]:
    """The susceptibility map [ppm] of a subject; UserError if the subject has none."""
    if subject.chi is None:
        raise UserError(
            f"subject {subject.name} has no susceptibility map; "
            "expected one to train on; add its file or leave the subject out"
        )
    return subject.chi


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(int(n)) for n in shape)
