"""Multi-coil k-space in a file -> the magnitudes of its images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrjax.data import sense
from mrjax.data.intake import Intake
from mrjax.sharing.predict.files import Asked
from mrjax.sharing.predict.varnet import applications, keep, slices
from mrjax.tasks.e2e import acquired, domain, inputs, model
from mrjax.tasks.e2e.config import Config
from mrjax.tasks.e2e.inputs import Inputs
from mrjax.tasks.multicoil.inputs import taken

__all__ = ["applications", "prepare", "write"]


def prepare(asked: Asked, config: Config, built: model.Model, account: Intake) -> Inputs:
    """Read the slices and the network, and undersample k-space that is complete.

    Raises:
        UserError: a file cannot be used or makes no sense, or the network cannot be read.
    """
    start = taken(config, built, inputs.ARCHITECTURE, domain.NAMES)
    found = [acquired.with_magnitude(one) for one in slices(asked, config, account)]
    for one in found:
        inputs.check(one, config)
        if one.mask is None:
            account.note(
                "k-space that is complete is undersampled as in the network's training (1 in "
                f"{config.acceleration} columns and {100 * config.centre_fraction:g} % in the "
                "middle)",
                one.name,
            )
    seen = acquired.acquisitions(found, config, sense.FIRST_TEST_INDEX)
    domain.look(config, start.known, found, seen, account)
    return Inputs(None, [], found, seen, start.tuned, start.initial, account, start.known)


def write(path: Path, asked: Asked, inputs: Inputs, outputs: Sequence[np.ndarray]) -> None:
    """Write all slices, in their order, as for the variational network, but magnitudes alone."""
    magnitudes = np.stack(outputs).astype(np.float32)
    keep(path, magnitudes, [one.name for one in inputs.test], {})
