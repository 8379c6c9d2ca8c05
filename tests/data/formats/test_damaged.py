"""Damaged files of every format: a result or one line, never anything else.

Bytes are changed and files cut short at places drawn from one seed, so a failure repeats.
"""

import shutil
import warnings

import h5py
import nibabel as nib
import numpy as np
import pytest
import scipy.io
from slices import random_slice

from mrjax.data.formats import (
    bart,
    dce,
    dce_nifti,
    fastmri,
    hammernik,
    ismrmrd,
    nifti,
    qsmnet,
    qsmnet_hdf5,
)
from mrjax.data.intake import Intake
from mrjax.errors import UserError

MUTATIONS = 100
SHAPE = (8, 9, 8)
ACCEPTED = "frame,shear,voxel,field,chi,mask,sampling,times"


def noise(*shape: int, scale: float = 0.03) -> np.ndarray:
    return np.random.default_rng(0).normal(0, scale, shape).astype(np.float32)


def write_nifti(folder):
    for name, volume in (("localfield", noise(*SHAPE)), ("mask", np.ones(SHAPE, np.uint8))):
        image = nib.Nifti1Image(volume, np.eye(4))
        image.header.set_xyzt_units("mm", "sec")
        nib.save(image, folder / f"a_{name}.nii")
    return folder / "a_localfield.nii"


def write_dce(folder):
    image = nib.Nifti1Image(np.abs(noise(*SHAPE, 4)), np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = 60
    nib.save(image, folder / "a_dce.nii")
    return folder / "a_dce.nii"


def write_fastmri(folder):
    fastmri.write_fastmri([random_slice(0, (2, 16, 16))], folder / "a.h5")
    with h5py.File(folder / "a.h5", "a") as file:
        file["mask"] = np.ones(16, np.float32)
    return folder / "a.h5"


def write_ismrmrd(folder):
    pytest.importorskip("ismrmrd", reason="needs ismrmrd-package: pip install ismrmrd")
    ismrmrd.write_ismrmrd([random_slice(0, (2, 16, 16))], folder / "a.h5")
    return folder / "a.h5"


def write_patches(folder):
    arrays = {key: noise(1, 8, 8, 8, 1) for key in ("temp_i", "temp_l")}
    with h5py.File(folder / "a.hdf5", "w") as file:
        for key, array in (arrays | {"temp_m": np.ones((1, 8, 8, 8, 1), np.float32)}).items():
            file[key] = array
    return folder / "a.hdf5"


def write_bart_header(folder):
    kspace = np.moveaxis(random_slice(0, (2, 16, 16)).kspace, 0, 2)
    bart.write_cfl(folder / "a.cfl", kspace[:, :, None])
    return folder / "a.hdr"


def write_qsmnet(folder):
    (folder / "Test/Input").mkdir(parents=True)
    path = folder / "Test/Input/test_input1.mat"
    scipy.io.savemat(path, {"phs_tissue": noise(*SHAPE), "mask": np.ones(SHAPE, np.uint8)})
    return path


def write_series(folder):
    content = {"dce": np.abs(noise(*SHAPE, 4)), "times": 60 * np.arange(4.0)}
    scipy.io.savemat(folder / "a.mat", content)
    return folder / "a.mat"


def write_hammernik(folder):
    hammernik.write_hammernik([random_slice(0, (2, 16, 16))], folder)
    return folder / "synthetic/1/rawdata1.mat"


def read_nifti(folder, intake):
    (one,) = nifti.nifti(folder, "ppm", intake=intake)
    nifti.write_nifti(folder / "out/o.nii", one.field, grid=one.grid)
    shutil.rmtree(folder / "out")


READERS = {
    "nifti": (write_nifti, read_nifti),
    "dce": (write_dce, dce_nifti.dce_nifti),
    "fastmri": (write_fastmri, lambda folder, i: fastmri.read(folder / "a.h5", "acs", 8, i)),
    "ismrmrd": (write_ismrmrd, lambda folder, i: ismrmrd.read(folder / "a.h5", "acs", 8, i)),
    "patches": (write_patches, lambda folder, i: qsmnet_hdf5.qsmnet_patches(folder, i)),
    "bart": (write_bart_header, lambda folder, i: bart.read(folder / "a.cfl", "acs", 8, i)),
    "qsmnet": (write_qsmnet, lambda folder, i: qsmnet.qsmnet_mat(folder, i)),
    "series": (write_series, dce.dce_mat),
    "hammernik": (write_hammernik, lambda folder, i: hammernik.read(folder / "synthetic/1", 4, i)),
}


def damaged(path, content: bytes, draw: np.random.Generator) -> bytes:
    """Cut short, or with up to five bytes changed, mostly where the headers are.

    Of MATLAB files only the first 128 bytes are changed: scipy's reader, which is compiled,
    ends the process for some damage behind them.
    """
    header = {".nii": 352, ".mat": 128}.get(path.suffix, 2048)
    share = 1.0 if path.suffix == ".mat" else 0.8
    if draw.random() < 0.2:
        return content[: draw.integers(len(content))]
    changed = bytearray(content)
    for _ in range(draw.integers(1, 6)):
        reach = min(header, len(content)) if draw.random() < share else len(content)
        changed[draw.integers(reach)] = draw.integers(256)
    return bytes(changed)


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_one_line_or_is_read(name, tmp_path):
    write, read = READERS[name]
    path = write(tmp_path)
    content, draw = path.read_bytes(), np.random.default_rng(1)
    read(tmp_path, Intake.insisting(ACCEPTED))
    lines = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's about NaN, nibabel's about the header
        for _ in range(MUTATIONS):
            path.write_bytes(damaged(path, content, draw))
            try:
                read(tmp_path, Intake.insisting(ACCEPTED))
            except UserError as error:
                lines.append(str(error))
    assert lines and not any("\n" in line for line in lines)
