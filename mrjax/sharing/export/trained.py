"""The trained network that is to be exported, with an input to test the copies with."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.runs import jsonfile
from mrjax.runs.folder import RunFolder
from mrjax.sharing import package
from mrjax.sharing.export import example
from mrjax.tasks import exporting, registry, trained
from mrjax.tasks.package import is_package

_ADVICE = "name the run folder of a trained network"


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes:
        task: key of `registry.TASKS`.
        config: settings of its training, as a run in JAX has them.
        weights: parameters and running statistics.
        constants: content of ``checkpoints/constants.json``.
        digest: sha256 of its parameters, from result.json.
        inputs: name -> array of a test input, as the task gives it to its network on the host, see
            `draw` in the task's module ``export``.
        expected: what the maker of a package got for the test input; None for a run folder.
        package: digest of the package; "" for a run folder.
    """

    task: str
    config: Any
    weights: trained.Weights
    constants: Mapping[str, Any]
    digest: str
    inputs: Mapping[str, np.ndarray]
    expected: np.ndarray | None = None
    package: str = ""

    @property
    def export(self) -> exporting.Export:
        """What the task tells about its networks."""
        return exporting.of(self.task)

    @property
    def lengths(self) -> exporting.Lengths:
        """Lengths in space that the network takes."""
        return self.export.lengths(self.config)

    def predictor(self, config: RunConfig, platform: str) -> Callable[[Any, Any, Any], Any]:
        """Return the map (parameters, statistics, inputs) -> output in JAX.

        Args:
            config: settings to compute with.
            platform: ``cpu`` or ``gpu``.
        """
        built = registry.module(self.task, "model").build(config, platform)
        return self.export.predictor(built, self.constants)

    def output(self, config: RunConfig | None = None) -> np.ndarray:
        """Return the network's output for the test input, computed by JAX on this processor.

        Args:
            config: settings to compute with; None: those of the training.
        """
        used: RunConfig = self.config if config is None else config
        built = registry.module(self.task, "model").build(used, "cpu")
        predict, state = self.predictor(used, "cpu"), built.initial_state(self.weights)
        with jax.default_matmul_precision(used.matmul_precision):  # as in a run
            return np.asarray(predict(state.params, state.batch_stats, dict(self.inputs)))


def settings(folder: Path) -> tuple[str, RunConfig]:
    """Read the task and the settings of a trained network. Computes nothing.

    Args:
        folder: run folder or package.

    Returns:
        The task, and its configuration; of a network of PyTorch, without PyTorch's switches.

    Raises:
        UserError: the folder holds neither a finished run nor a package, or it is one of a task
            whose networks are not exported.
    """
    found = trained.network(folder)
    return found.task, _configuration(found.task, found.settings)


def _configuration(task: str, values: Mapping[str, Any]) -> RunConfig:
    """Return settings as the configuration of a task; what is missing gets its default."""
    if task not in registry.TASKS:
        raise UserError(
            f"a run of {task} cannot be exported; expected one of {', '.join(registry.TASKS)}; "
            f"{_ADVICE}"
        )
    exporting.of(task)  # refuses a task that says nothing
    cls = registry.module(task, "config").Config
    names = {field.name for field in dataclasses.fields(cls)}
    return cls(**{name: value for name, value in values.items() if name in names})


def read(folder: Path) -> Trained:
    """Read a trained network.

    Args:
        folder: package, or run folder; of a cross-validation, that of one fold.

    Returns:
        The network. The test input of a run folder is made of random numbers, since the data of
        the training may show a patient.

    Raises:
        UserError: the folder holds no trained network of a task of mrjax.
    """
    if is_package(folder):
        return _of_package(folder)
    task, config = settings(folder)
    built = registry.module(task, "model").build(config, "cpu")
    weights, constants = trained.load(task, config, str(folder), (), built.shapes)
    result = jsonfile.read(RunFolder(folder).result, "the result of a run", _ADVICE)
    return Trained(
        task=task,
        config=config,
        weights=weights,
        constants=constants,
        digest=str(result.get("digests", {}).get("params", "")),
        inputs=example.draw(task, config, constants),
    )


def _of_package(folder: Path) -> Trained:
    found = package.read(folder)
    config = _configuration(found.task, found.settings)
    return Trained(
        task=found.task,
        config=config,
        weights=found.weights,
        constants=found.constants,
        digest=str(found.result["digests"]["params"]),
        inputs=found.test_inputs,
        expected=found.test_output,
        package=found.digest,
    )
