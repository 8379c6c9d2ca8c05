"""Files of a VarNet run for people (PNG) and programs (HDF5)."""

from collections.abc import Mapping, Sequence

import h5py
import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.runs.folder import RunFolder
from mrjax.tasks.varnet.figures import figure

Images = Mapping[str, np.ndarray]


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
