"""The inputs of a VarNet run: slices and their sampling, tuned CG-SENSE, initial weights."""

from collections.abc import Iterator, Sequence

from mrjax.arrays import SenseSlice
from mrjax.data import pipeline, sense
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.tasks import evidence, unchanged
from mrjax.tasks.multicoil import inputs, slices
from mrjax.tasks.varnet import classical, domain, model
from mrjax.tasks.varnet.config import Config

ARCHITECTURE = ("width", "stages", "window", "nodes")


Inputs = inputs.Inputs[sense.Examples]
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
    train, test = sense.slices(config, need_train=config.steps > 0, intake=account)
    acquired = list(_acquired(test, config))
    for one, found in zip(test, acquired, strict=True):
        check(one, found, config)
    examples = sense.Examples(train, config) if config.steps else None
    if examples is not None:
        pipeline.batch_indices(config.seed_for("order"), 0, config.batch_size, len(examples))
    start = inputs.begun(config, built, ARCHITECTURE, domain.NAMES, examples, classical.tune)
    known = start.known
    if examples is not None:
        known = domain.record(examples.get(i) for i in range(len(examples)))
    domain.look(config, known, test, acquired, account)
    account.geometry = slices.of_geometry(train, test)
    return Inputs(examples, train, test, acquired, start.tuned, start.initial, account, known)


def check(one: SenseSlice, acquired: classical.Acquisition, config: Config) -> None:
    """Raise UserError for a held-out slice that the network or a metric cannot take."""
    rows, columns = acquired["kspace"].shape[1:]
    if min(rows, columns) < config.window:
        raise UserError(
            f"slice {one.name} has {rows} x {columns} pixels; expected at least --window="
            f"{config.window} along both axes; use a network with a smaller window"
        )
    slices.check_reference(one)


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
    train, test = sense.slices(config, need_train=config.steps > 0, intake=account)
    examples = sense.Examples(train, config) if config.steps else None
    values = slices.of_slices(train, examples, test, _acquired(test, config))
    return unchanged.Digests(values, slices.of_geometry(train, test))


def _acquired(test: Sequence[SenseSlice], config: Config) -> Iterator[classical.Acquisition]:
    """Yield held-out slices, undersampled as by the scanner."""
    for i, one in enumerate(test):
        yield sense.acquisition(one, config, sense.FIRST_TEST_INDEX + i)
