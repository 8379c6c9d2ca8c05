"""Multi-coil k-space in a file -> its images, in the pixels of the reconstructed k-space."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.data import sense
from mrjax.data.formats import bart, fastmri, ismrmrd
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.sharing.predict.files import Asked, ending
from mrjax.sharing.predict.flags.varnet import HDF5
from mrjax.tasks.multicoil.inputs import taken
from mrjax.tasks.varnet import domain, inputs, model
from mrjax.tasks.varnet.config import Config
from mrjax.tasks.varnet.inputs import Inputs


def prepare(asked: Asked, config: Config, built: model.Model, account: Intake) -> Inputs:
    """Read the slices and the network, and undersample k-space that is complete.

    Raises:
        UserError: a file cannot be used or makes no sense, or the network cannot be read.
    """
    start = taken(config, built, inputs.ARCHITECTURE, domain.NAMES)
    found = slices(asked, config, account)
    acquired = [
        sense.acquisition(one, config, sense.FIRST_TEST_INDEX + i) for i, one in enumerate(found)
    ]
    for one, seen in zip(found, acquired, strict=True):
        inputs.check(one, seen, config)
        if one.mask is None:
            account.note(
                "k-space that is complete is undersampled as in the network's training (1 in "
                f"{config.acceleration} columns and {config.acs_lines} central ones)",
                one.name,
            )
    domain.look(config, start.known, found, acquired, account)
    return Inputs(None, [], found, acquired, start.tuned, start.initial, account, start.known)


def applications(inputs: Inputs) -> int:
    """How often the network is applied: once for each slice."""
    return len(inputs.test)


def write(path: Path, asked: Asked, inputs: Inputs, outputs: Sequence[np.ndarray]) -> None:
    """Write all slices, in their order.

    HDF5: `reconstruction` float32 [slice row column], the magnitudes, as fastMRI has them; `image`
    complex64 of that shape; `name` of each slice. NIfTI: the magnitudes [row column slice] with
    voxels of 1 mm, because k-space does not say where its slices lie.
    """
    images = np.stack(outputs)
    names = [one.name for one in inputs.test]
    keep(path, np.abs(images).astype(np.float32), names, {"image": images.astype(np.complex64)})


def keep(
    path: Path, magnitudes: np.ndarray, names: Sequence[str], more: Mapping[str, np.ndarray]
) -> None:
    """Write magnitudes [slice row column], in HDF5 with the names of slices and more arrays."""
    if ending(path, HDF5):
        with h5py.File(path, "w") as file:
            file["reconstruction"] = magnitudes
            file["name"] = names
            for name, array in more.items():
                file[name] = array
        return
    nib.Nifti1Image(np.moveaxis(magnitudes, 0, 2), None).to_filename(path)


def slices(asked: Asked, config: sense.Config, account: Intake) -> list[SenseSlice]:
    """All slices of the file, of one shape.

    Raises:
        UserError: the file cannot be used, or holds no slice, or slices of several sizes.
    """
    options = (asked.input, config.maps, config.acs_lines, account)
    if config.dataset == "bart":
        return [bart.read(*options)]
    if config.dataset == "ismrmrd":
        found = ismrmrd.read(*options)
    else:
        found = fastmri.read(*options, whole=config.whole_readout)
    if len({one.kspace.shape[1:] for one in found}) != 1:
        raise UserError(
            f"{asked.input} holds no slice, or slices of several sizes; expected one size; write "
            "them to a file each"
        )
    return found
