"""The vocabulary of shapes, and the record of one subject of each task.

Axes are written ``x y z`` for volumes, ``row column`` for images, ``coil`` for receive coils;
batches come first, channels last.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Complex, Float, Inexact, Integer

Vector = tuple[float, float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """The voxel grid of a NIfTI file, kept so that results are written on it as it was.

    Attributes:
        qform: voxel indices to the first frame's space [unit], or None where the file has none.
        qform_code: what it leads to; 0 for none.
        sform: the same of the second frame.
        sform_code: the same of the second frame.
        voxel_size: edge lengths [unit].
        unit: of lengths in the header: mm, meter, micron or unknown.
        turned: nibabel's orientation of the subject's axes relative to the file's, or None where
            the subject keeps the file's axes.
    """

    qform: Float[np.ndarray, "4 4"] | None
    qform_code: int
    sform: Float[np.ndarray, "4 4"] | None
    sform_code: int
    voxel_size: tuple[float, ...]
    unit: str
    turned: Float[np.ndarray, "3 2"] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Regions:
    """Regions of a subject, such as the deep grey nuclei; used for evaluation alone.

    Attributes:
        labels: number of the region of each voxel; 0 outside all regions.
        names: number -> name, for the regions that have one.
    """

    labels: Integer[np.ndarray, "x y z"]
    names: Mapping[int, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class QsmSubject:
    """One subject of quantitative susceptibility mapping, in the units used inside mrjax.

    Attributes:
        name: unique within a data set.
        field: local field relative to B0 [ppm], zero outside the mask.
        chi: susceptibility [ppm], or None where no reference exists.
        mask: True inside the brain.
        voxel_size: edge lengths of a voxel [mm].
        b0_direction: unit vector of the main field in voxel axes.
        affine: map from voxel indices to scanner coordinates [mm], kept so that results can be
            laid over the original file; None where the source has none.
        grid: of the file that the field came from; None where it is no NIfTI file.
        regions: whose means are reported; None where no segmentation exists.
    """

    name: str
    field: Float[np.ndarray, "x y z"]
    chi: Float[np.ndarray, "x y z"] | None
    mask: Bool[np.ndarray, "x y z"]
    voxel_size: Vector = (1.0, 1.0, 1.0)
    b0_direction: Vector = (0.0, 0.0, 1.0)
    affine: Float[np.ndarray, "4 4"] | None = None
    grid: Grid | None = None
    regions: Regions | None = None

    @property
    def reference(self) -> Float[np.ndarray, "x y z"] | None:
        """The true output of a network, which is `chi`."""
        return self.chi


@dataclasses.dataclass(frozen=True, kw_only=True)
class SenseSlice:
    """One slice of a multi-coil Cartesian acquisition; readout along rows, phase along columns.

    Attributes:
        name: unique within a data set.
        kspace: samples, the zero frequency at index n // 2; zero where nothing was acquired.
        maps: coil sensitivity maps.
        reference: image of the fully sampled k-space, complex or its magnitude, or None where it is
            not known.
        mask: the acquired columns, where the data set fixes them; None where a fully sampled
            k-space is to be undersampled afterwards.
        volume: name of the volume or patient whose slice it is; "" for a slice of its own.
        shown: rows and columns in the middle of its image that count, where the file says so and
            k-space has more; None for all.
    """

    name: str
    kspace: Complex[np.ndarray, "coil row column"]
    maps: Complex[np.ndarray, "coil row column"]
    reference: Inexact[np.ndarray, "row column"] | None
    mask: Bool[np.ndarray, " column"] | None = None
    volume: str = ""
    shown: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class DcePatient:
    """One dynamic contrast-enhanced series; x to the right, y to the front, axial slices along z.

    Attributes:
        name: unique within a data set.
        signal: image intensity in arbitrary units.
        times: time of each volume [s], rising.
        mask: True inside the breasts, or None where no reference exists.
        voxel_size: edge lengths of a voxel [mm].
        affine: map from voxel indices to scanner coordinates [mm], or None where the source has
            none.
        grid: of the file that the series came from; None where it is no NIfTI file.
    """

    name: str
    signal: Float[np.ndarray, "x y z t"]
    times: Float[np.ndarray, " t"]
    mask: Bool[np.ndarray, "x y z"] | None
    voxel_size: Vector = (1.0, 1.0, 1.0)
    affine: Float[np.ndarray, "4 4"] | None = None
    grid: Grid | None = None

    @property
    def reference(self) -> Bool[np.ndarray, "x y z"] | None:
        """The true output of a network, which is `mask`."""
        return self.mask
