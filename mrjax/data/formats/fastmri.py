"""Multi-coil volumes in the HDF5 files of fastMRI.

    kspace               complex64 [slice coil row column]   readout along rows
    reconstruction_rss   float32   [slice row column]        absent from undersampled files
    mask                 [column]                            what a network is to see
    ismrmrd_header       XML

The format has no coil sensitivity maps: they are estimated, and the reference is the combination
of the coil images with them where k-space is complete. Images are cut to the reconstructed rows
about their centre, the first kept row being (rows - kept) // 2; columns are all kept. Networks that
are trained with the whole readout get all rows (`whole`).

Source: facebookresearch/fastMRI, fastmri/data/mri_data.py and transforms.py (center_crop).
"""

import contextlib
import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.data.formats import border, found, hdf5_heaps
from mrjax.data.formats.multicoil import check_finite, completed
from mrjax.data.intake import Intake
from mrjax.data.words import text
from mrjax.errors import UserError
from mrjax.numerics.spectral import centred_dft
from mrjax.physics import coils

SUFFIXES = (".h5", ".hdf5")
_LARGEST_ERROR = 0.01
_REAL = "biuf"
_NAMESPACE = "http://www.ismrm.org/ISMRMRD"


def files(data_dir: Path) -> list[Path]:
    """The .h5 files of a folder, by name; UserError where there is none."""
    border.require_directory(data_dir)
    paths = found.inside(data_dir, SUFFIXES)
    if not paths:
        raise UserError(
            f"no .h5 files in {data_dir}; expected fastMRI's multi-coil files; "
            "point --data_dir at their folder"
        )
    return paths


def read(
    path: Path,
    maps: str = "acs",
    acs_lines: int = 24,
    intake: Intake | None = None,
    whole: bool = False,
) -> list[SenseSlice]:
    """Read all slices of one file.

    Args:
        path: the .h5 file.
        maps: how coil sensitivity maps are estimated: acs or espirit.
        acs_lines: central columns to estimate them from.
        intake: the run's account; by default one that accepts nothing and is not kept.
        whole: whether k-space keeps all rows; the slices then say what part of the image was
            reconstructed.

    Returns:
        Slices named <file>_slice<number>; those of an undersampled k-space have no reference.

    Raises:
        UserError: not an HDF5 file, no k-space or not a multi-coil one, a mask of another width,
            or a slice that cannot be used.
    """
    intake = Intake() if intake is None else intake
    kspace, mask, shown, rss = _contents(path)
    if shown is None:
        intake.note("all rows are kept, since the file does not say how many count", path.name)
    rows = None if shown is None or whole else shown[0]
    if not len(kspace):
        intake.note("a file without a slice", path.name)
    slices = []
    for number, one in enumerate(kspace):
        check_finite(f"{text(path.stem)}_slice{number:02d}", one)
        cut = one if rows is None or rows >= one.shape[1] else cropped(one, rows)
        complete = completed(
            f"{text(path.stem)}_slice{number:02d}",
            cut,
            acquired=one,
            mask=mask,
            estimate=maps,
            acs_lines=acs_lines,
            intake=intake,
        )
        part = shown if whole else None
        slices.append(dataclasses.replace(complete, volume=text(path.stem), shown=part))
        if rss is not None and slices[-1].reference is not None:
            _compare(slices[-1].name, rss[number], cut, intake)
    return slices


def cropped(kspace: np.ndarray, rows: int) -> np.ndarray:
    """Cut the rows of an image about its centre, from k-space to k-space; order-free.

    Args:
        kspace: [... row column], zero frequency at n // 2.
        rows: how many are kept, fewer than there are.

    Returns:
        complex64 with so many rows.
    """
    images = centred_dft(kspace, (-2,), inverse=True)
    first = (kspace.shape[-2] - rows) // 2
    return centred_dft(images[..., first : first + rows, :], (-2,)).astype(np.complex64)


def _compare(name: str, rss: np.ndarray, kspace: np.ndarray, intake: Intake) -> None:
    """Say so where the file's own image is not that of its k-space."""
    axes = (-2, -1)  # numpy's transform is fast, and no result depends on these bits
    image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes), norm="ortho"), axes)
    own = np.sqrt(np.sum(np.abs(image) ** 2, axis=0))
    first = [max(n - m, 0) // 2 for n, m in zip(own.shape, rss.shape, strict=True)]
    own = own[first[0] :, first[1] :][: rss.shape[0], : rss.shape[1]]
    if own.shape != rss.shape:
        return
    error = float(np.linalg.norm(own - rss) / max(float(np.linalg.norm(rss)), 1e-30))
    if not error <= _LARGEST_ERROR:
        intake.note(
            "reconstruction_rss differs from the image of the k-space, which counts",
            f"{name} by {100 * error:.0f} %",
        )


def root_sum_of_squares(kspace: np.ndarray) -> np.ndarray:
    """Magnitude image [... row column] of coils [... coil row column], float32."""
    return np.sqrt(np.sum(np.abs(coils.images(kspace)) ** 2, axis=-3)).astype(np.float32)


def _contents(
    path: Path,
) -> tuple[np.ndarray, np.ndarray | None, tuple[int, int] | None, np.ndarray | None]:
    """K-space, and the mask, reconstructed rows and columns and image of a file that has them."""
    try:
        with h5py.File(path, "r") as file:
            kspace = _kspace(path, file)
            rss = _rss(path, file, len(kspace))
            shown = (
                _size_in_header(path, file, kspace.shape[-1])
                if rss is None
                else (rss.shape[1], rss.shape[2])
            )
            return kspace, _mask(path, file), shown, rss
    except UserError:
        raise
    except Exception as error:  # a damaged file raises nearly anything from h5py and numpy
        raise UserError(
            f"{path} is not a readable HDF5 file ({border.one_line(error)}); expected a multi-coil "
            "file of fastMRI; close the program that has it open, or copy the file again"
        ) from error


def _kspace(path: Path, file: h5py.File) -> np.ndarray:
    if "kspace" not in file:
        held = ", ".join(sorted(str(name) for name in file)) or "nothing"
        raise UserError(
            f"{path} has no dataset kspace; expected it beside or instead of {held}; "
            "point --data_dir at multi-coil files"
        )
    stored = hdf5_heaps.read(path, file["kspace"])
    if stored.ndim != 4 or stored.dtype.kind != "c":
        raise UserError(
            f"kspace of {path} has shape {border.times(stored.shape)} and type {stored.dtype}; "
            "expected complex slice x coil x row x column; use multi-coil files"
        )
    return stored


def _rss(path: Path, file: h5py.File, slices: int) -> np.ndarray | None:
    if "reconstruction_rss" not in file:
        return None
    stored = hdf5_heaps.read(path, file["reconstruction_rss"])
    if stored.ndim != 3 or len(stored) != slices or stored.dtype.kind not in _REAL:
        raise UserError(
            f"reconstruction_rss of {path} has shape {border.times(stored.shape)} and type "
            f"{stored.dtype}; expected {slices} slices x row x column, as many as its k-space; "
            "write the file again, or remove that dataset"
        )
    for axis, name in ((1, "rows"), (2, "columns")):
        _long_enough(path, stored.shape[axis], name)
    return stored


def _mask(path: Path, file: h5py.File) -> np.ndarray | None:
    if "mask" not in file:
        return None
    stored = hdf5_heaps.read(path, file["mask"])
    if stored.dtype.kind not in _REAL:
        raise UserError(
            f"the mask of {path} is of type {stored.dtype}; expected a number for each column, 0 "
            "or 1; write the file again"
        )
    return stored.reshape(-1) > 0


def _size_in_header(path: Path, file: h5py.File, most: int) -> tuple[int, int] | None:
    """Rows and columns of the image by the scanner's header; None where it names no rows.

    Where it names no columns, all count, `most` in number.
    """
    if "ismrmrd_header" not in file:
        return None
    stored = hdf5_heaps.read(path, file["ismrmrd_header"])
    if stored.dtype.kind not in "SO" or stored.size != 1:
        return None
    try:
        root = ET.fromstring(stored.item())
        x, y = (root.findtext(f".//{{*}}reconSpace/{{*}}matrixSize/{{*}}{k}") for k in "xy")
        rows, columns = int(str(x)), most
    except (ET.ParseError, ValueError, TypeError):  # not needed to read the file
        return None
    with contextlib.suppress(ValueError, TypeError):  # then all columns count
        columns = int(str(y))
    return _long_enough(path, rows, "rows"), _long_enough(path, columns, "columns")


def _long_enough(path: Path, length: int, name: str) -> int:
    if length < border.SHORTEST_AXIS:
        raise UserError(
            f"{path} says that {length} {name} were reconstructed; expected at least "
            f"{border.SHORTEST_AXIS}; write the file again"
        )
    return length


def write_fastmri(slices: Sequence[SenseSlice], path: Path) -> None:
    """Write the slices of one volume, without oversampling of the readout.

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
        rss = root_sum_of_squares(kspace)
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
