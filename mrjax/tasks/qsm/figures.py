"""The picture of a QSM run: truth, reconstructions and their errors in three planes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.runs import pictures

LIMIT = 0.1  # ppm, the grey scale susceptibility maps are usually shown in
TITLES = {"network": "network", "tkd": "TKD", "l2": "L2"}


def figure(path: Path, subject: QsmSubject, maps: Mapping[str, np.ndarray]) -> None:
    """Write a PNG: rows are planes; columns truth, each method, then each method's error.

    Args:
        path: file to write.
        subject: gives reference, mask and title.
        maps: method to susceptibility map [ppm], each shown without its in-mask mean.
    """
    columns = _columns(subject, maps)
    drawn = pictures.figure(1.9 * len(columns) + 0.9, 6.0)
    axes = drawn.subplots(3, len(columns), squeeze=False)
    image = None
    for column, (title, volume) in enumerate(columns.items()):
        axes[0, column].set_title(title, fontsize=10)
        for row, plane in enumerate(pictures.planes(volume, subject.mask)):
            image = axes[row, column].imshow(plane, cmap="gray", vmin=-LIMIT, vmax=LIMIT)
            axes[row, column].set_axis_off()
    if image is not None:
        drawn.colorbar(image, ax=axes, shrink=0.6, label="susceptibility [ppm]")
    drawn.suptitle(subject.name, fontsize=11)
    drawn.savefig(path, dpi=110, metadata={"Software": None})


def _columns(subject: QsmSubject, maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    mask = subject.mask
    shown = {name: _without_mean(chi, mask) for name, chi in maps.items()}
    if subject.chi is None:
        return {TITLES[name]: chi for name, chi in shown.items()}
    truth = _without_mean(subject.chi, mask)
    columns = {"truth": truth} | {TITLES[name]: chi for name, chi in shown.items()}
    return columns | {f"{TITLES[name]} - truth": chi - truth for name, chi in shown.items()}


def _without_mean(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask, x - x[mask].mean(), 0.0)
