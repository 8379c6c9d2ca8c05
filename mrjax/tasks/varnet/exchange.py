"""A variational network from elsewhere as a finished run, and a run's network for elsewhere."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mrjax import config as configs
from mrjax.errors import UserError
from mrjax.runs import digests, environment, result
from mrjax.runs.folder import RunFolder, open_run
from mrjax.tasks import records, trained
from mrjax.tasks.varnet.classical import Tuned
from mrjax.tasks.varnet.config import PRESETS, Config
from mrjax.tasks.varnet.inputs import ARCHITECTURE
from mrjax.train import checkpoint

Leaves = Mapping[str, np.ndarray]


def describe(leaves: Leaves) -> Config:
    """Return the configuration of a network, read off its leaves.

    Args:
        leaves: ``stage{i}/kernel`` [window window 2 f], ``stage{i}/rbf`` [f n] and
            ``stage{i}/data_weight``.

    Returns:
        That of the paper preset with the network's sizes, checked.

    Raises:
        UserError: filters that are not square with an odd edge, or a size out of range.
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
    """Return the flags that a run from the network needs beside ``--preset=paper``.

    Args:
        config: from `describe`.

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
    """Write a network as the run folder that ``--from_run`` reads.

    Args:
        leaves: see `describe`.
        workdir: folder to write, empty or absent.
        origin: where the network comes from, for ``result.json``.

    Returns:
        The configuration stored.

    Raises:
        UserError: the folder cannot be written or holds another run, or as `describe`.
    """
    config = dataclasses.replace(describe(leaves), workdir=str(workdir))
    folder, status = open_run(
        workdir,
        flags_text=configs.to_flags(config),
        config=configs.to_json(config),
        config_digest=configs.digest(config),
        environment=environment.capture({}, records.CODE_ROOT),
        resume=False,
        allow_mixed=False,
    )
    del status  # without resume an existing run is an error
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
        See `describe`.

    Raises:
        UserError: no finished run, or none of a variational network.
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
