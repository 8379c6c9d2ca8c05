"""Multi-coil volumes in the HDF5 files of fastMRI.

    kspace               complex64 [slice coil row column]   readout along rows
    reconstruction_rss   float32   [slice row column]        absent from undersampled files
    mask                 [column]                            of undersampled files
    ismrmrd_header       XML

The format has no coil sensitivity maps: they are estimated, and the reference is the combination
of the fully sampled coil images with them. A readout of twice the reconstructed rows is
oversampled; its outer half is removed here.

Source: facebookresearch/fastMRI, fastmri/data/mri_data.py.
"""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.data.formats import border
from mrjax.data.formats.multicoil import acquired_columns, completed
from mrjax.errors import UserError
from mrjax.physics import coils, sampling

_NAMESPACE = "http://www.ismrm.org/ISMRMRD"


def files(data_dir: Path) -> list[Path]:
    """The .h5 files of a folder, by name; UserError where there is none."""
    border.require_directory(data_dir)
    found = sorted(data_dir.glob("*.h5"))
    if not found:
        raise UserError(
            f"no .h5 files in {data_dir}; expected fastMRI's multi-coil files; "
            "point --data_dir at their folder"
        )
    return found


def read(path: Path, maps: str = "acs", acs_lines: int = 24) -> list[SenseSlice]:
    """All slices of one file.

    Args:
        path: the .h5 file.
        maps: how coil sensitivity maps are estimated: acs or espirit.
        acs_lines: central columns to estimate them from.

    Returns:
        Slices named <file>_slice<number>; those of an undersampled file have a mask and no
        reference.

    Raises:
        UserError: not an HDF5 file, no k-space or not a multi-coil one, a mask of another width,
            or a slice that cannot be used.
    """
    try:
        with h5py.File(path, "r") as file:
            kspace, mask, rows = _kspace(path, file), _mask(file), _reconstructed_rows(file)
    except OSError as error:
        raise UserError(
            f"{path} is not a readable HDF5 file; expected a multi-coil file of fastMRI; "
            "download it again"
        ) from error
    return [
        _slice(f"{path.stem}_slice{number:02d}", one, mask, rows, maps, acs_lines)
        for number, one in enumerate(kspace)
    ]


def _kspace(path: Path, file: h5py.File) -> np.ndarray:
    if "kspace" not in file:
        held = ", ".join(sorted(str(name) for name in file)) or "nothing"
        raise UserError(
            f"{path} has no dataset kspace; expected it beside or instead of {held}; "
            "point --data_dir at multi-coil files"
        )
    found = np.asarray(file["kspace"])
    if found.ndim != 4 or found.dtype.kind != "c":
        raise UserError(
            f"kspace of {path} has shape {border.times(found.shape)} and type {found.dtype}; "
            "expected complex slice x coil x row x column; use multi-coil files"
        )
    return found


def _mask(file: h5py.File) -> np.ndarray | None:
    return np.asarray(file["mask"]).reshape(-1) > 0 if "mask" in file else None


def _reconstructed_rows(file: h5py.File) -> int | None:
    """Rows of the reconstructed image, from the image itself or from the scanner's header."""
    if "reconstruction_rss" in file:
        return file["reconstruction_rss"].shape[-2]  # pyright: ignore[reportAttributeAccessIssue]
    if "ismrmrd_header" not in file:
        return None
    try:
        header = ET.fromstring(np.asarray(file["ismrmrd_header"]).item())
        found = header.find(".//{*}reconSpace/{*}matrixSize/{*}x")
        return None if found is None or found.text is None else int(found.text)
    except (ET.ParseError, ValueError):  # not needed to read the file
        return None


def _slice(
    name: str,
    kspace: np.ndarray,
    mask: np.ndarray | None,
    reconstructed_rows: int | None,
    maps: str,
    acs_lines: int,
) -> SenseSlice:
    if reconstructed_rows is not None and kspace.shape[1] == 2 * reconstructed_rows:
        kspace = sampling.crop_readout(kspace)
    mask = acquired_columns(kspace) if mask is None else mask
    return completed(name, kspace, mask=mask, estimate=maps, acs_lines=acs_lines)


def write_fastmri(slices: Sequence[SenseSlice], path: Path) -> None:
    """Write slices of one volume; without the readout's oversampling, which the format permits.

    Args:
        slices: of one shape, and with one mask if they are undersampled.
        path: the .h5 file; its folder is made if absent.
    """
    kspace = np.stack([one.kspace for one in slices])
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        file["ismrmrd_header"] = np.bytes_(_header(*kspace.shape[2:]))
        file.attrs["acquisition"] = "synthetic"
        if slices[0].mask is not None:
            file["mask"] = slices[0].mask.astype(np.float32)
            return
        rss = np.sqrt(np.sum(np.abs(coils.images(kspace)) ** 2, axis=1)).astype(np.float32)
        file["reconstruction_rss"] = rss
        file.attrs["max"] = float(rss.max())


def _header(rows: int, columns: int) -> bytes:
    """The part of an ISMRMRD header that readers of fastMRI's files ask for."""
    root = ET.Element("ismrmrdHeader", xmlns=_NAMESPACE)
    encoding = ET.SubElement(root, "encoding")
    for space in ("encodedSpace", "reconSpace"):
        size = ET.SubElement(ET.SubElement(encoding, space), "matrixSize")
        for axis, length in (("x", rows), ("y", columns), ("z", 1)):
            ET.SubElement(size, axis).text = str(length)
    limits = ET.SubElement(encoding, "encodingLimits")
    step = ET.SubElement(limits, "kspace_encoding_step_1")
    for key, value in (("minimum", 0), ("maximum", columns - 1), ("center", columns // 2)):
        ET.SubElement(step, key).text = str(value)
    return ET.tostring(root)
