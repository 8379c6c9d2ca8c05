"""Networks of other programs as finished runs, and the network of a run for other programs."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mrjax import config as configs
from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.runs import digests, result
from mrjax.runs.folder import RunFolder
from mrjax.tasks import records, registry, trained
from mrjax.train import checkpoint

Leaves = Mapping[str, np.ndarray]
"""Path of a leaf in Linen -> array."""
Config = TypeVar("Config", bound=RunConfig)


def configured(config: type[Config], sizes: Mapping[str, int]) -> Config:
    """Return the configuration of the paper preset with a network's sizes.

    Args:
        config: class of the task's configuration.
        sizes: fields that the network's weights determine.

    Returns:
        The checked configuration.

    Raises:
        UserError: a size is out of range.
    """
    preset = registry.program(config.experiment)[1]["paper"]
    made = config(**{**preset, **sizes, "preset": "paper"})
    made.check()
    return made


def advice(config: RunConfig, architecture: Sequence[str]) -> list[str]:
    """Return the flags that a run with the network needs beside ``--preset=paper``.

    Args:
        config: from `configured`.
        architecture: fields that the network's weights determine.

    Returns:
        ``--name=value`` for each size that differs from the preset's.
    """
    paper = type(config)(**registry.program(config.experiment)[1]["paper"])
    return [
        f"--{name}={getattr(config, name)}"
        for name in architecture
        if getattr(config, name) != getattr(paper, name)
    ]


def store(
    config: Config, leaves: Leaves, constants: Mapping[str, Any], workdir: Path, origin: str
) -> Config:
    """Write a network as a run folder that ``--from_run`` can read.

    Args:
        config: from `configured`.
        leaves: the network's parameters.
        constants: what the network keeps from its training beside its weights, as JSON.
        workdir: folder to write, empty or absent.
        origin: where the network comes from, for ``result.json``.

    Returns:
        The stored configuration.

    Raises:
        UserError: the folder cannot be written or holds another run.
    """
    config = dataclasses.replace(config, workdir=str(workdir))
    # Without resume an existing run is an error.
    folder, _ = records.opened(workdir, config, configs.to_flags(config), {}, resume=False)
    with folder:
        named = {f"params/{name}": leaf for name, leaf in leaves.items()}
        checkpoint.save(folder.checkpoints, 0, named)
        trained.keep_constants(folder, constants, {})
        result.write(folder.path, _result(config.experiment, leaves, named, origin))
    return config


def _result(experiment: str, leaves: Leaves, named: Leaves, origin: str) -> dict:
    nothing = digests.content({})
    return {
        "schema_version": result.SCHEMA_VERSION,
        "experiment": experiment,
        "framework": registry.PYTORCH,
        "level": "not_guaranteed",
        "steps": 0,
        "subjects": [],
        "metrics": {},
        "baselines": {},
        "digests": {
            "init": digests.content(leaves),
            "order": nothing,
            "data": nothing,
            "params": digests.content(named),
            "predictions": nothing,
        },
        "seconds": dict.fromkeys(result.SECONDS, 0.0),
        "memory_bytes": None,
        "extra": {"origin": origin},
    }


def load(task: str, from_run: Path) -> dict[str, np.ndarray]:
    """Read the parameters of a finished run's network.

    Args:
        task: whose network it must be.
        from_run: run folder.

    Returns:
        The leaves.

    Raises:
        UserError: there is no finished run, or it is a run of another network.
    """
    found = result.read(from_run)
    if found["experiment"] != task:
        raise UserError(
            f"{from_run} is a run of {found['experiment']}; expected {task}; name another run"
        )
    return {
        name.removeprefix("params/"): leaf
        for name, leaf in trained.newest_leaves(RunFolder(from_run)).items()
        if name.startswith("params/")
    }
