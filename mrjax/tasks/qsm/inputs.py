"""The inputs of a QSM run: subjects, constants, initial weights."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data import pipeline
from mrjax.data.intake import Intake
from mrjax.data.qsm import subjects
from mrjax.errors import UserError
from mrjax.tasks import evidence, trained, unchanged
from mrjax.tasks.domain import Domain
from mrjax.tasks.qsm import classical, domain, model, network
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.network import Constants


class Inputs(NamedTuple):
    """The inputs of a run.

    Attributes:
        train: training subjects; empty when a trained network only infers.
        examples: patches of the training subjects; None when a trained network only infers.
        test: held-out subjects.
        constants: normalisation and tuned classical methods.
        initial: parameters (and statistics, if trained before) by leaf path.
        account: what was found, used and left out.
        domain: the properties of the subjects that the network is, or was, trained with; None
            where they are not recorded.
    """

    train: Sequence[QsmSubject]
    examples: pipeline.Patches | None
    test: Sequence[QsmSubject]
    constants: Constants
    initial: trained.Weights
    account: Intake | None = None
    domain: Domain | None = None


def prepare(config: Config, built: model.Model) -> Inputs:
    """Load or make the subjects and everything that depends on the subjects alone.

    Args:
        config: the configuration.
        built: its model.

    Returns:
        The inputs, checked so that neither training nor evaluation finds a user's mistake later.

    Raises:
        UserError: subjects, patches or a network cannot be used.
    """
    account = Intake.insisting(config.accept)
    train, test = subjects(config, need_train=config.steps > 0, intake=account)
    check_test(test)
    patches = None
    if config.steps:
        network.check_geometry(train)
        patches = pipeline.Patches(train, config.patch, config.patches_per_axis)
        pipeline.batch_indices(config.seed_for("order"), 0, config.batch_size, len(patches))
    known = None
    if config.from_run:
        initial, constants, known = network.load(config, built)
    else:
        initial = trained.Weights(built.initial_params(), None)
        constants = Constants(pipeline.normalisation(train), classical.tune(train))
    if config.steps:
        known = domain.record(config, train)
    domain.look(config, known, test, account)
    account.geometry = _geometry(train, test)
    return Inputs(train, patches, test, constants, initial, account, known)


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
    data = _of_subjects(inputs.train, inputs.test)
    return evidence.of_inputs(config, inputs.examples, inputs.initial.params, data)


def data(config: Config) -> unchanged.Digests:
    """Return the digests of all subjects as their files hold them now; nothing is tuned."""
    account = Intake.insisting(config.accept)
    found = subjects(config, need_train=config.steps > 0, intake=account)
    return unchanged.Digests(_of_subjects(*found), _geometry(*found))


def _geometry(train: Sequence[QsmSubject], test: Sequence[QsmSubject]) -> str:
    return unchanged.of_geometry(train, test, ("field", "mask", "chi"))


def _of_subjects(train: Sequence[QsmSubject], test: Sequence[QsmSubject]) -> str:
    return unchanged.of_subjects(
        train, test, lambda s: {"field": s.field, "mask": s.mask, "chi": s.chi}
    )
