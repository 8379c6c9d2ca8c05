"""One of the two trainings: what its run folder says about how it was computed."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mrjax
from mrjax import config as configs
from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.runs import environment, jsonfile, ledger
from mrjax.runs.folder import RunFolder
from mrjax.tasks import registry

ROOT = Path(mrjax.__file__).resolve().parents[1]
_ADVICE = "name a run folder of mrjax"


@dataclasses.dataclass(frozen=True)
class Side:
    """A training of mrjax.

    Attributes:
        folder: its run folder.
        program: a task, or `registry.PYTORCH`.
        config: its configuration.
        environment: where it was last computed, as in ``environment.json``.
        result: its result; empty where it is not finished.
    """

    folder: RunFolder
    program: str
    config: RunConfig
    environment: Mapping[str, Any]
    result: Mapping[str, Any]

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a process that computes as this training did."""
        found = environment.restored(self.environment, os.environ)
        # This mrjax comes first, whichever one the interpreter has.
        paths = [str(ROOT), *filter(None, [found.get("PYTHONPATH")])]
        return {**found, "PYTHONPATH": os.pathsep.join(paths)}

    @property
    def digests(self) -> dict[str, str]:
        """Digests of initial weights, order and data, as far as they are recorded."""
        found = self.result.get("digests")
        if found is None:
            constants = self.folder.checkpoints / "constants.json"
            known = constants.exists()
            found = (
                jsonfile.read(constants, "constants", _ADVICE).get("inputs", {}) if known else {}
            )
        return {name: found[name] for name in ("init", "order", "data") if name in found}

    def differences(self, facts: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the differences of this process, by the framework's facts, from that then."""
        here = environment.capture(facts, ROOT)
        return tuple(environment.differences(self.environment, here))

    def lines(self) -> dict[int, dict[str, Any]]:
        """Return the lines of the ledger by step."""
        return {line["step"]: line for line in ledger.read(self.folder.ledger)}


def read(path: Path) -> Side | None:
    """Return the training that a run folder holds; None if mrjax did not compute it.

    Raises:
        UserError: a file is damaged, or another version of mrjax wrote it.
    """
    folder = RunFolder(path)
    if not folder.config.is_file() or not folder.flags.is_file():
        return None
    values = jsonfile.read(folder.config, "the settings of a run", _ADVICE).get("config")
    result = {}
    if folder.finished:
        result = jsonfile.read(folder.result, "the result of a run", _ADVICE)
    found = _configuration(path, values, str(result.get("experiment", "")))
    if found is None:
        return None
    record = jsonfile.read(folder.environment, "the environment of a run", _ADVICE)
    last = [record, *record.get("resumed_with", [])][-1]
    return Side(folder, *found, last, result)


def _configuration(path: Path, values: Any, experiment: str) -> tuple[str, RunConfig] | None:
    """Return the program and the configuration; the fields tell which program it was."""
    if not isinstance(values, dict) or "numerics" not in values:
        return None
    if values.get("task") in registry.TASKS:
        kind, _ = registry.program(registry.PYTORCH, values["task"])
        return registry.PYTORCH, configs.from_json(kind, values)
    for task in registry.TASKS:
        kind, _ = registry.program(task)
        names = {field.name for field in dataclasses.fields(kind)}
        fitting = names == {*values, *configs.late_defaults(kind)}
        if experiment == task or (not experiment and fitting):
            return task, configs.from_json(kind, values)
    raise UserError(
        f"{path} was written by another version of mrjax, or by a program that it does not know; "
        f"expected the settings of one of {', '.join(registry.TASKS)}; repeat the run with this "
        "version"
    )
