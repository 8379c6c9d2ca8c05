"""Files of a breast run for people (PNG) and programs (NIfTI)."""

from mrjax import metrics
from mrjax.arrays import DcePatient
from mrjax.data.formats.dce_nifti import write_volume
from mrjax.runs.folder import RunFolder
from mrjax.tasks.breast.evaluate import Segmented
from mrjax.tasks.breast.figures import figure


def write(folder: RunFolder, patient: DcePatient, segmented: Segmented) -> None:
    """Write a figure, both masks and the probability of one patient."""
    scores = [
        f"{name} {metrics.dice(mask, patient.mask):.3f}"
        for name, mask in segmented.masks.items()
        if patient.mask is not None
    ]
    title = f"{patient.name}: Dice {', '.join(scores)}" if scores else patient.name
    figure(folder.images / f"{patient.name}.png", patient, segmented.masks, title)
    for method, mask in segmented.masks.items():
        write_volume(folder.predictions / f"{patient.name}_{method}_mask.nii.gz", mask, patient)
    path = folder.predictions / f"{patient.name}_network_probability.nii.gz"
    write_volume(path, segmented.probability, patient)
