"""What an ISMRMRD header says of the place of readouts in k-space."""

import dataclasses
import math
from typing import Any

from mrjax.data.formats import border
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.physics.prewhitening import BANDWIDTH_RATIO

_LONGEST_AXIS = 1 << 14


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoding:
    """How readouts are placed in k-space.

    Attributes:
        rows: points of a whole readout, with its oversampling.
        columns: phase-encoding lines of a whole k-space.
        kept: rows of the reconstructed image, without oversampling.
        centre: number of the line through the centre of k-space.
    """

    rows: int
    columns: int
    kept: int
    centre: int


def encoding(name: str, found: Any, intake: Intake) -> Encoding:
    """The numbers of the header that place readouts.

    Args:
        name: of the file, for messages.
        found: the encoding as the package ismrmrd gives it.
        intake: the run's account.

    Returns:
        The numbers.

    Raises:
        UserError: no parallel lines of two-dimensional slices, or sizes that cannot be.
    """
    trajectory = found.trajectory.value
    if trajectory != "cartesian":
        raise UserError(
            f"{name} has a trajectory that is {trajectory}; expected cartesian, parallel lines; "
            "leave it out"
        )
    whole, image = found.encodedSpace, found.reconSpace
    rows, columns = whole.matrixSize.x, whole.matrixSize.y
    if whole.matrixSize.z > 1:
        raise UserError(not_flat(name, f"encodes {whole.matrixSize.z} partitions, more than one"))
    if not all(border.SHORTEST_AXIS <= n <= _LONGEST_AXIS for n in (rows, columns)):
        raise UserError(
            f"the header of {name} says {rows} x {columns} points are encoded; expected "
            f"{border.SHORTEST_AXIS} to {_LONGEST_AXIS} along both axes; correct the header"
        )
    limits = found.encodingLimits.kspace_encoding_step_1
    if limits is None:
        intake.note(f"line {columns // 2} counts as the centre, since no header says it", name)
    return Encoding(
        rows=rows,
        columns=columns,
        kept=_kept(name, whole, image, intake),
        centre=columns // 2 if limits is None else limits.center,
    )


def _kept(name: str, whole: Any, image: Any, intake: Intake) -> int:
    """Rows of the reconstructed image, the inner ones of those encoded.

    The numbers of points count, as in the tools of the format: fields of view are often left at
    some default.
    """
    rows, kept = whole.matrixSize.x, min(image.matrixSize.x, whole.matrixSize.x)
    outer, inner = whole.fieldOfView_mm.x, image.fieldOfView_mm.x
    if 0 < inner < math.inf and 0 < outer < math.inf:
        inside = round(rows * min(inner / outer, 1.0))
        if abs(inside - kept) > 1:
            intake.note(
                f"{kept} of {rows} rows are kept by the header's numbers of points, though its "
                f"fields of view say {inside}",
                name,
            )
    if kept < border.SHORTEST_AXIS:
        raise UserError(
            f"the header of {name} says that {kept} of {rows} rows are reconstructed; expected "
            f"{border.SHORTEST_AXIS} to {rows}; correct the header"
        )
    return kept


def bandwidth_ratio(header: Any) -> float:
    """Noise bandwidth of the receiver as a share of the sampling bandwidth."""
    system = header.acquisitionSystemInformation
    ratio = None if system is None else system.relativeReceiverNoiseBandwidth
    return ratio if ratio and 0 < ratio <= 2 else BANDWIDTH_RATIO


def not_flat(name: str, what: str) -> str:
    """The line that refuses three encoded dimensions.

    Args:
        name: of the file.
        what: it does, up to the word "line".

    Returns:
        The message.
    """
    return (
        f"{name} {what} line along the second phase-encoding direction (a 3-D encoding); expected "
        "2-D slices, each encoded for itself; leave it out"
    )
