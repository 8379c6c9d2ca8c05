"""Cartesian multi-coil raw data in the ISMRM Raw Data format (HDF5).

    dataset/xml     header: encoded and reconstructed matrix, field of view, limits of encoding
    dataset/data    readouts [coil sample], each with counters (line, slice, average ...) and flags

Images are made as the community's tools make them: the coils are prewhitened by the noise
measurement, lines placed about the centre that the header names, averages averaged, and the outer
rows that the header's image does not have (readout oversampling) cut off; columns are all kept.
Every slice, contrast, phase, repetition and set is an image of its own. Lines that only calibrate
count for the coil sensitivity maps alone.

Source: Inati et al., Magn Reson Med 77:411 (2017); ismrmrd.github.io.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.data.formats import border, fastmri, found, ismrmrd_file, ismrmrd_kspace
from mrjax.data.formats.ismrmrd_file import Readout
from mrjax.data.formats.ismrmrd_kspace import COUNTERS, Coils, Image
from mrjax.data.formats.multicoil import check_finite, completed
from mrjax.data.intake import Intake
from mrjax.data.words import text
from mrjax.errors import UserError
from mrjax.physics.prewhitening import prewhitened

SUFFIXES = (".h5", ".hdf5", ".mrd", ".ismrmrd")
_PIXEL = 1.0
"""Edge of a pixel where a slice does not say it [mm]."""
_DWELL = 5.0
"""Time between two samples of a written readout [microseconds]."""


def files(data_dir: Path) -> list[Path]:
    """The files of a folder, by name; UserError where there is none."""
    border.require_directory(data_dir)
    paths = found.inside(data_dir, SUFFIXES)
    if not paths:
        raise UserError(
            f"no .h5 or .mrd files in {data_dir}; expected raw data in the ISMRMRD format; "
            "point --data_dir at their folder"
        )
    return paths


def read(
    path: Path, maps: str = "acs", acs_lines: int = 24, intake: Intake | None = None
) -> list[SenseSlice]:
    """Read all images of one file.

    Args:
        path: the file.
        maps: how coil sensitivity maps are estimated: acs or espirit.
        acs_lines: central columns to estimate them from.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        Slices named <file>_slice<number>, with the number of the contrast, phase, repetition and
        set where the file has several; those of an incomplete k-space have no reference.

    Raises:
        UserError: the package ismrmrd is missing, an unreadable file, an encoding that the
            network cannot use, or a slice that cannot be used.
    """
    intake = Intake() if intake is None else intake
    raw = ismrmrd_file.contents(path, intake)
    if raw is None:
        return []
    images = ismrmrd_kspace.by_image(raw.imaging)
    calibration = ismrmrd_kspace.by_image(raw.calibration)
    noise = ismrmrd_kspace.noise(text(path.name), raw, intake)

    def kspace(name: str, readouts: Sequence[Readout]) -> Coils:
        found = ismrmrd_kspace.placed(name, readouts, raw.encoding, intake)
        check_finite(name, found)
        found = found if noise is None else prewhitened(found, *noise)
        return found.astype(np.complex64)

    slices = []
    for image, name in _names(path, list(images), intake).items():
        whole, lines = kspace(name, images[image]), _calibration(name, image, calibration, intake)
        one = completed(
            name,
            _inside(whole, raw.encoding.kept),
            acquired=whole,
            calibration=_inside(kspace(name, lines), raw.encoding.kept) if lines else None,
            estimate=maps,
            acs_lines=acs_lines,
            intake=intake,
        )
        volume = name.replace(_slice(path, image), text(path.stem))
        slices.append(dataclasses.replace(one, volume=volume))
    return slices


def _names(path: Path, images: Sequence[Image], intake: Intake) -> dict[Image, str]:
    """Image -> its name, with every counter but the slice's where it has several values."""
    several = [n for n in range(1, len(COUNTERS)) if len({image[n] for image in images}) > 1]
    for n in several:
        intake.note(f"every {COUNTERS[n]} is an image of its own", text(path.name))
    return {
        image: _slice(path, image) + "".join(f"_{COUNTERS[n]}{image[n]:02d}" for n in several)
        for image in images
    }


def _slice(path: Path, image: Image) -> str:
    return f"{text(path.stem)}_slice{image[0]:02d}"


def _calibration(
    name: str, image: Image, calibration: dict[Image, list[Readout]], intake: Intake
) -> list[Readout]:
    """The calibration lines of an image, or else of another one of its slice."""
    same = [other for other in calibration if other[0] == image[0]]
    if image in same or not same:
        return calibration.get(image, [])
    intake.note("coil sensitivity maps come from the calibration of another image", name)
    return calibration[same[0]]


def _inside(kspace: Coils, rows: int) -> Coils:
    """K-space of the central rows of the image."""
    return fastmri.cropped(kspace, rows) if rows < kspace.shape[1] else kspace


def write_ismrmrd(slices: Sequence[SenseSlice], path: Path) -> None:
    """Write the slices of one file, without oversampling of the readout and without noise lines.

    Args:
        slices: of one shape; columns that are zero everywhere are not written.
        path: the file; its folder is made if absent.

    Raises:
        UserError: the package ismrmrd is missing.
    """
    mrd = ismrmrd_file.package()
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrd.File(path, "w") as file:
        data = file["dataset"]
        data.header = _header(mrd, *slices[0].kspace.shape)
        data.acquisitions = [
            _line(mrd, number, int(column), one.kspace[:, :, column])
            for number, one in enumerate(slices)
            for column in np.flatnonzero(np.any(one.kspace != 0, axis=(0, 1)))
        ]


def _line(mrd: Any, number: int, column: int, values: np.ndarray) -> Any:
    line = mrd.Acquisition.from_array(
        np.asarray(values, np.complex64),
        center_sample=values.shape[1] // 2,
        sample_time_us=_DWELL,
    )
    line.idx.slice, line.idx.kspace_encode_step_1 = number, column
    return line


def _header(mrd: Any, coils: int, rows: int, columns: int) -> Any:
    xsd = mrd.xsd
    space = xsd.encodingSpaceType(
        matrixSize=xsd.matrixSizeType(x=rows, y=columns, z=1),
        fieldOfView_mm=xsd.fieldOfViewMm(x=rows * _PIXEL, y=columns * _PIXEL, z=_PIXEL),
    )
    limits = xsd.limitType(minimum=0, maximum=columns - 1, center=columns // 2)
    return xsd.ismrmrdHeader(
        version=8,
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=128000000),
        acquisitionSystemInformation=xsd.acquisitionSystemInformationType(receiverChannels=coils),
        encoding=[
            xsd.encodingType(
                encodedSpace=space,
                reconSpace=space,
                encodingLimits=xsd.encodingLimitsType(kspace_encoding_step_1=limits),
                trajectory=xsd.trajectoryType.CARTESIAN,
            )
        ],
    )
