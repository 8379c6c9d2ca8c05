"""The domain of an end-to-end VarNet: acceleration, calibration lines, coils, size, contrast."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp

from mrjax.arrays import SenseSlice
from mrjax.data.intake import Intake
from mrjax.nets.e2e import calibration_columns
from mrjax.tasks import domain
from mrjax.tasks.domain import Domain, Property
from mrjax.tasks.e2e.acquired import Acquisition
from mrjax.tasks.e2e.classical import zero_filled
from mrjax.tasks.e2e.config import Config
from mrjax.tasks.multicoil import slices
from mrjax.tasks.varnet.domain import PROPERTIES as OF_VARNET

PROPERTIES = OF_VARNET | {
    "calibration": Property("a share of calibration columns", "", 1.5),
}
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
    """Note which held-out slices lie outside a domain; see `mrjax.tasks.multicoil.slices`."""
    slices.look(config, known, test, map(measured, acquired), PROPERTIES, account)


def measured(one: Acquisition) -> dict[str, float]:
    """The properties of an undersampled slice.

    The network brings its images to unit deviation, so the spread is relative to their maximum.
    """
    rows, columns = one["kspace"].shape[1:]
    lines = int(one["lines"])
    if not lines:  # the file's own mask
        lines = int(calibration_columns(jnp.asarray(one["mask"])[None]).sum())
    found = slices.measured(one, zero_filled(one, (rows, columns)))
    return found | {"calibration": lines / columns}
