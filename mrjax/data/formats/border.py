"""What loaders share: the checks before a volume enters mrjax, names of files, messages."""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mrjax.arrays import QsmSubject, Vector
from mrjax.data.formats import found
from mrjax.data.intake import Intake
from mrjax.data.plausible import forward, masks, spread, wraps
from mrjax.errors import UserError

SHORTEST_AXIS = 8


def checked_subject(
    *,
    name: str,
    field: np.ndarray,
    chi: np.ndarray | None,
    mask: np.ndarray,
    voxel_size: Vector = (1.0, 1.0, 1.0),
    b0_direction: Vector = (0.0, 0.0, 1.0),
    intake: Intake | None = None,
) -> QsmSubject:
    """A subject whose volumes are usable: float32, zero outside the mask, finite inside it.

    Values outside the mask are set to zero whatever they are, because tools mark the background
    with zero or NaN as they like.

    Args:
        name: of the subject, for messages.
        field: local field [x y z] [ppm].
        chi: susceptibility [x y z] [ppm], or None.
        mask: [x y z], see `mrjax.data.plausible.masks.inside`.
        voxel_size: edge lengths [mm].
        b0_direction: unit vector in voxel axes.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        The subject.

    Raises:
        UserError: not three axes, shapes that differ, an axis shorter than 8 voxels, an empty
            mask, or a value inside the mask that is not finite.
    """
    volumes = {"field": field, "mask": mask} | ({} if chi is None else {"chi": chi})
    _check_shapes(name, volumes)
    inside = masks.inside(name, mask, Intake() if intake is None else intake)
    if not inside.any():
        raise UserError(
            f"the mask of {name} is empty; expected voxels above zero inside the brain; "
            "check the mask file"
        )
    return QsmSubject(
        name=name,
        field=_inside(name, "field", field, inside),
        chi=None if chi is None else _inside(name, "chi", chi, inside),
        mask=inside,
        voxel_size=voxel_size,
        b0_direction=b0_direction,
    )


def check_spread(subject: QsmSubject, others: Mapping[str, float], intake: Intake) -> None:
    """Doubt a field or map that spreads as no head's does, or that is wrapped.

    The account is told of a mask without an outside and, where there is a map, of a field that is
    not that of the map.

    Args:
        subject: with field and chi in ppm.
        others: units that the field may have been -> factor, `spread.field_units`.
        intake: the run's account.

    Raises:
        UserError: a spread or a wrapped field that the user has not accepted.
    """
    name, inside = subject.name, subject.mask
    if inside.all():
        intake.note("a mask has every voxel of its volume inside (expected: a brain's)", name)
    spread.check(name, "field", subject.field[inside], spread.FIELD_PPM, others, intake)
    wraps.check(name, subject.field, inside, intake)
    if subject.chi is not None and np.ptp(subject.chi[inside]):  # a constant map is refused later
        spread.check(name, "chi", subject.chi[inside], spread.CHI_PPM, spread.CHI_UNITS, intake)
        forward.check(
            name,
            subject.field,
            subject.chi,
            inside,
            subject.voxel_size,
            subject.b0_direction,
            intake,
        )


def _check_shapes(name: str, volumes: dict[str, np.ndarray]) -> None:
    field = volumes["field"].shape
    for kind, volume in volumes.items():
        if volume.ndim != 3:
            raise UserError(
                f"the {kind} of {name} has {volume.ndim} axes; expected the three axes x y z; "
                "write one volume a file"
            )
        if volume.shape != field:
            raise UserError(
                f"the {kind} of {name} has {times(volume.shape)} voxels, its field has "
                f"{times(field)}; expected equal shapes; resample one of them"
            )
    if min(field) < SHORTEST_AXIS:
        raise UserError(
            f"the volumes of {name} have {times(field)} voxels; expected at least "
            f"{SHORTEST_AXIS} along every axis; check the files and the order of their axes"
        )


def _inside(name: str, kind: str, volume: np.ndarray, inside: np.ndarray) -> np.ndarray:
    bad = int(np.count_nonzero(~np.isfinite(volume[inside])))
    if bad:
        raise UserError(
            f"the {kind} of {name} is NaN or infinite in {bad} voxels of the mask; "
            "expected finite values; shrink the mask or repair the file"
        )
    return np.where(inside, volume, 0).astype(np.float32)


def check_values(what: str, values: np.ndarray) -> None:
    """Refuse numbers that are not finite, or zero everywhere.

    Args:
        what: they are, with the verb: "k-space of a is".
        values: of any shape.

    Raises:
        UserError: such numbers.
    """
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise UserError(
            f"the {what} NaN or infinite in {bad} places; expected finite values; repair the file"
        )
    if not values.any():
        raise UserError(
            f"the {what} zero everywhere; expected a signal; check the file and which slice it is"
        )


def require_directory(path: Path) -> None:
    """UserError unless path is an existing directory."""
    if not path.is_dir():
        raise UserError(
            f"no directory {path}; expected the directory with the data; correct the path"
        )


def numbered(folder: Path, stem: str) -> list[tuple[int, Path]]:
    """Files <stem><number>.mat of a folder, by number (2 before 10); UserError for one twice."""
    paths = found.inside(folder, (".mat",)) if folder.is_dir() else []
    matches = [(re.fullmatch(rf"{stem}(\d+)\.mat", p.name, re.I), p) for p in paths]
    result = sorted((int(match[1]), path) for match, path in matches if match)
    for (number, one), (following, other) in itertools.pairwise(result):
        if number == following:
            raise UserError(
                f"{one} and {other.name} both have the number {number}; expected one file a "
                "number; rename one or move it away"
            )
    return result


def of_number(folder: Path, stem: str, number: int) -> Path:
    """The file <stem><number>.mat, however its number is written; it may be absent."""
    return dict(numbered(folder, stem)).get(number, folder / f"{stem}{number}.mat")


def times(shape: Sequence[int]) -> str:
    """A shape for messages: 3 x 4 x 5."""
    return " x ".join(str(int(n)) for n in shape) or "none"


def one_line(error: Exception) -> str:
    """What a library says went wrong, for the middle of a sentence."""
    return " ".join(str(error).split())[:160] or type(error).__name__
