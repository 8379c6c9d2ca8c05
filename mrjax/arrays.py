"""Shape vocabulary and the record of one QSM subject.

Axes are written ``x y z`` for volumes, ``row column`` for images, ``coil`` for receive coils;
batches come first, channels last.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

Vector = tuple[float, float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class QsmSubject:
    """One subject of quantitative susceptibility mapping, in the units used inside mrjax.

    Attributes:
        name: unique within a data set.
        field: local field relative to B0 [ppm], zero outside the mask.
        chi: susceptibility [ppm], or None where no reference exists.
        mask: True inside the brain.
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.
        affine: voxel indices to scanner coordinates [mm], kept so that results can be laid over
            the file they came from; None where the source has none.
    """

    name: str
    field: Float[np.ndarray, "x y z"]
    chi: Float[np.ndarray, "x y z"] | None
    mask: Bool[np.ndarray, "x y z"]
    voxel_size: Vector = (1.0, 1.0, 1.0)
    b0_direction: Vector = (0.0, 0.0, 1.0)
    affine: Float[np.ndarray, "4 4"] | None = None
