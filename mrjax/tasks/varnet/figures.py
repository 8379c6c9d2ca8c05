"""Pictures of a VarNet run."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.runs import pictures

TITLES = {"zero_filled": "zero-filled", "cg_sense": "CG-SENSE", "network": "network"}
ERROR_SCALE = 5
Images = Mapping[str, np.ndarray]


def figure(path: Path, one: SenseSlice, images: Images) -> None:
    """Write a PNG: magnitudes of each method and the reference, below them the errors x 5.

    Args:
        path: file to write.
        one: gives reference and title.
        images: method to complex image [row column].
    """
    shown = {TITLES[name]: np.abs(images[name]) for name in TITLES}
    if one.reference is not None:
        shown["reference"] = np.abs(one.reference)
    top = float(np.max(shown.get("reference", shown["network"])))
    lines = 2 if one.reference is not None else 1
    drawn = pictures.figure(2.4 * len(shown) + 0.8, 2.6 * lines + 0.4)
    axes = drawn.subplots(lines, len(shown), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    drawing = None
    for axis, (title, image) in zip(axes[0], shown.items(), strict=True):
        drawing = axis.imshow(image / top, cmap="gray", vmin=0, vmax=1)
        axis.set_title(title, fontsize=10)
    if one.reference is not None:
        for axis, (title, image) in zip(axes[1], shown.items(), strict=True):
            if title != "reference":
                error = ERROR_SCALE * np.abs(image - shown["reference"]) / top
                axis.imshow(error, cmap="gray", vmin=0, vmax=1)
                axis.set_title(f"error x {ERROR_SCALE}", fontsize=9)
    assert drawing is not None
    drawn.colorbar(drawing, ax=axes, shrink=0.6, label="magnitude / largest of the reference")
    drawn.suptitle(one.name, fontsize=11)
    drawn.savefig(path, dpi=110, metadata={"Software": None})
