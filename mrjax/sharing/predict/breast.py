"""A dynamic series in a NIfTI file -> the breast mask on its grid."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrjax.data.formats import dce_nifti
from mrjax.data.intake import Intake
from mrjax.sharing.predict.files import Asked
from mrjax.tasks.breast import domain, evaluate, model
from mrjax.tasks.breast.config import Config
from mrjax.tasks.breast.inputs import Inputs, load


def prepare(asked: Asked, config: Config, built: model.Model, account: Intake) -> Inputs:
    """Read the series and the network.

    Raises:
        UserError: a file cannot be used or makes no sense, or the network cannot be read.
    """
    initial, threshold, known = load(config, built)
    one = dce_nifti.read(asked.input, None, asked.input.parent, account)
    domain.look(config, known, [one], account)
    return Inputs([], None, [one], threshold, initial, account, known)


def applications(inputs: Inputs) -> int:
    """How often the network is applied: once for each slice."""
    return sum(one.signal.shape[2] for one in inputs.test)


def write(path: Path, asked: Asked, inputs: Inputs, outputs: Sequence[np.ndarray]) -> None:
    """Write the mask, or with --probability the network's output, on the grid of the series."""
    found = outputs[0]
    if not asked.flags.get("probability"):
        found = evaluate.masks({"network": found})["network"]
    dce_nifti.write_volume(path, found, inputs.test[0])
