"""The inputs of a run of the end-to-end VarNet: slices, tuned CG-SENSE, initial weights."""

from mrjax.arrays import SenseSlice
from mrjax.data import pipeline, sense
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.losses import SSIM_WINDOW
from mrjax.nets.norm_unet import margins
from mrjax.tasks import evidence, unchanged
from mrjax.tasks.e2e import acquired, classical, domain, model
from mrjax.tasks.e2e.config import Config
from mrjax.tasks.multicoil import inputs, slices

ARCHITECTURE = ("cascades", "width", "levels", "sens_width", "sens_levels")


Inputs = inputs.Inputs[acquired.Examples]
"""The inputs of a run."""


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
    start = inputs.begun(config, built, ARCHITECTURE, domain.NAMES, examples, classical.tune)
    known = start.known
    if examples is not None:
        known = domain.record(examples.get(i) for i in range(len(examples)))
    domain.look(config, known, test, seen, account)
    account.geometry = slices.of_geometry(train, test)
    return Inputs(examples, train, test, seen, start.tuned, start.initial, account, known)


def check(one: SenseSlice, config: Config) -> None:
    """Raise UserError for a slice that the network, its loss or a metric cannot take."""
    shape = one.kspace.shape[1:]
    for levels in (config.levels, config.sens_levels):
        try:
            margins(shape, levels)
        except ValueError as error:
            raise UserError(
                f"slice {one.name}: {error}; expected larger images, or a network with fewer "
                "poolings (--levels, --sens_levels); leave the slice out"
            ) from error
    slices.check_reference(one)
    if one.reference is not None and min(one.reference.shape) < SSIM_WINDOW:
        raise UserError(
            f"the image of slice {one.name} has {one.reference.shape[0]} x "
            f"{one.reference.shape[1]} pixels that count; expected at least {SSIM_WINDOW} along "
            "both axes; leave the slice out"
        )


def digest(config: Config, given: Inputs) -> dict[str, str]:
    """Return the digests of a run's inputs.

    Args:
        config: the configuration.
        given: slices and initial weights.

    Returns:
        sha256 of `init`, `order` and `data`.
    """
    data = slices.of_slices(given.train, given.examples, given.test, given.acquired)
    return evidence.of_inputs(config, given.examples, given.initial.params, data)


def data(config: Config) -> unchanged.Digests:
    """Return the digests of all slices as their files hold them now; nothing is tuned."""
    account = Intake.insisting(config.accept)
    train, test = acquired.slices(config, config.steps > 0, account)
    examples = acquired.Examples(train, config) if config.steps else None
    seen = acquired.acquisitions(test, config, sense.FIRST_TEST_INDEX)
    values = slices.of_slices(train, examples, test, seen)
    return unchanged.Digests(values, slices.of_geometry(train, test))
