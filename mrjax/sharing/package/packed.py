"""A package that was read and found whole."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.tasks import package, registry
from mrjax.tasks.trained import Weights

_AS_READ = ("folder", "flags", "ledger", "environment", "test_inputs", "test_output", "digest")
"""Attributes of a package that are those of `mrjax.tasks.package.Content`."""


@dataclasses.dataclass(frozen=True)
class Package:
    """A trained network with what is known of it.

    What is not listed here is as in `mrjax.tasks.package.Content`.

    Attributes:
        task: key of `mrjax.tasks.registry.TASKS`.
        framework: what trained it, ``jax`` or ``pytorch``.
        level: level of reproducibility of its training.
        settings: flag -> value, of its training; flags that name the maker's files are left out.
        fine_tuned: whether the training began with another trained network.
        constants: what the weights need to be used, with the domain, as JSON.
        weights: parameters and batch statistics by leaf path.
        result: `metrics`, `baselines`, `digests`, `steps`, `subjects`, and where they are known
            `data` and `origin`.
        exact: whether every machine gets the bits of `test_output`.
        config_digest: digest of the configuration of the training, as its maker had it.
    """

    folder: Path
    task: str
    framework: str
    level: str
    settings: Mapping[str, Any]
    fine_tuned: bool
    constants: Mapping[str, Any]
    weights: Weights
    result: Mapping[str, Any]
    ledger: list[dict[str, Any]]
    environment: Mapping[str, Any]
    test_inputs: Mapping[str, np.ndarray]
    test_output: np.ndarray
    exact: bool
    digest: str
    flags: str
    config_digest: str


def read(folder: str | os.PathLike[str]) -> Package:
    """Read a package and check every file of it, see `mrjax.tasks.package.read`.

    Raises:
        UserError: the folder holds no whole package; one line names the file and the field.
    """
    found = package.read(folder)
    config = found.config
    params, stats = (_under(found.leaves, kind) for kind in ("params/", "batch_stats/"))
    return Package(
        **{name: getattr(found, name) for name in _AS_READ},
        task=config["task"],
        framework=config["framework"],
        level=config["level"],
        settings=config["settings"],
        fine_tuned=config["fine_tuned"],
        constants=config["constants"],
        weights=Weights(params, stats),
        result=config["result"],
        exact=config["test"]["exact"],
        config_digest=config["digest"],
    )


def configuration(found: Package) -> RunConfig:
    """Return the settings of a package as the configuration of its program, not yet checked.

    Settings that the package lacks get their defaults: flags that name files, and flags that are
    younger than the package.

    Raises:
        UserError: the package has a setting that this version of mrjax does not know.
    """
    return configured(found.task, found.settings, str(found.folder))


def configured(task: str, settings: Mapping[str, Any], where: str) -> RunConfig:
    """Return settings as the configuration of their program, not yet checked.

    Args:
        task: of the network.
        settings: flag -> value.
        where: they come from, for messages.

    Raises:
        UserError: a setting is not known.
    """
    kind = kind_of(task, settings)
    try:
        return kind(**settings)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{where} has settings that this version of mrjax does not know ({error}); expected "
            f"those of {kind.__name__} of {task}; use the version that wrote it"
        ) from error


def kind_of(task: str, settings: Mapping[str, Any]) -> type[RunConfig]:
    """Return the class of a configuration; only the program of PyTorch has a flag for the task."""
    if settings.get("task") in registry.TASKS:
        return registry.program(registry.PYTORCH, task)[0]
    return registry.program(task)[0]


def _under(leaves: Mapping[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(kind): v for k, v in leaves.items() if k.startswith(kind)}
