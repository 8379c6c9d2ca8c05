"""A local field in a NIfTI file -> the susceptibility map on its grid."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from mrjax.arrays import QsmSubject
from mrjax.data.formats import border, nifti, nifti_file
from mrjax.data.intake import Intake
from mrjax.data.plausible import frames, places, spread
from mrjax.data.words import text
from mrjax.errors import UserError
from mrjax.sharing.predict.files import Asked
from mrjax.tasks.qsm import domain, model, network
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.inputs import Inputs


def prepare(asked: Asked, config: Config, built: model.Model, account: Intake) -> Inputs:
    """Read the field, its mask and the network.

    Raises:
        UserError: a file cannot be used or makes no sense, or the network cannot be read.
    """
    initial, constants, known = network.load(config, built)
    one = _subject(asked, config, account)
    domain.look(config, known, [one], account)
    return Inputs([], None, [one], constants, initial, account, known)


def applications(inputs: Inputs) -> int:
    """How often the network is applied."""
    return len(inputs.test)


def write(path: Path, asked: Asked, inputs: Inputs, outputs: Sequence[np.ndarray]) -> None:
    """Write the map [ppm] on the grid of the field."""
    grid = inputs.test[0].grid
    assert grid is not None
    nifti_file.write_on_grid(path, outputs[0], grid)


def _subject(asked: Asked, config: Config, account: Intake) -> QsmSubject:
    """The field in the axes that the network knows."""
    physics = {"field_strength": config.field_strength, "echo_time": config.echo_time}
    scale = nifti.ppm_per_unit(config.unit, **physics)
    field = _one_volume(nifti_file.read(asked.input), asked.flags)
    frame = frames.scanner(field.path, field.header, field.raw, account)
    mask = _mask(field, asked, account)
    turn, affine = _axes(frame.affine, field, asked, account)
    turned = frames.Frame(frame.name, frame.code, affine)
    values, inside = (nib.orientations.apply_orientation(v, turn) for v in (field.volume, mask))
    one = border.checked_subject(
        name=text(nifti_file.stem(asked.input)),
        field=np.asarray(values, np.float64) * scale,
        chi=None,
        mask=inside,
        voxel_size=turned.voxel_size,
        b0_direction=turned.b0_direction,
        intake=account,
    )
    border.check_spread(one, spread.field_units(config.unit, **physics), account)
    grid = dataclasses.replace(field.grid, turned=turn)
    return dataclasses.replace(one, affine=affine, grid=grid)


def _axes(
    affine: np.ndarray, field: nifti_file.File, asked: Asked, account: Intake
) -> tuple[np.ndarray, np.ndarray]:
    """How the axes are turned (nibabel's orientation), and the affine of the turned field.

    A network knows nothing of mirrors, so a field gives another map where its axes run another way.
    They are turned to the right, the front and the top, as those of synthetic brains; but NIfTI
    files are trained with as they are.
    """
    turn, turned, _ = places.upright(affine, field.volume.shape)
    if asked.trained_on != "nifti":
        return turn, turned
    account.note(
        "the network was trained with NIfTI files in the axes that they have, so this field keeps "
        f"its own ({', '.join(nib.aff2axcodes(affine))}); with other axes its map would be another"
    )
    return np.array([[axis, 1] for axis in range(3)]), affine


def _one_volume(file: nifti_file.File, flags: Mapping[str, Any]) -> nifti_file.File:
    """The volume that --echo names, of a file in four dimensions."""
    wanted, shape = flags.get("echo"), file.volume.shape
    volumes = shape[3] if len(shape) == 4 else 1
    if len(shape) > 4:
        raise UserError(
            f"{file.path} has {len(shape)} axes; expected x y z, or x y z echo; write one volume"
        )
    if volumes > 1 and wanted is None:
        raise UserError(
            f"{file.path} has {volumes} volumes; expected one, or which of them is meant; choose "
            f"one with --echo=1 to --echo={volumes}"
        )
    if wanted is None or (wanted == 1 and len(shape) == 3):
        return file
    if wanted > volumes:
        raise UserError(
            f"--echo={wanted} of {file.path}, which has {volumes} volumes; expected at most that; "
            "lower --echo"
        )
    return file._replace(volume=file.volume[..., wanted - 1])


def _mask(field: nifti_file.File, asked: Asked, account: Intake) -> np.ndarray:
    """The mask in the axes of the field's file; without --mask, where the field says something.

    Pipelines set a local field to zero or NaN outside the brain. Holes of zeros are filled.
    """
    if "mask" in asked.flags:
        mask = nifti_file.read(Path(asked.flags["mask"]))
        return places.turned_onto(mask, field, account)
    finite = np.isfinite(field.volume)
    inside = ndimage.binary_fill_holes(finite & (field.volume != 0))
    assert inside is not None
    inside = inside & finite
    if inside.all() or not inside.any():
        raise UserError(
            f"{field.path} is nowhere zero or NaN, or everywhere, so it does not say where the "
            "brain is; expected a mask; give --mask"
        )
    count = f"{np.count_nonzero(inside)} of {inside.size} voxels"
    account.note(
        "without --mask, the brain is where the field is finite and not zero, with holes filled: "
        f"{count}"
    )
    return inside
