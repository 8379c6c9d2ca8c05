"""Slices as the network sees them: undersampled by fastMRI's rules, with a magnitude reference."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.data import sense
from mrjax.data.formats.border import times
from mrjax.data.intake import Intake
from mrjax.data.synthetic import SliceSplit
from mrjax.errors import UserError
from mrjax.nets.e2e import cropped
from mrjax.physics import coils, fastmri_masks
from mrjax.tasks.e2e.config import Config
from mrjax.tasks.multicoil import largest_of_volumes, volume

Acquisition = dict[str, np.ndarray]
BATCH = ("kspace", "mask", "lines", "reference", "data_range")
"""The arrays of an acquisition that a training step takes."""


def slices(config: Config, need_train: bool, intake: Intake) -> SliceSplit:
    """The training and the held-out slices, whose references are magnitudes.

    A reference is the root sum of squares of the coil images of the whole k-space, cut to the part
    of the image that the file says counts, as fastMRI's `reconstruction_rss` is. It does not depend
    on coil sensitivity maps.

    Args:
        config: see `mrjax.data.sense.slices`.
        need_train: see there.
        intake: the run's account.

    Returns:
        (training, held-out) slices; references are float32.

    Raises:
        UserError: as `mrjax.data.sense.slices`.
    """
    train, test = sense.slices(config, need_train, intake)
    return [with_magnitude(one) for one in train], [with_magnitude(one) for one in test]


def with_magnitude(one: SenseSlice) -> SenseSlice:
    """A slice with the magnitude of its whole k-space in place of its reference, if it has one."""
    if one.reference is None:
        return one
    whole = coils.root_sum_of_squares(coils.images(one.kspace)).astype(np.float32)
    return dataclasses.replace(one, reference=cropped(whole, one.shown or whole.shape))


def masked(one: SenseSlice, config: Config, index: int) -> tuple[SenseSlice, int]:
    """A slice with the columns that count as acquired, and the number of calibration lines.

    The mask of a file holds as it is. Columns that are zero in the whole k-space, with which
    fastMRI pads it, are never acquired.

    Args:
        one: the slice.
        config: pattern, acceleration, share of calibration lines, seed of the stream `mask`.
        index: number of the slice, see `mrjax.data.sense.acquisition`.

    Returns:
        The slice with a mask; and the number of lines, 0 where the mask is that of the file, in
        which they are counted.

    Raises:
        UserError: a sampling pattern that cannot be.
    """
    if one.mask is not None:
        return one, 0
    columns = one.kspace.shape[2]
    mask = fastmri_masks.mask(
        config.sampling,  # pyright: ignore[reportArgumentType]  (its choices are the patterns)
        config.seed_for("mask"),
        index,
        columns,
        config.acceleration,
        config.centre_fraction,
    )
    mask = mask & np.any(one.kspace != 0, axis=(0, 1))
    return dataclasses.replace(one, mask=mask), fastmri_masks.centre_lines(
        columns, config.centre_fraction
    )


def acquisition(
    one: SenseSlice, config: Config, index: int, largest: float | None = None
) -> Acquisition:
    """What the scanner would have given of a slice.

    Args:
        one: the slice, from `slices`.
        config: see `masked`.
        index: see `masked`.
        largest: largest value of the references of its volume; None where it has no reference.

    Returns:
        `kspace` complex64 [coil row column], zero where not acquired; `mask` float32 [column], 0 or
        1; `lines` int32, number of calibration lines, 0 where they are to be counted; `maps`
        complex64 [coil row column], for CG-SENSE alone; and where the slice has a reference,
        `reference` float32 [row column], which may be smaller, and `data_range` float32.

    Raises:
        UserError: as `masked` and `mrjax.data.sense.acquisition`.
    """
    seen, lines = masked(one, config, index)
    found = sense.acquisition(seen, config, index) | {"lines": np.array(lines, np.int32)}
    return found if largest is None else found | {"data_range": np.array(largest, np.float32)}


def acquisitions(found: Sequence[SenseSlice], config: Config, first: int) -> list[Acquisition]:
    """All slices of a split, see `acquisition`; `first` is the number of the first one."""
    largest = largest_of_volumes(found)
    return [
        acquisition(one, config, first + i, largest.get(volume(one))) for i, one in enumerate(found)
    ]


class Examples:
    """Training slices, undersampled when asked for; k-space is held once."""

    def __init__(self, found: Sequence[SenseSlice], config: Config) -> None:
        """Check that the slices can be stacked.

        Args:
            found: slices with references, from `slices`.
            config: see `acquisition`.

        Raises:
            UserError: slices of different shapes, one without a reference, or as `acquisition`.
        """
        self._slices, self._config = list(found), config
        self._largest = largest_of_volumes(self._slices)
        for index, one in enumerate(self._slices):
            sense.check_alike(self._slices[0], one)
            _check_alike(self._slices[0], one)
            self.get(index)

    def __len__(self) -> int:
        """Number of slices."""
        return len(self._slices)

    def get(self, index: int) -> Acquisition:
        """One slice as `acquisition` gives it; 0 <= index < len."""
        one = self._slices[index]
        return acquisition(one, self._config, index, self._largest.get(volume(one)))

    def stack(self, indices: Iterable[int]) -> Acquisition:
        """Several slices as one batch.

        Args:
            indices: which slices, in this order.

        Returns:
            `kspace` [b coil row column], `mask` [b column], `lines` [b], `reference`
            [b row column], `data_range` [b].
        """
        chosen = [self.get(index) for index in indices]
        return {name: np.stack([one[name] for one in chosen]) for name in BATCH}


def _check_alike(first: SenseSlice, other: SenseSlice) -> None:
    sizes = [np.shape(one.reference) for one in (first, other)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"the image of slice {first.name} has {times(sizes[0])} pixels that count, that of "
            f"{other.name} {times(sizes[1])}; expected equal numbers to train on; train on files "
            "of one size"
        )
