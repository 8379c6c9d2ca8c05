"""Slices of parallel imaging: their digests, their volumes, and notes on their domain."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.runs import digests
from mrjax.tasks import domain, unchanged
from mrjax.tasks.domain import Domain, Measured, Property
from mrjax.tasks.multicoil.config import SliceConfig

Acquisition = Mapping[str, np.ndarray]
"""Kind of array -> array, as the scanner gave it or as it is known: `kspace`, `mask`, `maps` and,
where there is one, `reference`."""


class Acquired(Protocol):
    """Training slices, undersampled one by one."""

    def __len__(self) -> int:
        """Number of slices."""
        ...

    def get(self, index: int, /) -> Acquisition:
        """One slice, undersampled."""
        ...


def of_slices(
    train: Sequence[SenseSlice],
    examples: Acquired | None,
    test: Sequence[SenseSlice],
    acquired: Iterable[Acquisition],
) -> str:
    """Return the digest of all slices; they are undersampled one by one, to save memory.

    Args:
        train: training slices.
        examples: the same, undersampled; None where nothing is trained.
        test: held-out slices.
        acquired: the same, undersampled.

    Returns:
        sha256 that combines the digests of all training slices and then of all held-out slices,
        with k-space as acquired, so another undersampling mask is other data.
    """
    masked = () if examples is None else map(examples.get, range(len(train)))
    trained_on = zip((f"train/{one.name}" for one in train), masked, strict=True)
    held_out = zip((f"test/{one.name}" for one in test), acquired, strict=True)
    named = itertools.chain(trained_on, held_out)
    return digests.combine(_of_slice(name, one) for name, one in named)


def _of_slice(name: str, acquired: Acquisition) -> str:
    return digests.content({f"{name}/{kind}": array for kind, array in acquired.items()})


def of_geometry(train: Sequence[SenseSlice], test: Sequence[SenseSlice]) -> str:
    """Return the digest of what belongs to slices beside the arrays of `of_slices`."""
    return unchanged.of_geometry(train, test, ("kspace", "maps", "reference", "mask"))


def look(
    config: SliceConfig,
    known: Domain | None,
    test: Sequence[SenseSlice],
    found: Iterable[Measured],
    properties: Mapping[str, Property],
    account: Intake,
) -> None:
    """Note which held-out slices lie outside a domain.

    Args:
        config: configuration of the run.
        known: the domain of the network; None where it is not recorded.
        test: held-out slices.
        found: what was measured of each.
        properties: what is compared.
        account: gets the notes.
    """
    if known is None:
        domain.unknown(config.from_run, config.resample, account)
        return
    for one, measured in zip(test, found, strict=True):
        domain.tell(one.name, domain.beyond(properties, known, measured), account)


def largest_of_volumes(slices: Sequence[SenseSlice]) -> dict[str, float]:
    """Return the largest magnitude of the references of each volume, by the volume's name."""
    largest: dict[str, float] = {}
    for one in slices:
        if one.reference is not None:
            own = float(np.abs(one.reference).max())
            largest[volume(one)] = max(own, largest.get(volume(one), 0.0))
    return largest


def volume(one: SenseSlice) -> str:
    """Return the name of the volume that a slice belongs to, which may be itself."""
    return one.volume or one.name


def measured(one: Acquisition, zero_filled: np.ndarray) -> dict[str, float]:
    """The properties of an undersampled slice that every domain has.

    Args:
        one: the slice.
        zero_filled: magnitude of its zero-filled image, to whose maximum the spread is relative.
    """
    coils, rows, columns = np.shape(one["kspace"])
    shown = zero_filled.astype(np.float64)
    return {
        "acceleration": columns / float(np.count_nonzero(one["mask"]) or np.inf),
        "coils": coils,
        "rows": rows,
        "columns": columns,
        "spread": float(np.sqrt(np.mean(shown**2)) / (shown.max() or 1.0)),
    }


def check_reference(one: SenseSlice) -> None:
    """Raise UserError for a slice whose reference no metric can use."""
    if one.reference is None:
        return
    shown = np.abs(one.reference)
    if shown.max() == shown.min():
        raise UserError(
            f"the reference of slice {one.name} is constant; expected an image; check its file"
        )
