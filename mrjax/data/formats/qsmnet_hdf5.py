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
from mrjax.data.formats import border, found, hdf5_heaps
from mrjax.data.formats.border import SHORTEST_AXIS, times
from mrjax.data.intake import Intake
from mrjax.data.patches import Patches
from mrjax.data.plausible import masks, spread
from mrjax.errors import UserError

DATASETS = {"temp_i": "field", "temp_l": "chi", "temp_m": "mask"}

# In vivo maps have 0.03 ppm; files of some versions of the authors' script hold normalised
# patches, whose standard deviation is 1.
LARGEST_CHI_STD_PPM = 0.5


def qsmnet_patches(path: Path, intake: Intake | None = None) -> list[QsmSubject]:
    """Each patch of the file as a subject of its own, in the order of the file.

    The whole file is read into memory once; the subjects are views of it. A patch may lie outside
    the brain (empty mask), the file as a whole may not.

    Args:
        path: the .hdf5 file, or a folder that holds exactly one (Train/Training_data_patch/ inside
            it, as the authors have it, is looked into).
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        Subjects of 1 mm voxels with B0 along the third axis.

    Raises:
        UserError: no or several files, a dataset missing, shapes that differ, patches that are
            normalised already, no voxel in any mask, values inside the masks not finite.
    """
    intake = Intake() if intake is None else intake
    path = _only_file(path)
    field, chi, stored = _read(path)
    mask = masks.inside(f"temp_m in {path}", stored, intake)
    _check_values(path, field, chi, mask, intake)
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
    files = [f for folder in folders if folder.is_dir() for f in _hdf5(folder)]
    if len(files) != 1:
        raise UserError(
            f"{len(files)} .hdf5 files in {path}; expected exactly one patch file; "
            "point --data_dir at the file"
        )
    return files[0]


def _hdf5(folder: Path) -> list[Path]:
    return found.inside(folder, (".hdf5", ".h5"))


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        with h5py.File(path, "r") as file:
            field, chi, mask = (_dataset(path, file, key) for key in DATASETS)
    except UserError:
        raise
    except Exception as error:  # a damaged file raises nearly anything from h5py and numpy
        raise UserError(
            f"{path} is not a readable HDF5 file ({border.one_line(error)}); expected the authors' "
            "patch file; write it again"
        ) from error
    if not field.shape == chi.shape == mask.shape:
        raise UserError(
            f"temp_i, temp_l, temp_m of {path} have shapes {times(field.shape)}, "
            f"{times(chi.shape)}, {times(mask.shape)}; expected equal ones; write the file again"
        )
    return field, chi, mask


def _dataset(path: Path, file: h5py.File, key: str) -> np.ndarray:
    if key not in file:
        held = ", ".join(sorted(map(str, file))) or "nothing"
        raise UserError(
            f"{path} has no dataset {key}; expected temp_i, temp_l and temp_m beside or instead of "
            f"{held}; rename the datasets"
        )
    stored = hdf5_heaps.read(path, file[key])
    if stored.dtype.kind not in "biuf":
        raise UserError(
            f"dataset {key} of {path} is of type {stored.dtype}; expected real numbers; write the "
            "file again"
        )
    stored = np.asarray(stored, dtype=np.float32)
    if stored.ndim != 5 or stored.shape[4] != 1 or min(stored.shape[1:4]) < SHORTEST_AXIS:
        raise UserError(
            f"dataset {key} of {path} has shape {times(stored.shape)}; expected patches x p x p x "
            f"p x 1 with p at least {SHORTEST_AXIS}; write the file again"
        )
    return stored[..., 0]


def _check_values(
    path: Path, field: np.ndarray, chi: np.ndarray, mask: np.ndarray, intake: Intake
) -> None:
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
    std = float(np.std(chi[mask], dtype=np.float64))
    if std > LARGEST_CHI_STD_PPM:
        intake.doubt(
            "chi",
            f"temp_l of {path} has a standard deviation of {std:.3g} inside the masks, so it is "
            "normalised or not in ppm; expected ppm (about 0.03)",
            "write the patches unnormalised",
        )
    elif np.ptp(chi[mask]):
        spread.check(
            f"temp_l in {path}", "chi", chi[mask], spread.CHI_PPM, spread.CHI_UNITS, intake
        )
    inside = field[mask]
    units = spread.field_units()
    spread.check(f"temp_i in {path}", "field", inside, spread.FIELD_PPM, units, intake)
