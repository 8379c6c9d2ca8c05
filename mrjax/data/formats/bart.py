"""Slices in the files of the BART toolbox: <name>.cfl (numbers) with <name>.hdr (dimensions).

    <name>          k-space                [readout phase1 phase2 coil], one of the first three is 1
    <name>_maps     coil sensitivity maps  the same dimensions; estimated where absent
    <name>_pattern  columns that a network is to see, as bart upat and bart poisson write them

Arrays are complex64 in column-major order. The first dimension that is not 1 becomes rows, the
second columns. Columns of zeros between others were not acquired, pattern or not. Maps may also
be called <name>_sens.

Source: mrirecon/bart, README and doc (files) of the toolbox.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.data.formats import border, found
from mrjax.data.formats.multicoil import completed
from mrjax.data.intake import Intake
from mrjax.data.words import text
from mrjax.errors import UserError

_MAPS = "_maps"
_OTHER_MAPS = ("_maps", "_sens")
_PATTERN = "_pattern"
_NO_KSPACE = ("maps", "sens", "coils")
"""Names that BART's examples give to coil sensitivity maps, which are no k-space."""
_NO_KSPACE_EITHER = ("pattern", "pat")
"""Names that they give to sampling patterns."""
_DIMENSIONS = 16


def files(data_dir: Path, intake: Intake | None = None) -> list[Path]:
    """The k-spaces of a folder, by name: .cfl files that are neither maps nor patterns.

    Args:
        data_dir: the folder.
        intake: the run's account, which is told of maps and patterns that belong to no k-space.

    Returns:
        The .cfl files.

    Raises:
        UserError: there is none.
    """
    border.require_directory(data_dir)
    every = found.inside(data_dir, (".cfl",))
    kspaces = [path for path in every if not _role(path)]
    names = {path.stem for path in kspaces}
    for path in every:
        role = _role(path)
        if role and path.stem.rpartition("_")[0] not in names and intake is not None:
            intake.leave_out(path.name, f"{role} without the k-space of that name")
    if not kspaces:
        raise UserError(
            f"no k-space <name>.cfl in {data_dir}; expected BART's .cfl with .hdr beside it; "
            "point --data_dir at their folder"
        )
    return kspaces


def _role(path: Path) -> str:
    """What a file is if it is no k-space."""
    if path.stem.endswith(_OTHER_MAPS) or path.stem.lower() in _NO_KSPACE:
        return "coil sensitivity maps"
    if path.stem.endswith(_PATTERN) or path.stem.lower() in _NO_KSPACE_EITHER:
        return "a sampling pattern"
    return ""


def read(
    path: Path, maps: str = "acs", acs_lines: int = 24, intake: Intake | None = None
) -> SenseSlice:
    """Read one slice.

    Args:
        path: the .cfl file of the k-space.
        maps: how coil sensitivity maps are estimated where <name>_maps.cfl is absent.
        acs_lines: central columns to estimate them from.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        The slice; without a reference where columns are missing.

    Raises:
        UserError: an unreadable file, a header missing or unlike the numbers, more than one slice
            or set of maps, a pattern of other than whole columns, or a slice that cannot be used.
    """
    kspace = _coils_first(path)
    own = [path.with_name(path.stem + suffix + ".cfl") for suffix in _OTHER_MAPS]
    own = [one for one in own if os.path.lexists(one)]
    pattern = path.with_name(path.stem + _PATTERN + ".cfl")
    return completed(
        text(path.stem),
        kspace,
        mask=_columns(pattern, path) if os.path.lexists(pattern) else None,
        maps=_coils_first(own[0]) if own else None,
        estimate=maps,
        acs_lines=acs_lines,
        intake=intake,
    )


def write_bart(slices: Sequence[SenseSlice], data_dir: Path) -> None:
    """Write k-space and maps of every slice, named by its number so that the order is kept.

    Args:
        slices: any.
        data_dir: folder to write into; made if absent.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(slices, 1):
        for suffix, array in (("", one.kspace), (_MAPS, one.maps)):
            columns_first = np.moveaxis(array, 0, 2)[:, :, None, :]
            write_cfl(data_dir / f"slice{number:04d}{suffix}.cfl", columns_first)


def _coils_first(path: Path) -> np.ndarray:
    array = read_cfl(path)
    shape = array.shape + (1,) * (4 - array.ndim)
    if shape[:3].count(1) != 1 or max(shape[4:], default=1) > 1:
        raise UserError(
            f"{path} has dimensions {border.times(array.shape)}; expected readout x phase1 x "
            "phase2 x coil with exactly one of the first three equal to 1, and nothing more; "
            "take one slice and one set of maps with bart slice"
        )
    single = shape.index(1)
    planes = array.reshape(shape[:4], order="F")
    return np.moveaxis(np.squeeze(planes, axis=single), 2, 0)


def _columns(pattern: Path, path: Path) -> np.ndarray:
    """The columns that a pattern samples, of the k-space in a file."""
    sampled = read_cfl(pattern) != 0
    whole, own = ((*shape, 1, 1)[:3] for shape in (_dimensions(_header(path)), sampled.shape))
    fits = sampled.ndim <= 3 and all(n in (1, m) for n, m in zip(own, whole, strict=True))
    plane = np.broadcast_to(sampled.reshape(own), whole) if fits else np.zeros(0)
    plane = plane.squeeze(whole.index(1)) if fits else plane
    if not fits or not (plane == plane[:1]).all():
        raise UserError(
            f"the pattern {pattern} has dimensions {border.times(sampled.shape)}, its k-space "
            f"{border.times(whole)}; expected a pattern of whole columns of that k-space; "
            "sample one phase-encoding direction only"
        )
    return plane[0]


def read_cfl(path: Path) -> np.ndarray:
    """A BART array: complex64 of the header's dimensions, without ones at the end.

    Args:
        path: the .cfl file; its .hdr stands beside it.

    Returns:
        The array, axes in BART's order.

    Raises:
        UserError: an unreadable file, no header, or one that does not fit the numbers.
    """
    header = _header(path)
    if not os.path.isfile(header):  # noqa: PTH113 is_file() raises for odd paths
        raise UserError(
            f"no file {header}; expected the header of {path.name}; copy both files of the pair"
        )
    try:
        shape, values = _dimensions(header), np.fromfile(path, "<c8")
    except OSError as error:
        raise UserError(
            f"{path} or its header cannot be read ({error.strerror}); expected a pair of files of "
            "BART; copy both files again"
        ) from error
    if math.prod(shape) != values.size:
        raise UserError(
            f"{path} holds {values.size} numbers, its header says {border.times(shape)}; "
            "expected as many; copy both files again"
        )
    return values.reshape(shape, order="F")


def _header(path: Path) -> Path:
    return path.with_suffix(".hdr")


def _dimensions(header: Path) -> tuple[int, ...]:
    lines = [line.strip() for line in header.read_text(errors="replace").splitlines()]
    try:
        shape = [int(n) for n in lines[lines.index("# Dimensions") + 1].split()]
    except (ValueError, IndexError):
        shape = []
    if not shape or min(shape) < 1:
        raise UserError(
            f"{header} has no line of dimensions; expected whole numbers below '# Dimensions'; "
            "write the pair again with BART"
        )
    while len(shape) > 1 and shape[-1] == 1:
        shape.pop()
    return tuple(shape)


def write_cfl(path: Path, array: np.ndarray) -> None:
    """Write a BART pair: numbers column-major as complex64, and a header of 16 dimensions."""
    shape = array.shape + (1,) * (_DIMENSIONS - array.ndim)
    _header(path).write_text("# Dimensions\n" + " ".join(map(str, shape)) + "\n")
    path.write_bytes(np.asarray(array, "<c8").tobytes(order="F"))
