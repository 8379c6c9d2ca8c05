"""Outputs of run folders, for comparisons voxel by voxel."""

import zlib
from pathlib import Path

import numpy as np

from mrjax.errors import UserError
from mrjax.runs.folder import RunFolder
from mrjax.study.gather.collected import Unit
from mrjax.tasks.registry import TASKS

_ENDINGS = (".nii", ".nii.gz", ".h5", ".hdf5")
# Of several outputs of a network, the one before any threshold.
_PREFERRED = ("network_probability", "network", "")
# MemoryError: a header that says the image is larger than any.
_DAMAGE = (OSError, ValueError, TypeError, KeyError, EOFError, MemoryError, zlib.error)


def shown(experiment: str) -> str:
    """What the outputs of an experiment show, with the unit; "output" for another program."""
    return TASKS[experiment].output if experiment in TASKS else "output"


def find(unit: Unit, subject: str) -> Path | None:
    """The network's output for a subject, in the run folder or in one of its folds'; or None."""
    folders = [RunFolder(unit.folder).predictions]
    if not any(folders[0].glob("*")):
        folders = sorted((unit.folder / unit.part).glob("**/predictions"))
    files = [
        path
        for folder in folders
        for path in sorted(folder.iterdir() if folder.is_dir() else ())
        if path.name.endswith(_ENDINGS) and path.name.startswith((f"{subject}_", f"{subject}."))
    ]
    for word in _PREFERRED:
        chosen = [path for path in files if word in path.name]
        if chosen:
            return chosen[0]
    return None


def read(path: Path) -> np.ndarray:
    """An output, as it was written: real or complex, any shape.

    Raises:
        UserError: the file is damaged or holds no output of a network.
    """
    try:
        found = _hdf5(path) if path.name.endswith((".h5", ".hdf5")) else _nifti(path)
        if not np.isfinite(found).all():
            raise ValueError("values that are not finite")
    except _DAMAGE as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path} cannot be read ({said}); expected NIfTI, or HDF5 with a dataset network; "
            "repeat the run"
        ) from error
    return found


def _nifti(path: Path) -> np.ndarray:
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        return np.asarray(nibabel.load(path).dataobj)  # pyright: ignore[reportAttributeAccessIssue]
    except (ImageFileError, HeaderDataError) as error:
        raise ValueError(str(error)) from error


def _hdf5(path: Path) -> np.ndarray:
    import h5py

    with h5py.File(path) as file:
        found = file["network"]
        if not isinstance(found, h5py.Dataset):
            raise ValueError("network is a group")
        return np.asarray(found)
