"""The files of a QSM run: PNG figures for people, NIfTI volumes and a table for programs."""

from collections.abc import Mapping, Sequence

import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data.formats.nifti import write_nifti
from mrjax.runs.folder import RunFolder
from mrjax.tasks.qsm import regions
from mrjax.tasks.qsm.figures import figure


def write(
    folder: RunFolder, subjects: Sequence[QsmSubject], maps: Sequence[Mapping[str, np.ndarray]]
) -> None:
    """Write a figure and the maps of all methods for every held-out subject, and regional means.

    Args:
        folder: run folder, which gets ``images/<subject>.png``,
            ``predictions/<subject>_<method>_Chimap.nii.gz`` [ppm] and, where a subject has regions,
            ``regions.csv``.
        subjects: held-out subjects.
        maps: for each subject, method -> map [ppm].
    """
    for subject, found in zip(subjects, maps, strict=True):
        shown = {name: found[name] for name in ("network", "tkd")}
        figure(folder.images / f"{subject.name}.png", subject, shown)
        for method, chi in found.items():
            path = folder.predictions / f"{subject.name}_{method}_Chimap.nii.gz"
            place = (subject.voxel_size, subject.b0_direction, subject.affine)
            write_nifti(path, chi, *place, grid=subject.grid)
    regions.write(folder.regions, subjects, maps)
