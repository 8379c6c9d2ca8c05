"""Coil sensitivity maps: those of a file, brought to norm 1, or estimated from central columns."""

import functools

import numpy as np

from mrjax.data.formats.border import check_values
from mrjax.data.intake import Intake
from mrjax.data.plausible.centre import middle
from mrjax.errors import UserError
from mrjax.numerics import host
from mrjax.physics import coils

ESTIMATES = ("acs", "espirit")
_NORM_TOLERANCE = 1e-3
"""Deviation of the norm of maps from 1 that writers of float32 may leave."""
COUNTED = -1
"""Number of ACS lines that stands for as many as were acquired without a gap, at most 32."""
_CENTRE, _FEWEST = 32, 8
"""Central rows and columns at most and at least that images to compare maps with are made from."""
_UNEXPLAINED = 0.15
"""Share of the energy of coil images that noise and blurred edges leave unexplained at most; it is
0.004 of a measured brain."""


def normalised(name: str, maps: np.ndarray, intake: Intake) -> np.ndarray:
    """Maps C of which the sum over coils of |C|^2 is 1 or 0; those that are so already stay.

    Args:
        name: of the slice.
        maps: coil sensitivity maps [coil row column].
        intake: the run's account, which is told where maps were divided by their norm.

    Returns:
        The maps, complex64 where they were divided.

    Raises:
        UserError: maps that are not finite or zero everywhere.
    """
    return _divided(name, maps, intake)[0]


def normalised_with(
    name: str, maps: np.ndarray, reference: np.ndarray, intake: Intake
) -> tuple[np.ndarray, np.ndarray]:
    """Maps as by :func:`normalised`, and the reference image that belongs to them.

    The image of a coil is the reference times the map. It stays what it is when the reference is
    multiplied by what the maps are divided by.

    Args:
        name: of the slice.
        maps: coil sensitivity maps [coil row column].
        reference: image [row column] that was reconstructed with these maps.
        intake: the run's account, which is told where both were changed.

    Returns:
        (maps, reference); both as they are where nothing had to be done.

    Raises:
        UserError: maps that are not finite or zero everywhere.
    """
    divided, norm = _divided(name, maps, intake)
    if norm is None or reference.shape != norm.shape:  # the shape is refused later
        return divided, reference
    intake.note(
        "references were multiplied by what their coil sensitivity maps were divided by", name
    )
    real, imag = np.real(reference) * norm, np.imag(reference) * norm
    return divided, host.assemble(real, imag).astype(np.complex64)


def _divided(name: str, maps: np.ndarray, intake: Intake) -> tuple[np.ndarray, np.ndarray | None]:
    """Maps divided by their norm, and the norm [row column]; None where they stay as they are."""
    check_values(f"coil sensitivity maps of {name} are", maps)
    # Divided by the largest part first: of BART's phantoms the squares are beyond float32.
    real, imag = np.real(maps).astype(np.float64), np.imag(maps).astype(np.float64)
    largest = np.maximum(np.abs(real), np.abs(imag)).max(axis=0)
    scale = np.where(largest > 0, largest, 1)
    squares = functools.reduce(np.add, (real / scale) ** 2 + (imag / scale) ** 2)
    norm = scale * np.sqrt(squares)
    inside = norm[largest > 0]
    if not (np.abs(inside - 1) > _NORM_TOLERANCE).any():
        return maps, None
    intake.note(
        "coil sensitivity maps were divided by the root of their sum of squares",
        f"{name} (sum from {inside.min() ** 2:.3g} to {inside.max() ** 2:.3g})",
    )
    norm = np.where(largest > 0, norm, 1)
    return host.assemble(real / norm, imag / norm).astype(np.complex64), norm


def acs_lines(name: str, columns: int, mask: np.ndarray | None, asked: int, intake: Intake) -> int:
    """How many central columns maps are estimated from: all of them must have been acquired.

    An odd number of lines cannot lie evenly about the zero frequency, and formats differ in the
    side that gets one more, so one line less than asked for will do.

    Args:
        name: of the slice.
        columns: of its k-space.
        mask: [column], the acquired ones; None for all.
        asked: number of central columns to estimate from, or `COUNTED`.
        intake: the run's account, which is told where there is one less.

    Returns:
        The number.

    Raises:
        UserError: a number that cannot be, or central columns that were not acquired.
    """
    if asked == COUNTED:
        asked = _central_columns(columns, mask)
    if not 2 <= asked <= columns:
        raise UserError(
            f"maps of {name} are estimated from {asked} ACS lines of {columns} columns; "
            f"expected 2 to {columns}; change --acs_lines"
        )
    missing = _missing(columns, mask, asked)
    if missing == 1 and asked > 2 and not _missing(columns, mask, asked - 1):
        intake.note(f"coil sensitivity maps come from {asked - 1} columns", name)
        return asked - 1
    if missing:
        raise UserError(
            f"{missing} of the {asked} central columns of {name} were not acquired; expected "
            "all of them to estimate coil sensitivity maps from; lower --acs_lines"
        )
    return asked


def _missing(columns: int, mask: np.ndarray | None, acs_lines: int) -> int:
    """Central columns that were not acquired, those that `mrjax.physics.coils` cuts out."""
    return 0 if mask is None else int(np.count_nonzero(~mask[middle(columns, acs_lines)]))


def estimated(name: str, kspace: np.ndarray, estimate: str, lines: int) -> np.ndarray:
    """Maps from the central columns of k-space.

    Args:
        name: of the slice.
        kspace: [coil row column].
        estimate: how, one of `ESTIMATES`.
        lines: number of the columns.

    Returns:
        Coil sensitivity maps [coil row column].

    Raises:
        UserError: an unknown estimate, or one that finds no map at all.
    """
    if estimate not in ESTIMATES:
        raise UserError(
            f"unknown estimate of coil sensitivity maps {estimate!r}; expected one of "
            f"{', '.join(ESTIMATES)}; set --maps"
        )
    estimator = coils.from_acs if estimate == "acs" else coils.espirit
    found = estimator(kspace, lines)
    if not found.any():
        raise UserError(
            f"the {lines} central columns of {name} give no coil sensitivity map by --maps="
            f"{estimate}; expected a signal that the coils have in common; check the file, raise "
            "--acs_lines or change --maps"
        )
    return found


def compare(
    name: str,
    kspace: np.ndarray,
    maps: np.ndarray,
    present: np.ndarray | None,
    intake: Intake,
) -> None:
    """Say so where coil images are not an image times their maps.

    Maps of another slice, of coils in another order, or turned, make a wrong image that looks like
    one. So do maps that are zero in parts of the object, as ESPIRiT's are where it has too few
    lines.

    Args:
        name: of the slice.
        kspace: [coil row column].
        maps: [coil row column], of which the sum over coils of |C|^2 is 1 or 0.
        present: columns that were acquired; None for all. Maps are not compared where fewer than
            eight columns about the zero frequency were.
        intake: the run's account.
    """
    rows, columns = kspace.shape[1:]
    width = _central_columns(columns, present)
    if width < _FEWEST:
        return
    centre = np.zeros_like(kspace)
    box = (slice(None), middle(rows, _CENTRE), middle(columns, width))
    centre[box] = kspace[box]
    axes = (-2, -1)  # numpy's transform is fast, and no result depends on these bits
    images = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(centre, axes), norm="ortho"), axes)
    length = max(float(np.linalg.norm(images)), 1e-30)
    share = 1 - (float(np.linalg.norm(np.sum(np.conj(maps) * images, axis=0))) / length) ** 2
    if not share <= _UNEXPLAINED:
        intake.note(
            "coil sensitivity maps do not explain a part of the coil images' energy (noise, maps "
            "of other coils or of another orientation, or none where there is signal)",
            f"{name} ({100 * share:.0f} %)",
        )


def _central_columns(columns: int, present: np.ndarray | None) -> int:
    """Width of the widest run about the zero frequency that was acquired, at most `_CENTRE`."""
    widths = range(min(columns, _CENTRE), 0, -1)
    return next((n for n in widths if not _missing(columns, present, n)), 0)
