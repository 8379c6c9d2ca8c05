"""One NIfTI file: its numbers, its place in the scanner, and volumes written on its grid."""

import gzip
import math
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
from nibabel.imageglobals import LoggingOutputSuppressor

from mrjax.arrays import Grid
from mrjax.data.formats import border
from mrjax.data.plausible import frames
from mrjax.errors import UserError

SUFFIXES = (".nii", ".nii.gz", ".img", ".img.gz")

_MOST_DEFLATED = 1032
"""Bytes that one byte of a gzip file can stand for."""
_CHUNK = 1 << 20


class File(NamedTuple):
    """A file of NIfTI-1 or NIfTI-2, or a pair of .img and .hdr.

    Attributes:
        path: of the file.
        volume: at least three axes; of the type that the file's numbers have, scaled if its
            header says so.
        header: nibabel's, with voxel sizes as nibabel repairs them.
        raw: the header as it stands in the file.
    """

    path: Path
    volume: np.ndarray
    header: Any
    raw: Any

    @property
    def grid(self) -> Grid:
        """The frames of the header, to write results with."""
        qform, sform = _frame(self.header, "qform"), _frame(self.header, "sform")
        return Grid(
            qform=qform,
            qform_code=int(self.header["qform_code"]) if qform is not None else 0,
            sform=sform,
            sform_code=int(self.header["sform_code"]) if sform is not None else 0,
            voxel_size=tuple(float(n) for n in self.header.get_zooms()[:3]),
            unit=frames.unit(self.header),
        )


def stem(path: Path) -> str:
    """The name of a file without the ending of a NIfTI file, in any case."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def read(path: Path) -> File:
    """Read a file.

    Args:
        path: of .nii, .nii.gz, or of the .img of a pair.

    Returns:
        Its numbers and headers; axes of length 1 after the third are dropped from the end.

    Raises:
        UserError: it is not a NIfTI file, damaged, has fewer than three axes, or holds no real
            numbers.
    """
    try:
        # What is wrong with a header, mrjax says; nibabel would write it to stderr, and twice.
        with LoggingOutputSuppressor():
            image = nib.load(path, mmap=False)  # a file may be replaced while its run goes on
            raw = _raw_header(image)
        _check_length(image)
        kind = image.get_data_dtype().kind  # type: ignore[attr-defined]
        values = _numbers(image) if kind in "biufc" else None
    except Exception as error:  # a damaged file raises nearly anything from nibabel
        raise UserError(
            f"{path} cannot be read ({border.one_line(error)}); expected a NIfTI volume; write it "
            "again"
        ) from error
    if not isinstance(image, nib.Nifti1Pair):
        raise UserError(
            f"{path} is no NIfTI file but {type(image).__name__}; expected NIfTI, whose header "
            "says where the voxels lie; convert it"
        )
    if values is None or kind == "c":
        what = "complex numbers" if kind == "c" else "colours"
        raise UserError(
            f"{path} holds {what}; expected one real number a voxel; write the part that is meant "
            "(of complex images the phase, for a field)"
        )
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim < 3:
        raise UserError(
            f"{path} has {values.ndim} axes longer than 1; expected the three axes x y z, or x y z "
            "t of a series; write the whole volume"
        )
    return File(path, values, image.header, raw)


def _check_length(image: Any) -> None:
    """Refuse a header that asks for more than its file holds, as nibabel takes the memory first."""
    path = Path(image.file_map["image"].filename)
    held = path.stat().st_size * (_MOST_DEFLATED if path.suffix.lower() == ".gz" else 1)
    asked = math.prod(map(int, image.shape)) * image.get_data_dtype().itemsize
    if asked > held:
        raise ValueError(f"its header asks for {asked} bytes, of which the file can hold {held}")


def _numbers(image: Any) -> np.ndarray:
    """All numbers of an image.

    Files of gzip are read to their ends, where their checksums are, which nibabel does not reach.
    """
    numbers = None
    for kind, holder in image.file_map.items():
        if not str(holder.filename).lower().endswith(".gz"):
            continue
        with gzip.open(holder.filename) as stream:
            if kind == "image":
                image.dataobj.file_like = stream  # what is read of it need not be read again
                numbers = np.asarray(image.dataobj)
            while stream.read(_CHUNK):
                pass
    return np.asarray(image.dataobj) if numbers is None else numbers


def _raw_header(image: Any) -> Any:
    holder = image.file_map.get("header") or image.file_map["image"]
    with holder.get_prepare_fileobj("rb") as file:
        return type(image.header).from_fileobj(file, check=False)


def _frame(header: Any, name: str) -> np.ndarray | None:
    try:
        affine = header.get_qform(coded=True)[0] if name == "qform" else header.get_sform(True)[0]
    except ValueError:  # a quaternion longer than 1
        return None
    return None if affine is None or not np.isfinite(affine).all() else np.asarray(affine)


def write_on_grid(path: Path, volume: np.ndarray, grid: Grid) -> None:
    """Write a volume on the grid of the file that it was made from.

    Args:
        path: ends with .nii or .nii.gz; its folder is made if absent.
        volume: [x y z] in the order of the subject's axes; masks become bytes, all else float32.
        grid: of the file; frames, codes and unit are repeated as they are, and axes that were
            turned when it was read are turned back.
    """
    if grid.turned is not None:
        straight = np.array([[axis, 1] for axis in range(3)])
        back = nib.orientations.ornt_transform(straight, grid.turned)
        volume = nib.orientations.apply_orientation(volume, back)
    stored = volume.astype(np.uint8 if volume.dtype == bool else np.float32)
    image = nib.Nifti1Image(stored, None)
    image.header.set_zooms(grid.voxel_size)
    if grid.qform is not None:
        image.header.set_qform(grid.qform, grid.qform_code, strip_shears=True)
    image.header.set_sform(grid.sform, grid.sform_code if grid.sform is not None else 0)
    image.header.set_xyzt_units(grid.unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(stored, None, image.header).to_filename(path)
