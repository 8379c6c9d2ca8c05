"""Synthetic subjects on disk: as a TFDS data set, or in a format that users have."""

import dataclasses
from pathlib import Path

from mrjax.data import builders, export, synthetic


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """Which subjects are made.

    Attributes:
        numbers: of training and of held-out subjects.
        volume: edge of a brain's volume [voxels of 1 mm].
        shape: rows and columns of a knee [pixels].
        coils: receive coils of a knee.
        seeds: of the streams data and noise.
        patch: edge of a patch [voxels], for ``qsmnet_hdf5``.
        patches: along x, y and z, for ``qsmnet_hdf5``.
    """

    numbers: tuple[int, int]
    volume: int
    shape: tuple[int, int]
    coils: int
    seeds: tuple[int, ...]
    patch: int
    patches: tuple[int, int, int]


def build(name: str, folder: Path, asked: Asked) -> Path:
    """Build a TFDS data set.

    Args:
        name: ``qsm_brain`` or ``knee_slices``.
        folder: to write into.
        asked: which subjects.

    Returns:
        The folder of the data set.

    Raises:
        UserError: the folder cannot be written.
    """
    names = ("n_train", "n_test", "seed_data", "seed_noise")
    common = dict(zip(names, asked.numbers + asked.seeds, strict=True))
    if name == "qsm_brain":
        return builders.build(folder, builders.Brains(volume=asked.volume, **common))
    rows, columns = asked.shape
    knees = builders.Knees(rows=rows, columns=columns, coils=asked.coils, **common)
    return builders.build(folder, knees)


def write(name: str, folder: Path, asked: Asked) -> Path:
    """Write subjects in a format that users have.

    Args:
        name: of the format.
        folder: to write into; it must be empty or absent.
        asked: which subjects.

    Returns:
        The folder.

    Raises:
        UserError: the folder is not empty or cannot be written.
    """
    export.require_empty(folder)  # before subjects are made
    if name in export.SLICE_FORMATS:
        knees = synthetic.knee_split(*asked.numbers, asked.shape, asked.coils, *asked.seeds)
        export.write_slices(name, knees, folder)
    else:
        brains = synthetic.synthetic_split(*asked.numbers, asked.volume, *asked.seeds)
        export.write(name, brains, folder, patch=asked.patch, per_axis=asked.patches)
    return folder
