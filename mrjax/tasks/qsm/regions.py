"""Means of susceptibility maps over regions, such as the deep grey nuclei of held-out subjects."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.runs import atomic
from mrjax.tasks import records
from mrjax.tasks.qsm.evaluate import Maps, demeaned

COLUMNS = ("subject", "label", "name", "method", "voxels", "mean", "std")
REFERENCE = "reference"
Row = tuple[str, int, str, str, int, float | None, float | None]
"""Values in the order of `COLUMNS`; mean and std are None for a region without a voxel."""


def rows(subject: QsmSubject, maps: Maps) -> Iterator[Row]:
    """Return the mean and the spread of every map in every region of a subject.

    A field determines a susceptibility map up to a constant, so values are relative to the map's
    mean over the mask, the reference's too. Voxels outside the mask do not count.

    Args:
        subject: a subject with regions.
        maps: method -> map [ppm].

    Yields:
        One row for each region and map, in the order of the labels; std is the standard deviation
        over the voxels (of the population), mean and std in ppm.
    """
    assert subject.regions is not None
    labels, names = subject.regions.labels, subject.regions.names
    known = np.unique(labels)
    known = known[known != 0]
    of_voxels = np.searchsorted(known, labels[inside := subject.mask & (labels != 0)])
    all_maps = {**maps, **({} if subject.chi is None else {REFERENCE: subject.chi})}
    found = {
        method: _moments(demeaned(chi, subject.mask)[inside], of_voxels, len(known))
        for method, chi in all_maps.items()
    }
    for place, label in enumerate(known.tolist()):
        for method, moments in found.items():
            yield (subject.name, label, names.get(label, ""), method, *moments[place])


def _moments(
    values: np.ndarray, regions: np.ndarray, count: int
) -> list[tuple[int, float | None, float | None]]:
    """Return voxels, mean and standard deviation of the values in each of `count` regions."""
    voxels = np.bincount(regions, minlength=count)
    some = np.maximum(voxels, 1)
    means = np.bincount(regions, values, count) / some
    spreads = np.sqrt(np.bincount(regions, np.square(values - means[regions]), count) / some)
    return [
        (n, mean, std) if n else (0, None, None)
        for n, mean, std in zip(voxels.tolist(), means.tolist(), spreads.tolist(), strict=True)
    ]


def write(path: Path, subjects: Sequence[QsmSubject], maps: Sequence[Maps]) -> None:
    """Write the means of all regions; nothing where no subject has regions.

    Args:
        path: the CSV file, whose columns are `COLUMNS`.
        subjects: held-out subjects.
        maps: for each subject, method -> map [ppm].
    """
    pairs = [(s, m) for s, m in zip(subjects, maps, strict=True) if s.regions is not None]
    if not pairs:
        return
    into = io.StringIO()
    writer = csv.writer(into, lineterminator="\n")
    writer.writerow(COLUMNS)
    for subject, found in pairs:
        writer.writerows(rows(subject, found))
    atomic.write_text(path, into.getvalue())
    records.say(f"means of regions: {path}")
