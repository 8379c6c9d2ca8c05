"""Flags of k-space, whose layout the file itself says."""

from pathlib import Path
from typing import Any

import h5py

from mrjax.errors import UserError
from mrjax.sharing.predict.files import Asked, ending

FLAGS = ("maps", "acs_lines", "acceleration")
ENDINGS = (".h5", ".hdf5", ".nii", ".nii.gz")
HDF5 = (".h5", ".hdf5")
_RAW = (".mrd", ".ismrmrd")
"""Of the ISMRMRD format alone."""


def settings(asked: Asked) -> dict[str, Any]:
    """The fields of the configuration that say what the input is."""
    return {"dataset": layout(asked)} | {k: asked.flags[k] for k in FLAGS if k in asked.flags}


def layout(asked: Asked) -> str:
    """The layout of the input: by its ending, of HDF5 by what is in it."""
    found = ending(asked.input, (".cfl", *HDF5, *_RAW))
    if found is None:
        raise UserError(
            f"{asked.input} is no k-space that mrjax reads; expected BART's .cfl, or .h5 or .mrd "
            "of fastMRI or ISMRMRD; convert it"
        )
    if found == ".cfl":
        return "bart"
    return "ismrmrd" if found in _RAW or _is_raw(asked.input) else "fastmri"


def _is_raw(path: Path) -> bool:
    """Whether an HDF5 file has the groups of the ISMRMRD format and none of fastMRI's."""
    try:
        with h5py.File(path, "r") as file:
            groups = [one for one in file.values() if isinstance(one, h5py.Group)]
            return "kspace" not in file and any("xml" in one for one in groups)
    except OSError:  # its reader says what is wrong
        return False
