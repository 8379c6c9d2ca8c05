"""The files of a breast run: PNG figures for people, NIfTI volumes for programs."""

from collections.abc import Sequence

from mrjax import metrics
from mrjax.arrays import DcePatient
from mrjax.data.formats.dce_nifti import write_volume
from mrjax.runs.folder import RunFolder
from mrjax.tasks.breast.evaluate import Outputs, masks
from mrjax.tasks.breast.figures import figure


def write(folder: RunFolder, patients: Sequence[DcePatient], found: Sequence[Outputs]) -> None:
    """Write a figure, the masks and the network's probability for every held-out patient.

    Args:
        folder: run folder, which gets ``images/<patient>.png``,
            ``predictions/<patient>_<method>_mask.nii.gz`` and
            ``predictions/<patient>_network_probability.nii.gz``.
        patients: held-out patients.
        found: outputs of all methods for each patient.
    """
    for patient, outputs in zip(patients, found, strict=True):
        _write(folder, patient, outputs)


def _write(folder: RunFolder, patient: DcePatient, outputs: Outputs) -> None:
    segmented = masks(outputs)
    scores = [
        f"{name} {metrics.dice(mask, patient.mask):.3f}"
        for name, mask in segmented.items()
        if patient.mask is not None
    ]
    title = f"{patient.name}: Dice {', '.join(scores)}" if scores else patient.name
    figure(folder.images / f"{patient.name}.png", patient, segmented, title)
    for method, mask in segmented.items():
        write_volume(folder.predictions / f"{patient.name}_{method}_mask.nii.gz", mask, patient)
    path = folder.predictions / f"{patient.name}_network_probability.nii.gz"
    write_volume(path, outputs["network"], patient)
