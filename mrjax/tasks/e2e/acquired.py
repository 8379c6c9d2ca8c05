"""Slices as the network sees them: undersampled by fastMRI's rules, with a magnitude reference."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple

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
from mrjax.tasks.multicoil.slices import largest_of_volumes, volume

Acquisition = dict[str, np.ndarray]


class Seen(NamedTuple):
    """A slice with a mask.

    Attributes:
        slice: the slice.
        lines: number of its calibration lines; 0 where the mask is that of the file, in which they
            are counted.
    """

    slice: SenseSlice
    lines: int


BATCH = ("kspace", "mask", "lines", "reference", "data_range")
"""The arrays of an acquisition that a training step takes."""


def slices(config: Config, need_train: bool, intake: Intake) -> SliceSplit:
    """The training and the held-out slices, whose references are magnitudes.

    A reference is the root sum of squares of the coil images of the whole k-space, cut to the part
    of the image that the file says counts, as fastMRI's `reconstruction_rss` is. It does not depend
    on coil sensitivity maps. Where columns of a k-space are missing and its file has a reference
    all the same, the magnitude of that reference counts.

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
    acquired = np.flatnonzero(np.any(one.kspace != 0, axis=(0, 1)))
    if len(acquired) == acquired[-1] - acquired[0] + 1:
        whole = coils.root_sum_of_squares(coils.images(one.kspace)).astype(np.float32)
    else:
        whole = np.abs(one.reference).astype(np.float32)
    return dataclasses.replace(one, reference=cropped(whole, one.shown or whole.shape))


def masked(one: SenseSlice, config: Config, index: int) -> Seen:
    """A slice with the columns that count as acquired, and the number of calibration lines.

    The mask of a file holds as it is. Columns that are zero in the whole k-space, with which
    fastMRI pads it, are never acquired.

    Args:
        one: the slice, from `slices`.
        config: pattern, acceleration, share of calibration lines, seed of the stream `mask`.
        index: number of the slice, see `mrjax.data.sense.acquisition`.

    Raises:
        UserError: a sampling pattern that cannot be.
    """
    if one.mask is not None:
        return Seen(one, 0)
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
    lines = fastmri_masks.centre_lines(columns, config.centre_fraction)
    return Seen(dataclasses.replace(one, mask=mask), lines)


def acquisition(seen: Seen, config: Config, largest: float | None = None) -> Acquisition:
    """What the scanner would have given of a slice.

    Args:
        seen: the slice with its mask.
        config: the configuration.
        largest: largest value of the references of its volume; None where it has no reference.

    Returns:
        `kspace` complex64 [coil row column], zero where not acquired; `mask` float32 [column], 0 or
        1; `lines` int32, number of calibration lines, 0 where they are to be counted; `maps`
        complex64 [coil row column], for CG-SENSE alone; and where the slice has a reference,
        `reference` float32 [row column], which may be smaller, and `data_range` float32.

    Raises:
        UserError: as `mrjax.data.sense.acquisition`.
    """
    found = sense.acquisition(seen.slice, config, 0)  # its mask is there, so none is drawn
    found |= {"lines": np.array(seen.lines, np.int32)}
    return found if largest is None else found | {"data_range": np.array(largest, np.float32)}


def acquisitions(found: Sequence[SenseSlice], config: Config, first: int) -> list[Acquisition]:
    """All slices of a split, see `acquisition`; `first` is the number of the first one."""
    largest = largest_of_volumes(found)
    return [
        acquisition(masked(one, config, first + i), config, largest.get(volume(one)))
        for i, one in enumerate(found)
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
        self._seen = [masked(one, config, index) for index, one in enumerate(found)]
        self._config, self._largest = config, largest_of_volumes(found)
        for index, one in enumerate(found):
            sense.check_alike(found[0], one)
            _check_alike(found[0], one)
            self.get(index)

    def __len__(self) -> int:
        """Number of slices."""
        return len(self._seen)

    def get(self, index: int) -> Acquisition:
        """One slice as `acquisition` gives it; 0 <= index < len."""
        seen = self._seen[index]
        return acquisition(seen, self._config, self._largest.get(volume(seen.slice)))

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
    sizes = [np.shape(np.asarray(one.reference)) for one in (first, other)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"the image of slice {first.name} has {times(sizes[0])} pixels that count, that of "
            f"{other.name} {times(sizes[1])}; expected equal numbers to train on; train on files "
            "of one size"
        )
