"""The QSMnet authors' patch file: three datasets float32 [patch p p p 1], not normalised.

    temp_i   local field      [ppm]
    temp_l   susceptibility   [ppm]
    temp_m   mask             0 or 1

Source: SNU-LIST/QSMnet, Code/training_data_patch.py.
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data.formats.border import SHORTEST_AXIS, times
from mrjax.data.patches import Patches
from mrjax.errors import UserError

DATASETS = {"temp_i": "field", "temp_l": "chi", "temp_m": "mask"}

# In vivo maps have 0.03 ppm; files of some versions of the authors' script hold normalised
# patches, whose standard deviation is 1.
LARGEST_CHI_STD_PPM = 0.5


def qsmnet_patches(path: Path) -> list[QsmSubject]:
    """Each patch of the file as a subject of its own, in the order of the file.

    The whole file is read into memory once; the subjects are views of it. A patch may lie outside
    the brain (empty mask), the file as a whole may not.

    Args:
        path: the .hdf5 file, or a folder that holds exactly one (Train/Training_data_patch/ inside
            it, as the authors have it, is looked into).

    Returns:
        Subjects of 1 mm voxels with B0 along the third axis.

    Raises:
        UserError: no or several files, a dataset missing, shapes that differ, patches that are
            normalised already, no voxel in any mask, values inside the masks not finite.
    """
    path = _only_file(path)
    field, chi, mask = _read(path)
    _check_values(path, field, chi, mask)
    field, chi = np.where(mask, field, 0), np.where(mask, chi, 0)
    return [
        QsmSubject(name=f"patch{i:06d}", field=field[i], chi=chi[i], mask=mask[i])
        for i in range(len(mask))
    ]


def write_qsmnet_patches(
    path: Path, subjects: Sequence[QsmSubject], patch: int, per_axis: int | Sequence[int]
) -> None:
    """Cut subjects on the authors' grid into one patch file.

    Args:
        path: the .hdf5 file to write; its folder is made if absent.
        subjects: each with chi.
        patch: edge of a patch [voxels].
        per_axis: patches along each axis of a volume.

    Raises:
        UserError: a subject without chi or smaller than the patch.
    """
    patches = Patches(subjects, patch, per_axis)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        shape = (len(patches), patch, patch, patch, 1)
        stores = {
            kind: file.create_dataset(key, shape, "float32") for key, kind in DATASETS.items()
        }
        for i in range(len(patches)):
            for kind, array in patches.get(i).items():
                stores[kind][i] = array


def _only_file(path: Path) -> Path:
    if path.is_file():
        return path
    folders = (path, path / "Train/Training_data_patch", path / "Data/Train/Training_data_patch")
    found = [f for folder in folders for p in ("*.hdf5", "*.h5") for f in folder.glob(p)]
    if len(found) != 1:
        raise UserError(
            f"{len(found)} .hdf5 files in {path}; expected exactly one patch file; "
            "point --data_dir at the file"
        )
    return found[0]


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        with h5py.File(path, "r") as file:
            field, chi, mask = (_dataset(path, file, key) for key in DATASETS)
    except OSError as error:
        raise UserError(
            f"{path} is not a readable HDF5 file; expected the authors' patch file; write it again"
        ) from error
    if not field.shape == chi.shape == mask.shape:
        raise UserError(
            f"temp_i, temp_l, temp_m of {path} have shapes {times(field.shape)}, "
            f"{times(chi.shape)}, {times(mask.shape)}; expected equal ones; write the file again"
        )
    return field, chi, mask > 0


def _dataset(path: Path, file: h5py.File, key: str) -> np.ndarray:
    if key not in file:
        raise UserError(
            f"{path} has no dataset {key}; expected temp_i, temp_l and temp_m; write the file again"
        )
    found = np.asarray(file[key], dtype=np.float32)
    if found.ndim != 5 or found.shape[4] != 1 or min(found.shape[1:4]) < SHORTEST_AXIS:
        raise UserError(
            f"dataset {key} of {path} has shape {times(found.shape)}; expected patches x p x p x p "
            f"x 1 with p at least {SHORTEST_AXIS}; write the file again"
        )
    return found[..., 0]


def _check_values(path: Path, field: np.ndarray, chi: np.ndarray, mask: np.ndarray) -> None:
    if not mask.any():
        raise UserError(
            f"temp_m of {path} is empty; expected voxels above zero inside the brain; "
            "write the file again"
        )
    if not (np.isfinite(field[mask]).all() and np.isfinite(chi[mask]).all()):
        raise UserError(
            f"{path} holds NaN or infinite values inside the masks; expected finite values; "
            "write the file again"
        )
    spread = float(np.std(chi[mask], dtype=np.float64))
    if spread > LARGEST_CHI_STD_PPM:
        raise UserError(
            f"temp_l of {path} has a standard deviation of {spread:.3g} inside the masks, so it is "
            "normalised or not in ppm; expected ppm (about 0.03); write the patches unnormalised"
        )
