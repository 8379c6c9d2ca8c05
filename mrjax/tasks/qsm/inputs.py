"""What a QSM run starts from: subjects, constants, initial weights."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data import pipeline
from mrjax.data.intake import Intake
from mrjax.data.qsm import subjects
from mrjax.errors import UserError
from mrjax.runs import digests
from mrjax.tasks import evidence, trained
from mrjax.tasks.qsm import classical, model, network
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.network import Constants


class Inputs(NamedTuple):
    """What training starts from.

    Attributes:
        train: training subjects; empty when a trained network only infers.
        examples: patches of them; None when a trained network only infers.
        test: held-out subjects.
        constants: normalisation and tuned classical methods.
        initial: parameters (and statistics, if trained before) by leaf path.
        account: what was found, used and left out.
    """

    train: Sequence[QsmSubject]
    examples: pipeline.Patches | None
    test: Sequence[QsmSubject]
    constants: Constants
    initial: trained.Weights
    account: Intake | None = None


def prepare(config: Config, built: model.Model) -> Inputs:
    """Load or make the subjects and everything that depends on them alone.

    Args:
        config: the configuration.
        built: its model.

    Returns:
        The inputs, such that training and evaluation will find no mistake of the user in them.

    Raises:
        UserError: for subjects, patches or a network that cannot be used.
    """
    account = Intake.insisting(config.accept)
    train, test = subjects(config, need_train=config.steps > 0, intake=account)
    check_test(test)
    patches = None
    if config.steps:
        network.check_geometry(train)
        patches = pipeline.Patches(train, config.patch, config.patches_per_axis)
        pipeline.batch_indices(config.seed_for("order"), 0, config.batch_size, len(patches))
    if config.from_run:
        initial, constants = network.load(config, built)
    else:
        initial = trained.Weights(built.initial_params(), None)
        constants = Constants(pipeline.normalisation(train), classical.tune(train))
    return Inputs(train, patches, test, constants, initial, account)


def check_test(found: Sequence[QsmSubject]) -> None:
    """Raise UserError for a held-out subject that no metric can judge."""
    for s in found:
        if s.chi is not None and np.ptp(s.chi[s.mask]) == 0:
            raise UserError(
                f"the reference of held-out subject {s.name} is constant in its mask; expected a "
                "susceptibility map; check its file"
            )


def digest(config: Config, inputs: Inputs) -> dict[str, str]:
    """Return sha256 of `init`, `order` (of all patches) and `data` (all subjects)."""
    count = len(inputs.examples) if inputs.examples is not None else 0
    data = digests.content(_arrays(inputs))
    return evidence.of_inputs(config, count, inputs.initial.params, data)


def _arrays(inputs: Inputs) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for split, several in (("train", inputs.train), ("test", inputs.test)):
        for s in several:
            found |= {f"{split}/{s.name}/field": s.field, f"{split}/{s.name}/mask": s.mask}
            if s.chi is not None:
                found[f"{split}/{s.name}/chi"] = s.chi
    return found
