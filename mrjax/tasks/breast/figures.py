"""Pictures of a breast run: masks on slices of one patient, and boxes over all repetitions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.arrays import DcePatient

COLOURS = {"truth": "tab:green", "network": "tab:red", "threshold": "tab:cyan"}
ROWS = 3


def shown_slices(patient: DcePatient) -> list[int]:
    """Up to three slices, spread over those with breast, or over all where that is not known."""
    candidates = np.arange(patient.signal.shape[2])
    if patient.mask is not None:
        candidates = np.flatnonzero(patient.mask.any((0, 1)))
    places = np.linspace(0, len(candidates) - 1, ROWS + 2)[1:-1]
    return sorted({int(candidates[round(p)]) for p in places})


def figure(path: Path, patient: DcePatient, masks: Mapping[str, np.ndarray], title: str) -> None:
    """Write a PNG: rows are slices; columns the early volume, then each mask's outline on it.

    Args:
        path: file to write.
        patient: gives images and, where it has one, the true mask.
        masks: method to mask [x y z].
        title: over all.
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
            # Seen from below, the front upwards: how axial slices are shown.
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
    """Write a PNG: one box over patients for each repetition, the threshold's beside them.

    Args:
        path: file to write.
        values: per repetition the Dice of every patient.
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
    # Figure without pyplot: no global state, no window system.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if size is not None:
        drawn = Figure(figsize=size, layout="constrained")
    else:  # images need no search for a layout, which would take most of the time
        height = edge * rows + 0.6
        drawn = Figure(figsize=(edge * columns, height))
        drawn.subplots_adjust(0, 0, 1, 1 - 0.6 / height, wspace=0.03, hspace=0.03)
    FigureCanvasAgg(drawn)
    return drawn, drawn.subplots(rows, columns, squeeze=False)
