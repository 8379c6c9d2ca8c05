"""The domain of a VarNet: acceleration, coils and size of its slices, spread of its images."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.data.intake import Intake
from mrjax.tasks import domain
from mrjax.tasks.domain import Domain, Property
from mrjax.tasks.multicoil import slices
from mrjax.tasks.varnet.classical import Acquisition, zero_filled
from mrjax.tasks.varnet.config import Config

PROPERTIES = {
    "acceleration": Property("an acceleration (columns for each column acquired)", "", 1.2),
    "coils": Property("a number of coils", "", 1.5),
    "rows": Property("a number of rows", "", 1.5),
    "columns": Property("a number of columns", "", 1.5),
    "spread": Property("a zero-filled image with a root mean square, relative to its maximum,",
                       "", 2.0),
}  # fmt: skip
NAMES = tuple(PROPERTIES)


def record(train: Iterable[Acquisition]) -> dict[str, Any]:
    """The domain of a network that is trained with these slices, undersampled as they are."""
    return domain.ranges(measured(one) for one in train)


def look(
    config: Config,
    known: Domain | None,
    test: Sequence[SenseSlice],
    acquired: Sequence[Acquisition],
    account: Intake,
) -> None:
    """Note which held-out slices lie outside a domain.

    Args:
        config: configuration of the run.
        known: the domain of the network; None where it is not recorded.
        test: held-out slices.
        acquired: the same, undersampled.
        account: gets the notes.
    """
    slices.look(config, known, test, map(measured, acquired), PROPERTIES, account)


def measured(one: Acquisition) -> dict[str, float]:
    """The properties of an undersampled slice.

    The network divides its input by the largest magnitude of the zero-filled image, so the spread
    is relative to it.
    """
    return slices.measured(one, np.abs(zero_filled(one)))
