"""What a QSM run starts from: subjects, constants, initial weights."""

from collections.abc import Sequence
from typing import NamedTuple

from mrjax.arrays import QsmSubject
from mrjax.data import pipeline
from mrjax.data.qsm import subjects
from mrjax.tasks.qsm import baselines, model, network
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.network import Constants


class Inputs(NamedTuple):
    """What training starts from.

    Attributes:
        train: training subjects; empty when a trained network only infers.
        test: held-out subjects.
        constants: normalisation and tuned baselines.
        initial: parameters (and statistics, if trained before) by leaf path.
    """

    train: Sequence[QsmSubject]
    test: Sequence[QsmSubject]
    constants: Constants
    initial: network.Weights


def prepare(config: Config, built: model.Model) -> Inputs:
    """Load or make the subjects and everything that depends on them alone."""
    train, test = subjects(config, need_train=config.steps > 0)
    if config.steps:
        network.check_geometry(train)
    if config.from_run:
        initial, constants = network.load(config, built)
    else:
        initial = network.Weights(built.initial_params(), None)
        constants = Constants(pipeline.normalisation(train), baselines.tune(train))
    return Inputs(train, test, constants, initial)
