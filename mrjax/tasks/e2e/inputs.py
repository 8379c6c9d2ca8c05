"""The inputs of a run of the end-to-end VarNet: slices, tuned CG-SENSE, initial weights."""

from collections.abc import Sequence
from typing import NamedTuple

from mrjax.arrays import SenseSlice
from mrjax.data import pipeline, sense
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.losses import SSIM_WINDOW
from mrjax.nets.norm_unet import margins
from mrjax.tasks import evidence, multicoil, trained, unchanged
from mrjax.tasks.domain import Domain, look_up
from mrjax.tasks.e2e import acquired, classical, domain, model
from mrjax.tasks.e2e.config import Config

ARCHITECTURE = ("cascades", "width", "levels", "sens_width", "sens_levels")


class Inputs(NamedTuple):
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

    examples: acquired.Examples | None
    train: Sequence[SenseSlice]
    test: Sequence[SenseSlice]
    acquired: Sequence[acquired.Acquisition]
    tuned: classical.Tuned
    initial: trained.Weights
    account: Intake | None = None
    domain: Domain | None = None


def prepare(config: Config, built: model.Model) -> Inputs:
    """Load or make the slices and everything that depends on the slices alone.

    Args:
        config: the configuration.
        built: its model.

    Returns:
        The inputs, checked so that neither training nor evaluation finds a user's mistake later.

    Raises:
        UserError: slices or a network cannot be used.
    """
    account = Intake.insisting(config.accept)
    train, test = acquired.slices(config, config.steps > 0, account)
    for one in (*train, *test):
        check(one, config)
    seen = acquired.acquisitions(test, config, sense.FIRST_TEST_INDEX)
    examples = acquired.Examples(train, config) if config.steps else None
    if examples is not None:
        pipeline.batch_indices(config.seed_for("order"), 0, config.batch_size, len(examples))
    known = None
    if config.from_run:
        initial, constants = trained.load(
            config.experiment, config, config.from_run, ARCHITECTURE, built.shapes
        )
        tuned = classical.Tuned(**constants["tuned"])
        known = look_up(constants, domain.NAMES, config.from_run)
    else:
        initial = trained.Weights(built.initial_params(), None)
        assert examples is not None
        count = min(len(examples), classical.SLICES_TO_TUNE_ON)
        tuned = classical.tune([examples.get(i) for i in range(count)])
    if examples is not None:
        known = domain.record(examples.get(i) for i in range(len(examples)))
    domain.look(config, known, test, seen, account)
    account.geometry = multicoil.of_geometry(train, test)
    return Inputs(examples, train, test, seen, tuned, initial, account, known)


def check(one: SenseSlice, config: Config) -> None:
    """Raise UserError for a slice that the network, its loss or a metric cannot take."""
    shape = one.kspace.shape[1:]
    for levels in (config.levels, config.sens_levels):
        try:
            margins(shape, levels)
        except ValueError as error:
            raise UserError(
                f"slice {one.name}: {error}; expected larger images; lower --levels or "
                "--sens_levels"
            ) from error
    multicoil.check_reference(one)
    if one.reference is not None and min(one.reference.shape) < SSIM_WINDOW:
        raise UserError(
            f"the image of slice {one.name} has {one.reference.shape[0]} x "
            f"{one.reference.shape[1]} pixels that count; expected at least {SSIM_WINDOW} along "
            "both axes; leave the slice out"
        )


def digest(config: Config, inputs: Inputs) -> dict[str, str]:
    """Return the digests of a run's inputs.

    Args:
        config: the configuration.
        inputs: slices and initial weights.

    Returns:
        sha256 of `init`, `order` and `data`.
    """
    data = multicoil.of_slices(inputs.train, inputs.examples, inputs.test, inputs.acquired)
    return evidence.of_inputs(config, inputs.examples, inputs.initial.params, data)


def data(config: Config) -> unchanged.Digests:
    """Return the digests of all slices as their files hold them now; nothing is tuned."""
    account = Intake.insisting(config.accept)
    train, test = acquired.slices(config, config.steps > 0, account)
    examples = acquired.Examples(train, config) if config.steps else None
    seen = acquired.acquisitions(test, config, sense.FIRST_TEST_INDEX)
    values = multicoil.of_slices(train, examples, test, seen)
    return unchanged.Digests(values, multicoil.of_geometry(train, test))
