"""The inputs of a run of parallel imaging, and what a run begins with."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.data.intake import Intake
from mrjax.tasks import trained
from mrjax.tasks.domain import Domain, look_up
from mrjax.tasks.multicoil.config import SliceConfig
from mrjax.tasks.varnet.classical import SLICES_TO_TUNE_ON, Tuned

Acquisition = Mapping[str, np.ndarray]
Examples = TypeVar("Examples")


class Inputs(NamedTuple, Generic[Examples]):
    """The inputs of a run.

    Attributes:
        examples: training slices, each undersampled when it is requested; None to infer only.
        train: the training slices; empty to infer only.
        test: held-out slices.
        acquired: held-out slices, undersampled as by the scanner.
        tuned: parameters of CG-SENSE.
        initial: parameters by leaf path.
        account: what was found, used and left out.
        domain: the properties of the slices that the network is, or was, trained with; None where
            they are not recorded.
    """

    examples: Examples | None
    train: Sequence[SenseSlice]
    test: Sequence[SenseSlice]
    acquired: Sequence[Acquisition]
    tuned: Tuned
    initial: trained.Weights
    account: Intake | None = None
    domain: Domain | None = None


class Start(NamedTuple):
    """What a run begins with.

    Attributes:
        initial: parameters by leaf path.
        tuned: parameters of CG-SENSE.
        known: the domain of a trained network; None where it is new or has no record.
    """

    initial: trained.Weights
    tuned: Tuned
    known: Domain | None


def taken(
    config: SliceConfig, built: Any, architecture: Sequence[str], names: Sequence[str]
) -> Start:
    """Return network, parameters and domain of the run or package in ``--from_run``.

    Args:
        config: the configuration.
        built: its model.
        architecture: settings in which the two networks must agree.
        names: names of the properties of a domain.

    Raises:
        UserError: there is no such network, or it is another one.
    """
    initial, constants = trained.load(
        config.experiment, config, config.from_run, architecture, built.shapes
    )
    known = look_up(constants, names, config.from_run)
    return Start(initial, Tuned(**constants["tuned"]), known)


def drawn(built: Any, examples: Any, tune: Callable[[Sequence[Acquisition]], Tuned]) -> Start:
    """Return first weights, and parameters of CG-SENSE tuned on the first few training slices.

    Args:
        built: the model.
        examples: training slices, of which ``get(i)`` is the i-th, undersampled.
        tune: chooses the parameters.
    """
    count = min(len(examples), SLICES_TO_TUNE_ON)
    tuned = tune([examples.get(i) for i in range(count)])
    return Start(trained.Weights(built.initial_params(), None), tuned, None)


def begun(
    config: SliceConfig,
    built: Any,
    architecture: Sequence[str],
    names: Sequence[str],
    examples: Any,
    tune: Callable[[Sequence[Acquisition]], Tuned],
) -> Start:
    """Return what a run begins with: `taken` with ``--from_run``, `drawn` without."""
    if config.from_run:
        return taken(config, built, architecture, names)
    return drawn(built, examples, tune)
