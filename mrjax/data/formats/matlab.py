"""Arrays from MATLAB files of any version, with MATLAB's order of axes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import scipy.io

from mrjax.data.formats import border, hdf5_heaps, matlab_elements
from mrjax.data.intake import Intake
from mrjax.errors import UserError

COMPLEX = "biufc"
"""Kinds of numbers, complex ones among them."""

_NUMERIC = (b"double", b"single", b"logical",
            *(b"%sint%d" % (u, n) for u in (b"", b"u") for n in (8, 16, 32, 64)))  # fmt: skip
"""What MATLAB 7.3 calls its types of numbers."""
_MOST_AXES = 32

T = TypeVar("T")


def read(path: Path, key: str, kinds: str = "biuf", intake: Intake | None = None) -> np.ndarray:
    """One numeric array of a .mat file.

    Files up to version 7 are read by scipy; version 7.3 is HDF5, which stores MATLAB's column-major
    arrays with their axes reversed: they are put back. Complex numbers are pairs `real`, `imag`
    there. An HDF5 file that MATLAB did not write (h5py, say) has its axes in the order in which
    they are stored: its arrays are taken as they are, with a note.

    Args:
        path: the file.
        key: name of the variable.
        kinds: numpy's letters of the kinds of numbers allowed; COMPLEX allows complex ones too.
        intake: the run's account; by default one that is not kept.

    Returns:
        The array, axes in MATLAB's order.

    Raises:
        UserError: no such file, not a .mat file, no such variable, or not such numbers.
    """
    found = read_optional(path, key, kinds, intake)
    if found is None:
        held = ", ".join(names(path)) or "nothing"
        raise UserError(
            f"{path} has no variable {key}; expected it beside or instead of {held}; "
            "rename it in MATLAB"
        )
    return found


def read_optional(
    path: Path, key: str, kinds: str = "biuf", intake: Intake | None = None
) -> np.ndarray | None:
    """As :func:`read`, but None where the file has no such variable."""
    if not path.is_file():
        raise UserError(
            f"no file {path}; expected a .mat file with {key}; add it or correct the path"
        )
    if key not in names(path):
        return None
    found = _guarded(lambda: _read(path, key, intake or Intake()), path)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in kinds:
        numbers = "numbers" if "c" in kinds else "real numbers"
        raise UserError(
            f"variable {key} of {path} is not an array of {numbers}; "
            "expected a volume; check what was saved"
        )
    return found


def names(path: Path) -> list[str]:
    """Names of the variables of a .mat file, sorted; UserError where it is none."""
    return _guarded(lambda: _names(path), path)


def _guarded(function: Callable[[], T], path: Path) -> T:
    try:
        return function()
    except UserError:
        raise
    except Exception as error:  # a damaged file raises nearly anything from scipy and h5py
        raise UserError(
            f"{path} cannot be read as a .mat file ({border.one_line(error)}); "
            "expected a MATLAB file; write it again"
        ) from error


def _names(path: Path) -> list[str]:
    if not h5py.is_hdf5(path):
        _numeric(path)
        return sorted(str(name) for name, _, _ in scipy.io.whosmat(path))
    with h5py.File(path, "r") as file:
        return sorted(str(name) for name in file if str(name)[0] != "#")


def _read(path: Path, key: str, intake: Intake) -> Any:
    if not h5py.is_hdf5(path):
        return scipy.io.loadmat(path, variable_names=[key])[key] if _numeric(path, key) else None
    with h5py.File(path, "r") as file:
        found = hdf5_heaps.read(path, file[key])
        kind = file[key].attrs.get("MATLAB_class", _NUMERIC[0])
        if kind not in _NUMERIC:
            return None  # letters, say, are stored as numbers
        if file[key].attrs.get("MATLAB_empty", 0):  # the file holds the lengths of its axes
            return np.zeros(found.ravel().astype(int)[:_MOST_AXES])
        pairs = found.dtype.names == ("real", "imag")  # MATLAB's way to store complex numbers
        by_matlab = pairs or "MATLAB_class" in file[key].attrs or _has_header(path)
    if by_matlab:
        found = np.ascontiguousarray(found.T)
    elif found.ndim > 1:
        intake.note(
            f"{path} was not written by MATLAB: the axes of its arrays are taken as stored "
            f"({key}: {' x '.join(map(str, found.shape))})"
        )
    return _complex(found) if pairs else found


def _numeric(path: Path, key: str = "") -> bool:
    """Check the file before scipy reads it; return whether a variable is an array of numbers."""
    version, _ = scipy.io.matlab.matfile_version(path)
    return version != 1 or matlab_elements.check(path).get(key, False)


def _has_header(path: Path) -> bool:
    """Whether a file begins as MATLAB 7.3 begins its files, before the HDF5 part."""
    with path.open("rb") as file:
        return file.read(6) == b"MATLAB"


def _complex(pairs: np.ndarray) -> np.ndarray:
    found = np.empty(pairs.shape, np.result_type(pairs["real"].dtype, np.complex64))
    found.real, found.imag = pairs["real"], pairs["imag"]
    return found
