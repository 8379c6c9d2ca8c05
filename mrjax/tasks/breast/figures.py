"""The figures of a breast run: masks on a patient's slices, and box plots of all repetitions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.arrays import DcePatient
from mrjax.runs import pictures

COLOURS = {"truth": "tab:green", "network": "tab:red", "threshold": "tab:cyan"}
ROWS = 3


def shown_slices(patient: DcePatient) -> list[int]:
    """Return up to three slices, spread over the slices with breast, or over all if not known."""
    candidates = np.arange(patient.signal.shape[2])
    if patient.mask is not None:
        candidates = np.flatnonzero(patient.mask.any((0, 1)))
    places = np.linspace(0, len(candidates) - 1, ROWS + 2)[1:-1]
    return sorted({int(candidates[round(p)]) for p in places})


def figure(path: Path, patient: DcePatient, masks: Mapping[str, np.ndarray], title: str) -> None:
    """Write a PNG: rows are slices; columns are the early volume, then each mask's outline on it.

    Args:
        path: file to write.
        patient: patient, with images and perhaps the true mask.
        masks: method -> mask [x y z].
        title: title above all columns.
    """
    from mrjax.data.breast_slices import time_points  # imports jax, which box plots do without

    truth = {} if patient.mask is None else {"truth": patient.mask}
    columns: dict[str, Any] = {"early volume": None} | truth | dict(masks)
    rows = shown_slices(patient)
    drawn, axes = _canvas(len(rows), len(columns), 2.6)
    volume = patient.signal[..., time_points(patient.times.tolist())[1]]
    brightest = float(np.quantile(volume, 0.995))
    for row, z in enumerate(rows):
        for column, (name, mask) in enumerate(columns.items()):
            place = axes[row, column]
            # Axial slices are shown from below, with the front at the top.
            place.imshow(volume[:, :, z].T[::-1], cmap="gray", vmin=0, vmax=brightest)
            if mask is not None and mask[:, :, z].any() and not mask[:, :, z].all():
                outline = mask[:, :, z].T[::-1].astype(float)
                place.contour(outline, [0.5], colors=COLOURS[name], linewidths=1.2)
            place.set_axis_off()
            if row == 0:
                place.set_title(name, fontsize=10)
    drawn.suptitle(title, fontsize=11)
    drawn.savefig(path, dpi=110, metadata={"Software": None})


def boxes(path: Path, values: Sequence[Sequence[float]], baseline: Sequence[float]) -> None:
    """Write a PNG: one box over patients for each repetition, and one box for the threshold.

    Args:
        path: file to write.
        values: for each repetition the Dice of every patient.
        baseline: Dice of every patient by the tuned threshold.
    """
    from matplotlib.ticker import PercentFormatter

    drawn, axes = _canvas(1, 1, 0.0, (min(3.0 + 0.45 * len(values), 24.0), 4.2))
    place = axes[0, 0]
    labels = [*(f"Rep.{r + 1:02d}" for r in range(len(values))), "threshold"]
    place.boxplot([*values, baseline], tick_labels=labels)
    place.set_ylabel("Dice over patients")
    place.yaxis.set_major_formatter(PercentFormatter(1.0))
    place.tick_params(axis="x", rotation=90)
    place.grid(axis="y", alpha=0.4)
    drawn.savefig(path, dpi=110, metadata={"Software": None})


def _canvas(
    rows: int, columns: int, edge: float, size: tuple[float, float] | None = None
) -> tuple[Any, Any]:
    if size is not None:
        drawn = pictures.figure(*size)
    else:  # images need no search for a layout, which would take most of the time
        height = edge * rows + 0.6
        drawn = pictures.figure(edge * columns, height, layout=None)
        drawn.subplots_adjust(0, 0, 1, 1 - 0.6 / height, wspace=0.03, hspace=0.03)
    return drawn, drawn.subplots(rows, columns, squeeze=False)
