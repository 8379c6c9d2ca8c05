"""The inputs of one fold: patients, tuned threshold, initial weights."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mrjax.arrays import DcePatient
from mrjax.data import breast, pipeline
from mrjax.data.breast_slices import Slices
from mrjax.data.folds import folds
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.tasks import evidence, trained, unchanged
from mrjax.tasks.breast import agreement, classical, crossval, domain, model
from mrjax.tasks.breast.classical import Threshold
from mrjax.tasks.breast.config import Config
from mrjax.tasks.domain import Domain, kept, look_up

ARCHITECTURE = ("width", "levels")


class Inputs(NamedTuple):
    """The inputs of a run.

    Attributes:
        train: training patients; empty when a trained network only infers.
        examples: slices of the training patients; None when a trained network only infers.
        test: held-out patients.
        threshold: tuned on the training patients.
        initial: parameters (and statistics, if trained before) by leaf path.
        account: what was found, used and left out.
        domain: the properties of the patients that the network is, or was, trained with; None
            where they are not recorded.
    """

    train: Sequence[DcePatient]
    examples: Slices | None
    test: Sequence[DcePatient]
    threshold: Threshold
    initial: trained.Weights
    account: Intake | None = None
    domain: Domain | None = None

    def constants(self) -> dict[str, Any]:
        """Return the constants that the network keeps from its training patients, as JSON."""
        return {"threshold": dataclasses.asdict(self.threshold)} | kept(self.domain)


def prepare(config: Config, built: model.Model) -> Inputs:
    """Load or make the patients and everything that depends on the patients alone.

    Args:
        config: the configuration.
        built: the model of this configuration.

    Returns:
        The inputs, checked so that neither training nor evaluation finds a user's mistake later.

    Raises:
        UserError: patients, slices or a network cannot be used.
    """
    account = Intake.insisting(config.accept)
    train, test = divided(config, breast.patients(config, account))
    examples = None
    if config.steps:
        breast.check_masks([*train, *test])
        examples = Slices(train, config.multiple, config.shrink)
        pipeline.batch_indices(config.seed_for("order"), 0, config.batch_size, len(examples))
    else:
        for one in train:
            account.leave_out(one.name, f"not in --fold={config.fold}")
        train = []
    account.use(train, test, "patients")
    known = None
    if config.from_run:
        initial, tuned, known = load(config, built)
    else:
        initial = trained.Weights(built.initial_params(), None)
        tuned = classical.tune(train, config.shrink)
    if config.steps:
        known = domain.record(config, train)
    domain.look(config, known, test, account)
    account.geometry = agreement.of_geometry(train, test)
    return Inputs(train, examples, test, tuned, initial, account, known)


def divided(
    config: Config, patients: Sequence[DcePatient]
) -> tuple[list[DcePatient], list[DcePatient]]:
    """Return training and held-out patients of the fold; without --fold all are held out."""
    if config.fold is None:
        return [], list(patients)
    parts = folds(config.seed_for("fold"), len(patients), config.folds)
    held = set(parts[config.fold].tolist())
    train = [p for i, p in enumerate(patients) if i not in held]
    return train, [p for i, p in enumerate(patients) if i in held]


def digest(config: Config, inputs: Inputs) -> dict[str, str]:
    """Return sha256 of `init`, `order` (of all slices) and `data` (all patients)."""
    data = agreement.of_patients(inputs.train, inputs.test)
    return evidence.of_inputs(config, inputs.examples, inputs.initial.params, data)


def data(config: Config) -> unchanged.Digests:
    """Return the digests of all patients as their files hold them now; nothing is tuned."""
    account = Intake.insisting(config.accept)
    train, test = divided(config, breast.patients(config, account))
    train = train if config.steps else []
    return unchanged.Digests(agreement.of_patients(train, test), agreement.of_geometry(train, test))


def load(config: Config, built: model.Model) -> tuple[trained.Weights, Threshold, Domain | None]:
    """Read the network of --from_run.

    Args:
        config: configuration, with the run folder and the wanted architecture.
        built: a model of that architecture.

    Returns:
        Weights, threshold, and the domain where it is recorded.

    Raises:
        UserError: there is no finished fold, or its network has another architecture.
    """
    child = crossval.child_name(0, 0)
    if os.path.isdir(Path(config.from_run, child)):  # noqa: PTH112 is_dir() raises for odd paths
        raise UserError(
            f"--from_run={config.from_run} is a whole cross-validation; expected the run folder of "
            f"one of its folds; name for instance {Path(config.from_run, child)}"
        )
    weights, constants = trained.load("breast", config, config.from_run, ARCHITECTURE, built.shapes)
    known = look_up(constants, domain.NAMES, config.from_run)
    return weights, Threshold(**constants["threshold"]), known
