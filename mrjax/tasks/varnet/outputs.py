"""Files of a VarNet run for people (PNG) and programs (HDF5), and its metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from mrjax import metrics
from mrjax.arrays import SenseSlice
from mrjax.runs.folder import RunFolder

METRICS = ("nrmse", "ssim", "psnr")
TITLES = {"zero_filled": "zero-filled", "cg_sense": "CG-SENSE", "network": "network"}
ERROR_SCALE = 5
Images = Mapping[str, np.ndarray]


def table(
    images: Sequence[Images], slices: Sequence[SenseSlice]
) -> dict[str, dict[str, list[float]]]:
    """Metrics of magnitude images, over the whole slice, of every method.

    Args:
        images: per slice, method to complex image [row column].
        slices: in the same order; those without a reference are left out.

    Returns:
        method -> metric -> one value a slice: nrmse and ssim as fractions, psnr in dB.
    """
    rows = [
        {method: _judge(np.abs(image), np.abs(one.reference)) for method, image in found.items()}
        for found, one in zip(images, slices, strict=True)
        if one.reference is not None
    ]
    methods = rows[0] if rows else {}
    return {m: {k: [row[m][k] for row in rows] for k in METRICS} for m in methods}


def _judge(image: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    everywhere = np.ones(reference.shape, bool)
    return {k: getattr(metrics, k)(image, reference, everywhere) for k in METRICS}


def write(folder: RunFolder, slices: Sequence[SenseSlice], images: Sequence[Images]) -> None:
    """Write a figure and the complex images of every held-out slice.

    Args:
        folder: gets ``images/<slice>.png`` and ``predictions/<slice>.h5``, complex64 datasets
            `network`, `zero_filled`, `cg_sense` and, where there is one, `reference`.
        slices: held-out slices.
        images: per slice, method to complex image [row column].
    """
    folder.images.mkdir(exist_ok=True)
    folder.predictions.mkdir(exist_ok=True)
    for one, found in zip(slices, images, strict=True):
        figure(folder.images / f"{one.name}.png", one, found)
        kept = dict(found) if one.reference is None else {**found, "reference": one.reference}
        with h5py.File(folder.predictions / f"{one.name}.h5", "w") as file:
            for name, image in kept.items():
                file.create_dataset(name, data=np.asarray(image, np.complex64))


def figure(path: Path, one: SenseSlice, images: Images) -> None:
    """Write a PNG: magnitudes of each method and the reference, below them the errors x 5.

    Args:
        path: file to write.
        one: gives reference and title.
        images: method to complex image [row column].
    """
    # Figure without pyplot: no global state, no window system.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {TITLES[name]: np.abs(images[name]) for name in TITLES}
    if one.reference is not None:
        shown["reference"] = np.abs(one.reference)
    top = float(np.max(shown.get("reference", shown["network"])))
    lines = 2 if one.reference is not None else 1
    drawn = Figure(figsize=(2.4 * len(shown) + 0.8, 2.6 * lines + 0.4), layout="constrained")
    FigureCanvasAgg(drawn)
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
