"""Arrays from MATLAB files of any version, with MATLAB's order of axes."""

from pathlib import Path

import h5py
import numpy as np
import scipy.io

from mrjax.errors import UserError


def read(path: Path, key: str) -> np.ndarray:
    """One numeric array of a .mat file.

    Files up to version 7 are read by scipy; version 7.3 is HDF5, which stores MATLAB's column-major
    arrays with their axes reversed: they are put back.

    Args:
        path: the file.
        key: name of the variable.

    Returns:
        The array, axes in MATLAB's order.

    Raises:
        UserError: no such file, not a .mat file, no such variable, or not numbers.
    """
    if not path.is_file():
        raise UserError(
            f"no file {path}; expected a .mat file with {key}; add it or correct the path"
        )
    try:
        found = _read_hdf5(path, key) if h5py.is_hdf5(path) else _read_scipy(path, key)
    except UserError:
        raise
    except Exception as error:  # a damaged file raises nearly anything from scipy and h5py
        raise UserError(
            f"{path} cannot be read as a .mat file ({_one_line(error)}); "
            f"expected a MATLAB file with {key}; write it again"
        ) from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "biuf":
        raise UserError(
            f"variable {key} of {path} is not an array of real numbers; "
            "expected a volume; check what was saved"
        )
    return found


def _read_scipy(path: Path, key: str) -> np.ndarray:
    _require_key(path, key, [str(n) for n, _, _ in scipy.io.whosmat(path)])
    return scipy.io.loadmat(path, variable_names=[key])[key]


def _read_hdf5(path: Path, key: str) -> np.ndarray:
    with h5py.File(path, "r") as file:
        _require_key(path, key, [str(n) for n in file if str(n)[0] != "#"])
        return np.ascontiguousarray(np.asarray(file[key]).T)


def _require_key(path: Path, key: str, names: list[str]) -> None:
    if key not in names:
        held = ", ".join(sorted(names)) or "nothing"
        raise UserError(
            f"{path} has no variable {key}; expected it beside or instead of {held}; "
            "rename it in MATLAB"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
