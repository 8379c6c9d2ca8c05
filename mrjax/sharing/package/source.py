"""The run folder that becomes a package: which runs can be packed, and what is taken from them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.errors import UserError
from mrjax.runs import digests, jsonfile, result
from mrjax.runs.folder import RunFolder
from mrjax.runs.package import is_package
from mrjax.runs.package.schema import FRAMEWORKS
from mrjax.tasks import registry, trained

_ADVICE = "name a run folder of mrjax"
_KINDS = ("params/", "batch_stats/")


@dataclasses.dataclass(frozen=True)
class Source:
    """A finished training, or an imported network.

    Attributes:
        folder: its run folder.
        result: content of ``result.json``.
        settings: content of ``config.json`` under ``config``.
        digest: of these settings.
        environment: content of ``environment.json``.
        constants: content of ``checkpoints/constants.json``.
        leaves: weights by path, which begins with ``params/`` or ``batch_stats/``.
    """

    folder: RunFolder
    result: Mapping[str, Any]
    settings: Mapping[str, Any]
    digest: str
    environment: Mapping[str, Any]
    constants: Mapping[str, Any]
    leaves: Mapping[str, np.ndarray]

    @property
    def task(self) -> str:
        """Key of `mrjax.tasks.registry.TASKS`."""
        return str(self.result["experiment"])

    @property
    def framework(self) -> str:
        """What trained the network."""
        return str(self.result["framework"])

    @property
    def imported(self) -> bool:
        """Whether the network was trained by another program."""
        return "origin" in self.result.get("extra", {})

    @property
    def synthetic(self) -> bool:
        """Whether all its subjects were made from keys; else some may be patients."""
        return self.settings.get("dataset") == "synthetic" and not self.imported


def read(run: Path) -> Source:
    """Read a run folder from which a package can be made.

    Raises:
        UserError: the run is not finished, trained nothing, consists of several trainings or was
            made by another program; or a file is missing or damaged.
    """
    if is_package(run):
        raise UserError(f"{run} is a package already; expected a run folder; copy the package")
    found = result.read(run)
    _check_kind(run, found)
    folder = RunFolder(run)
    config = jsonfile.read(folder.config, "the settings of the run", _ADVICE)
    settings = config.get("config")
    if not isinstance(settings, dict) or found.get("config") != config.get("digest"):
        raise UserError(
            f"{folder.config} is not of the run in result.json; expected the settings of one run; "
            "copy the run folder again"
        )
    _check_trained(run, found, settings)
    return Source(
        folder=folder,
        result=found,
        settings=settings,
        digest=config["digest"],
        environment=jsonfile.read(folder.environment, "the environment of the run", _ADVICE),
        constants=jsonfile.read(
            folder.checkpoints / trained.CONSTANTS, "the constants of a network", _ADVICE
        ),
        leaves=_weights(folder, found),
    )


def _check_kind(run: Path, found: Mapping[str, Any]) -> None:
    if found.get("children"):
        child = found["children"][0]
        raise UserError(
            f"{run} is a whole cross-validation; expected the run folder of one training; name for "
            f"instance {run / child}"
        )
    if found["experiment"] not in registry.TASKS or found["framework"] not in FRAMEWORKS:
        raise UserError(
            f"{run} is a run of {found['experiment']} in {found['framework']}; expected "
            f"{', '.join(registry.TASKS)} in {' or '.join(FRAMEWORKS)}; {_ADVICE}"
        )


def _check_trained(run: Path, found: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    if found["steps"] == 0 and "origin" not in found.get("extra", {}):
        used = settings.get("from_run") or "the run folder that it used"
        raise UserError(
            f"{run} is an inference run, which trained no network; expected a training; name the "
            f"network that it used, {used}"
        )


def _weights(folder: RunFolder, found: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Read the trained weights, which must be those of the result."""
    leaves = {k: v for k, v in trained.newest_leaves(folder).items() if k.startswith(_KINDS)}
    if digests.content(leaves) != found["digests"]["params"]:
        raise UserError(
            f"the newest checkpoint of {folder.path} holds other weights than result.json says; "
            f"expected those of the finished network; {result.AGAIN}"
        )
    return leaves
