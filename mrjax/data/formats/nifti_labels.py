"""Segmentations beside NIfTI subjects (BIDS `_dseg`, or `labels`), for the means of regions.

They serve the evaluation alone, so a segmentation that cannot be used stops no run: the run's
account says why, and there are no means of its regions.

Source: bids-specification.readthedocs.io, "Segmentations" and "The Inheritance Principle".
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mrjax.arrays import Regions
from mrjax.data.formats import found, nifti_file
from mrjax.data.formats.border import times
from mrjax.data.formats.nifti_names import LABELS
from mrjax.data.intake import Intake
from mrjax.data.plausible import places
from mrjax.data.words import text
from mrjax.errors import UserError

_LARGEST = 2**31 - 1
_UNUSED = "segmentations that are not used for the means of regions, since"


def regions(path: Path, field: nifti_file.File, root: Path, intake: Intake) -> Regions | None:
    """Read the regions of a subject.

    Args:
        path: the segmentation: one integer a voxel, 0 outside all regions.
        field: the subject's field, on whose grid the segmentation must lie.
        root: folder of the data set; names are looked for in the folders down from it.
        intake: the run's account, which is told why a segmentation is not used.

    Returns:
        The regions, or None where the segmentation cannot be used.
    """
    try:
        labels = places.turned_onto(nifti_file.read(path), field, intake)
    except UserError as error:
        intake.note(f"{_UNUSED} they cannot be read or lie elsewhere", f"{path.name} ({error})")
        return None
    reason = _unusable(labels, field.volume.shape[:3])
    if reason:
        intake.note(f"{_UNUSED} {reason}", path.name)
        return None
    narrow = np.abs(labels).max() < 2**15
    return Regions(
        labels=labels.astype(np.int16 if narrow else np.int32), names=_names(path, root, intake)
    )


def _unusable(labels: np.ndarray, shape: tuple[int, ...]) -> str:
    """Say why an array is no segmentation on the field's grid; "" where it is one."""
    if labels.shape != shape:
        return f"they have {times(labels.shape)} voxels where the field has {times(shape)}"
    if not np.isfinite(labels).all() or np.any(labels != np.rint(labels)):
        return "their values are not integers (expected one label a voxel)"
    if labels.max() > _LARGEST or labels.min() < -_LARGEST:
        return f"their labels are larger than {_LARGEST}"
    return "" if labels.any() else "they are zero everywhere"


def _names(path: Path, root: Path, intake: Intake) -> dict[int, str]:
    """Return label -> name by the nearest table of labels; empty where there is none."""
    try:
        table = _table(path, root)
    except UserError as error:
        intake.note(f"names of labels are not taken from a table ({error})")
        return {}
    if table is None:
        return {}
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            # BIDS knows no quotes; a lone one would swallow the lines after it.
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        return {int(row["index"]): text(row["name"] or "") for row in rows}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        intake.note(
            f"names of labels are not taken from {table} ({type(error).__name__}); expected the "
            "columns index and name, divided by tabs"
        )
        return {}


def _table(path: Path, root: Path) -> Path | None:
    """Return the table of labels that applies to a segmentation by BIDS's rule of inheritance.

    That is the nearest one, in the segmentation's folder or above it, whose name has no word that
    the segmentation's name lacks; of several in one folder, the one with most words.
    """
    words = {*nifti_file.stem(path).split("_"), LABELS[0]}
    above = [path.parent, *path.parent.parents]
    for folder in above[: above.index(root) + 1] if root in above else above[:1]:
        fitting = [
            one
            for one in found.inside(folder, [f"{word}.tsv" for word in LABELS])
            if set(one.stem.split("_")) <= words
        ]
        if fitting:
            return max(fitting, key=lambda one: len(one.stem.split("_")))
    return None


def write_names(path: Path, names: Mapping[int, str]) -> None:
    """Write a table of labels.

    Args:
        path: ends with dseg.tsv.
        names: label -> name.
    """
    rows = [f"{label}\t{text(name)}\n" for label, name in sorted(names.items())]
    path.write_text("index\tname\n" + "".join(rows), encoding="utf-8")
