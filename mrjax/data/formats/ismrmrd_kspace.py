"""Readouts of ISMRMRD files put together: one k-space for each image, averaged and prewhitened."""

import collections
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Complex

from mrjax.data.formats.ismrmrd_file import Raw, Readout
from mrjax.data.formats.ismrmrd_header import Encoding
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.numerics import host
from mrjax.physics import prewhitening

COUNTERS = ("slice", "contrast", "phase", "repetition", "set")
"""Counters of a readout that say which image it belongs to; the others say where in it."""
_EMPTIEST = 64
"""Largest number of points of a whole k-space for each sample; beyond it the header is wrong."""

Coils = Complex[np.ndarray, "coil row column"]
Image = tuple[int, ...]


def by_image(readouts: Iterable[Readout]) -> dict[Image, list[Readout]]:
    """Readouts by the values of their `COUNTERS`, in the order of these."""
    found = collections.defaultdict(list)
    for one in readouts:
        found[tuple(int(getattr(one.idx, name)) for name in COUNTERS)].append(one)
    return dict(sorted(found.items()))


def placed(name: str, readouts: Sequence[Readout], encoding: Encoding, intake: Intake) -> Coils:
    """The k-space of one image: every readout at its column, the mean where there are several.

    A readout lies so that its central sample comes to row n // 2, a line so that the central one
    comes to column n // 2. What was not measured is zero.

    Args:
        name: of the image, for messages.
        readouts: of this image.
        encoding: where they belong.
        intake: the run's account.

    Returns:
        complex128, the readout with its oversampling.

    Raises:
        UserError: numbers of coils that differ, a readout that does not fit into k-space, or far
            fewer samples than the header says.
    """
    coils = _coils(name, readouts)
    shape = (encoding.rows, encoding.columns)
    samples = sum(one.number_of_samples for one in readouts)
    if encoding.rows * encoding.columns > _EMPTIEST * samples:
        raise UserError(
            f"{name} has {samples} samples of {shape[0]} x {shape[1]} in its header; expected more "
            f"than one in {_EMPTIEST}; correct the header"
        )
    total, count = np.zeros((coils, *shape), np.complex128), np.zeros(shape)
    for one in readouts:
        column = int(one.idx.kspace_encode_step_1) - encoding.centre + encoding.columns // 2
        values, first = _readout(name, one, encoding.rows, intake)
        if not (0 <= column < encoding.columns and 0 <= first <= encoding.rows - values.shape[1]):
            raise UserError(
                f"{name} has a readout of {values.shape[1]} samples at row {first} and column "
                f"{column} of {shape[0]} x {shape[1]} points; expected one inside; correct the "
                "header's encodedSpace and encodingLimits"
            )
        total[:, first : first + values.shape[1], column] += values
        count[first : first + values.shape[1], column] += 1
    if count.max() > 1:
        intake.note("lines that were measured more than once are averaged", name)
    return host.assemble(total.real / np.maximum(count, 1), total.imag / np.maximum(count, 1))


def _coils(name: str, readouts: Sequence[Readout]) -> int:
    found = sorted({int(one.active_channels) for one in readouts})
    if len(found) > 1 or not found[0]:
        raise UserError(
            f"{name} has readouts of {', '.join(map(str, found))} coils; expected the same coils "
            "in all; leave it out"
        )
    return found[0]


def _readout(
    name: str, one: Readout, rows: int, intake: Intake
) -> tuple[Complex[np.ndarray, "coil sample"], int]:
    """The samples of a readout that count, and the row of the first of them."""
    before, after, whole = int(one.discard_pre), int(one.discard_post), int(one.number_of_samples)
    values = one.data[:, before : whole - after] if before + after < whole else one.data[:, :0]
    if values.shape[1] == rows:  # no room to move it; writers leave the central sample at 0
        if one.center_sample - before not in (0, rows // 2):
            intake.note(
                f"whole readouts lie with their middle in the middle of k-space, though sample "
                f"{one.center_sample} is said to be central",
                name,
            )
        return values, 0
    return values, rows // 2 - (int(one.center_sample) - before)


def noise(name: str, raw: Raw, intake: Intake) -> tuple[np.ndarray, float] | None:
    """What `mrjax.physics.prewhitening.prewhitened` needs besides k-space.

    Args:
        name: of the file.
        raw: its readouts.
        intake: the run's account.

    Returns:
        The factor of the coils' noise and the scale; None without a noise measurement.

    Raises:
        UserError: noise of other coils than the imaging readouts', or noise that tells nothing.
    """
    if not raw.noise:
        intake.note("coils are not prewhitened, there being no noise measurement", name)
        return None
    coils = _coils(f"the noise measurement of {name}", raw.noise)
    imaging = _coils(name, raw.imaging)
    if coils != imaging:
        raise UserError(
            f"the noise of {name} was measured with {coils} coils, its images with {imaging}; "
            "expected the same coils; remove the noise measurement"
        )
    samples = np.concatenate([one.data for one in raw.noise], axis=1)
    return prewhitening.noise_factor(samples), _scale(name, raw, intake)


def _scale(name: str, raw: Raw, intake: Intake) -> float:
    """Noise bandwidth of the noise measurement as a share of that of the imaging readouts."""
    noise, image = (
        {float(one.sample_time_us) for one in readouts} for readouts in (raw.noise, raw.imaging)
    )
    if len(noise) != 1 or len(image) != 1 or not all(0 < t < np.inf for t in noise | image):
        intake.note("dwell times differ or are unknown and do not scale the noise", name)
        return raw.bandwidth_ratio
    return raw.bandwidth_ratio * image.pop() / noise.pop()
