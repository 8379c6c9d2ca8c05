"""Files of a QSM run for people (PNG) and programs (NIfTI)."""

from collections.abc import Mapping, Sequence

import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data.formats.nifti import write_nifti
from mrjax.runs.folder import RunFolder
from mrjax.tasks.qsm.figures import figure


def write(
    folder: RunFolder, subjects: Sequence[QsmSubject], maps: Sequence[Mapping[str, np.ndarray]]
) -> None:
    """Write a figure and the network's and the classical maps of every held-out subject.

    Args:
        folder: gets ``images/<subject>.png`` and
            ``predictions/<subject>_<method>_Chimap.nii.gz`` [ppm].
        subjects: held-out subjects.
        maps: per subject, method to map [ppm].
    """
    folder.images.mkdir(exist_ok=True)
    folder.predictions.mkdir(exist_ok=True)
    for subject, found in zip(subjects, maps, strict=True):
        shown = {name: found[name] for name in ("network", "tkd")}
        figure(folder.images / f"{subject.name}.png", subject, shown)
        for method, chi in found.items():
            path = folder.predictions / f"{subject.name}_{method}_Chimap.nii.gz"
            place = (subject.voxel_size, subject.b0_direction, subject.affine)
            write_nifti(path, chi, *place, grid=subject.grid)
