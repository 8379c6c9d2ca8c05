"""The settings of a trained network, and the configuration under which it is applied."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.runs import jsonfile
from mrjax.runs.folder import RunFolder
from mrjax.tasks import registry

MACHINE = ("platform", "device_index", "cpu_threads", "numerics")
"""Flags of the command that say where and how is computed."""
_OF_THE_TRAINING = (
    *("steps", "dataset", "data_dir", "unit", "field_strength", "echo_time", "accept", "resample"),
    *("n_test", "fold", "from_run", "workdir", "resume", "allow_mixed", "keep_checkpoints"),
    *("platform", "device_index", "devices", "cpu_threads", "xla_cpu_isa"),
    *("xla_autotune", "xla_autotune_file", "processes", "coordinator", "process_id"),
)
"""Settings that describe the data, the machine or the folder of a training, not its network."""


class Network(NamedTuple):
    """What a folder says of the network in it.

    Attributes:
        folder: run folder or package.
        task: name of the task.
        settings: flag -> value.
    """

    folder: Path
    task: str
    settings: Mapping[str, Any]


def read(folder: Path) -> Network:
    """Read the settings of a trained network.

    Args:
        folder: of a finished run, or a package.

    Raises:
        UserError: it holds neither.
    """
    run = RunFolder(folder)
    advice = "name the run folder of a trained network, or its package"
    record = jsonfile.read(run.config, "the settings of a trained network", advice)
    if "settings" in record:  # a package
        task, settings = record.get("task"), record["settings"]
    elif not run.finished:
        raise UserError(
            f"{folder} holds no finished run (no result.json); expected a trained network; finish "
            "that run first, or correct the path"
        )
    else:
        result = jsonfile.read(run.result, "the result of a run", advice)
        task, settings = result.get("experiment"), record.get("config")
    if task not in registry.TASKS or not isinstance(settings, dict):
        raise UserError(
            f"the network in {folder} is of the task {task}; expected one of "
            f"{', '.join(registry.TASKS)}; {advice}"
        )
    return Network(folder, str(task), settings)


def configuration(network: Network, own: Mapping[str, Any]) -> RunConfig:
    """The checked configuration of a run that applies the network and trains nothing.

    Args:
        network: whose settings hold, but for those of its data and its machine.
        own: fields that the user's file and flags determine.

    Raises:
        UserError: the settings contradict each other, or are none of this version's.
    """
    kind, _ = registry.program(network.task)
    names = {field.name for field in dataclasses.fields(kind)}
    kept = {k: v for k, v in network.settings.items() if k in names - set(_OF_THE_TRAINING)}
    always = {"steps": 0, "n_test": 0, "from_run": str(network.folder)}
    values = {**kept, **always, **own}
    try:
        config = kind(**{name: value for name, value in values.items() if name in names})
    except ValueError as error:
        raise UserError(
            f"the settings in {network.folder} cannot be used ({error}); expected those of a "
            "network of this version of mrjax; copy the folder again"
        ) from error
    config.check()
    return config
