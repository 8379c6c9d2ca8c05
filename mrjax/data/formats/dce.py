"""Dynamic contrast-enhanced series in MATLAB files, and what every series is checked for.

In mrjax's own layout each patient has a file with these variables:

    dce     signal        [x y z t], or [x y t] for one slice, arbitrary units
    times   of volumes    [s], rising
    mask    breast        [x y z] or [x y], two values; may be absent

Here x points to the right and y to the front, and axial slices lie along z. The layout of
DCEMRI.jl's demonstration file is read as well:

    DCEdata signal        [t row column], one sagittal slice: rows to the feet, columns to the back
    t       of volumes    [s]

There the image keeps its rows as x and its columns turned round as y, so that y points to the
front as everywhere.

Source of the second: davidssmith/DCEMRI.jl, demo/invivo.mat (its README names the variables).
"""

from pathlib import Path

import numpy as np
import scipy.io

from mrjax.arrays import DcePatient, Grid, Vector
from mrjax.data.formats import found, matlab
from mrjax.data.formats.border import SHORTEST_AXIS, times
from mrjax.data.intake import Intake
from mrjax.data.plausible import masks
from mrjax.data.plausible import times as series
from mrjax.data.words import text
from mrjax.errors import UserError

SIGNAL, TIMES, MASK = "dce", "times", "mask"
SLICE, SLICE_TIMES = "DCEdata", "t"
FEWEST_TIMES = 3
_NEGATIVE = 0.01
"""Share of the voxels of a later volume that interpolation may leave below zero."""


def dce_mat(data_dir: Path, intake: Intake | None = None) -> list[DcePatient]:
    """All series of a folder of .mat files, by name, or that of one file.

    Args:
        data_dir: folder or file.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        One patient a file; voxels count as cubes of 1 mm, which the layouts do not say.

    Raises:
        UserError: no file, a variable missing, or a series that cannot be used.
    """
    intake = Intake() if intake is None else intake
    paths = [data_dir] if data_dir.is_file() else found.inside(data_dir, (".mat",))
    if not paths:
        raise UserError(
            f"no .mat file in {data_dir}; expected one a patient with the variables {SIGNAL} and "
            f"{TIMES}; point --data_dir at their folder"
        )
    return [_read(path, intake) for path in paths]


def write_dce_mat(patient: DcePatient, path: Path) -> None:
    """Write one patient in our layout.

    Args:
        patient: to write; voxel size and affine are lost.
        path: ends with .mat; its folder is made if absent.
    """
    content = {SIGNAL: patient.signal, TIMES: patient.times}
    if patient.mask is not None:
        content[MASK] = patient.mask.astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, content, do_compression=True)


def checked_patient(
    *,
    name: str,
    signal: np.ndarray,
    seconds: np.ndarray,
    mask: np.ndarray | None,
    voxel_size: Vector = (1.0, 1.0, 1.0),
    affine: np.ndarray | None = None,
    grid: Grid | None = None,
    intake: Intake | None = None,
) -> DcePatient:
    """A patient whose arrays are usable: float32 signal, rising times, a mask with voxels.

    Args:
        name: of the patient, for messages.
        signal: [x y z t], arbitrary units.
        seconds: times of the volumes [t] [s].
        mask: [x y z], see `mrjax.data.plausible.masks.inside`, or None.
        voxel_size: edge lengths [mm].
        affine: voxel indices to scanner coordinates [mm], or None.
        grid: of the file, or None.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        The patient.

    Raises:
        UserError: not four axes, slices too small, fewer than three volumes, times of another
            number, not rising or of an implausible length, signal not finite or without contrast,
            a mask of another shape or without a voxel.
    """
    intake = Intake() if intake is None else intake
    if signal.ndim != 4 or min(signal.shape[:2], default=0) < SHORTEST_AXIS or not signal.size:
        raise UserError(
            f"the series of {name} has shape {times(signal.shape)}; expected x y z t with slices "
            f"of at least {SHORTEST_AXIS} x {SHORTEST_AXIS}; save it again"
        )
    _check_times(name, seconds, signal.shape[3])
    series.check(name, seconds, intake)
    _check_signal(name, signal, intake)
    return DcePatient(
        name=name,
        signal=signal.astype(np.float32),
        times=seconds.astype(np.float64),
        mask=None if mask is None else _checked_mask(name, mask, signal.shape[:3], intake),
        voxel_size=voxel_size,
        affine=affine,
        grid=grid,
    )


def _check_times(name: str, seconds: np.ndarray, volumes: int) -> None:
    if volumes < FEWEST_TIMES:
        raise UserError(
            f"the series of {name} has {volumes} volumes; expected at least {FEWEST_TIMES}: before "
            "contrast agent, early and late; leave the patient out"
        )
    if seconds.shape != (volumes,):
        raise UserError(
            f"{name} has {volumes} volumes but {seconds.size} times; expected one a volume; "
            "correct the times"
        )
    if not (np.isfinite(seconds).all() and (np.diff(seconds) > 0).all()):
        raise UserError(
            f"the times of {name} do not rise; expected seconds from volume to volume; correct them"
        )


def _check_signal(name: str, signal: np.ndarray, intake: Intake) -> None:
    bad = int(np.count_nonzero(~np.isfinite(signal)))
    if bad:
        raise UserError(
            f"the series of {name} is NaN or infinite in {bad} places; expected finite values; "
            "repair the file"
        )
    if signal[..., 0].min() < 0 or signal[..., 0].max() == signal[..., 0].min():
        raise UserError(
            f"the first volume of {name} is constant or negative somewhere; expected a magnitude "
            "image; check the file"
        )
    negative = np.mean(signal < 0, axis=(0, 1, 2))
    if negative.max() > _NEGATIVE:
        intake.note(
            "later volumes of a series are negative in places (differences instead of magnitudes?)",
            f"{name} (volume {int(np.argmax(negative)) + 1} in {100 * negative.max():.0f} % of its "
            "voxels)",
        )


def _checked_mask(
    name: str, mask: np.ndarray, shape: tuple[int, ...], intake: Intake
) -> np.ndarray:
    if mask.shape != shape:
        raise UserError(
            f"the mask of {name} has {times(mask.shape)} voxels, its series has {times(shape)}; "
            "expected equal shapes; resample one of them"
        )
    inside = masks.inside(name, mask, intake)
    if not inside.any():
        raise UserError(
            f"the mask of {name} is empty; expected voxels above zero inside the breasts; check "
            "the mask"
        )
    return inside


def _read(path: Path, intake: Intake) -> DcePatient:
    one_slice = matlab.read_optional(path, SLICE, intake=intake)
    if one_slice is not None:
        return _read_slice(path, one_slice, intake)
    signal = matlab.read(path, SIGNAL, intake=intake)
    seconds = matlab.read(path, TIMES, intake=intake).ravel()
    mask = matlab.read_optional(path, MASK, intake=intake)
    if signal.ndim == 3 and signal.shape[2] == seconds.size:  # MATLAB drops an axis of one slice
        signal = signal[:, :, None, :]
    if mask is not None and mask.ndim == 2:
        mask = mask[:, :, None]
    return checked_patient(
        name=text(path.stem), signal=signal, seconds=seconds, mask=mask, intake=intake
    )


def _read_slice(path: Path, stored: np.ndarray, intake: Intake) -> DcePatient:
    if stored.ndim != 3:
        raise UserError(
            f"variable {SLICE} of {path} has {stored.ndim} axes; expected t, row, column; "
            "save it again"
        )
    signal = np.moveaxis(stored, 0, -1)[:, ::-1, None, :]
    seconds = matlab.read(path, SLICE_TIMES, intake=intake).ravel()
    return checked_patient(
        name=text(path.stem), signal=signal, seconds=seconds, mask=None, intake=intake
    )
