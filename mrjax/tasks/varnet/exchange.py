"""Import a variational network as a finished run, and export the network of a run."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mrjax import config as configs
from mrjax.errors import UserError
from mrjax.runs import digests, result
from mrjax.runs.folder import RunFolder
from mrjax.tasks import records, trained
from mrjax.tasks.varnet.classical import Tuned
from mrjax.tasks.varnet.config import PRESETS, Config
from mrjax.tasks.varnet.inputs import ARCHITECTURE
from mrjax.train import checkpoint

Leaves = Mapping[str, np.ndarray]


def describe(leaves: Leaves) -> Config:
    """Return the configuration of a network, which follows from the shapes of its leaves.

    Args:
        leaves: ``stage{i}/kernel`` [window window 2 f], ``stage{i}/rbf`` [f n] and
            ``stage{i}/data_weight``.

    Returns:
        The checked configuration of the paper preset with the network's sizes.

    Raises:
        UserError: filters are not square with an odd edge, or a size is out of range.
    """
    rows, columns, _, width = leaves["stage0/kernel"].shape
    if rows != columns or rows % 2 == 0:
        raise UserError(
            f"the network has filters of {rows} x {columns} pixels; expected squares with an odd "
            "edge; give another network"
        )
    sizes = {
        "preset": "paper",
        "width": width,
        "window": rows,
        "nodes": leaves["stage0/rbf"].shape[1],
        "stages": len({name.split("/")[0] for name in leaves}),
    }
    config = Config(**{**PRESETS["paper"], **sizes})
    config.check()
    return config


def advice(config: Config) -> list[str]:
    """Return the flags that a run with the network needs beside ``--preset=paper``.

    Args:
        config: configuration from `describe`.

    Returns:
        ``--name=value`` for each size that differs from the preset's.
    """
    paper = Config(**PRESETS["paper"])
    return [
        f"--{name}={getattr(config, name)}"
        for name in ARCHITECTURE
        if getattr(config, name) != getattr(paper, name)
    ]


def store(leaves: Leaves, workdir: Path, origin: str) -> Config:
    """Write a network as a run folder that ``--from_run`` can read.

    Args:
        leaves: the network's leaves, see `describe`.
        workdir: folder to write, empty or absent.
        origin: where the network comes from, for ``result.json``.

    Returns:
        The stored configuration.

    Raises:
        UserError: the folder cannot be written or holds another run, or as for `describe`.
    """
    config = dataclasses.replace(describe(leaves), workdir=str(workdir))
    # Without resume an existing run is an error.
    folder, _ = records.opened(workdir, config, configs.to_flags(config), {}, resume=False)
    with folder:
        named = {f"params/{name}": leaf for name, leaf in leaves.items()}
        checkpoint.save(folder.checkpoints, 0, named)
        trained.keep_constants(folder, {"tuned": dataclasses.asdict(Tuned())}, {})
        result.write(folder.path, _result(leaves, named, origin))
    return config


def _result(leaves: Leaves, named: Leaves, origin: str) -> dict:
    nothing = digests.content({})
    return {
        "schema_version": result.SCHEMA_VERSION,
        "experiment": "varnet",
        "framework": "pytorch",
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


def load(from_run: Path) -> dict[str, np.ndarray]:
    """Read the leaves of a finished run's network.

    Args:
        from_run: run folder of the variational network.

    Returns:
        The leaves, see `describe`.

    Raises:
        UserError: there is no finished run, or it is a run of another network.
    """
    found = result.read(from_run)
    if found["experiment"] != "varnet":
        raise UserError(
            f"{from_run} is a run of {found['experiment']}; expected varnet; name another run"
        )
    return {
        name.removeprefix("params/"): leaf
        for name, leaf in trained.newest_leaves(RunFolder(from_run)).items()
        if name.startswith("params/")
    }
