"""The files of a VarNet run: PNG figures for people, HDF5 images for programs."""

from collections.abc import Mapping, Sequence

import h5py
import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.runs.folder import RunFolder
from mrjax.tasks.varnet.figures import figure

Images = Mapping[str, np.ndarray]


def write(folder: RunFolder, slices: Sequence[SenseSlice], images: Sequence[Images]) -> None:
    """Write a figure and the images of every held-out slice.

    Args:
        folder: run folder, which gets ``images/<slice>.png`` and ``predictions/<slice>.h5`` with
            datasets `network`, `zero_filled`, `cg_sense` and, if known, `reference`: complex64, or
            float32 where images are magnitudes.
        slices: held-out slices.
        images: for each slice, method -> image [row column].
    """
    for one, found in zip(slices, images, strict=True):
        figure(folder.images / f"{one.name}.png", one, found)
        kept = dict(found) if one.reference is None else {**found, "reference": one.reference}
        with h5py.File(folder.predictions / f"{one.name}.h5", "w") as file:
            for name, image in kept.items():
                kind = np.complex64 if np.iscomplexobj(image) else np.float32
                file.create_dataset(name, data=np.asarray(image, kind))
