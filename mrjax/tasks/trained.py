"""A trained network in a run folder or a package: its weights, and the constants they need."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.runs import jsonfile
from mrjax.runs.atomic import write_json
from mrjax.runs.folder import RunFolder
from mrjax.tasks import package
from mrjax.tasks.package import layout
from mrjax.train import checkpoint

CONSTANTS = "constants.json"
_CONSTANTS_ADVICE = ("the constants of a trained network", "run the training again")


class Weights(NamedTuple):
    """Leaves by path; the statistics are None for a network that was not trained yet."""

    params: Mapping[str, np.ndarray]
    batch_stats: Mapping[str, np.ndarray] | None


class Network(NamedTuple):
    """A trained network, wherever it comes from.

    Attributes:
        where: its run folder or package, for messages.
        task: what it was trained for, for instance ``qsm``.
        settings: flag -> value, of its training.
        leaves: weights by path, which begins with ``params/`` or ``batch_stats/``; a run folder
            adds what the training needs to go on.
        constants: the numbers that it needs in use, as JSON.
    """

    where: Path
    task: str
    settings: Mapping[str, Any]
    leaves: Mapping[str, np.ndarray]
    constants: dict[str, Any]


def keep_constants(
    folder: RunFolder, constants: Mapping[str, Any], known: Mapping[str, str]
) -> None:
    """Write the constants and the digests of the inputs, or compare with an earlier record.

    Args:
        folder: open run folder, which gets ``checkpoints/constants.json``.
        constants: constants of this network, as JSON.
        known: digests of the run's inputs.

    Raises:
        UserError: the run was begun with other inputs, because files have changed since.
    """
    path = folder.checkpoints / CONSTANTS
    if path.exists():
        begun = jsonfile.read(path, *_CONSTANTS_ADVICE).get("inputs", {})
        begun = {"geometry": known.get("geometry"), **begun}  # which older records do not have
        changed = [k for k in known if begun.get(k) != known[k]]
        if changed:
            raise UserError(
                f"{folder.path} was begun with other inputs ({', '.join(changed)} differ); "
                "expected unchanged files; restore them or use another --workdir"
            )
        return
    write_json(path, {**constants, "inputs": dict(known)})


def load(
    experiment: str,
    config: RunConfig,
    from_run: str,
    architecture: Sequence[str],
    shapes: Mapping[str, Mapping[str, tuple[int, ...]]],
) -> tuple[Weights, dict[str, Any]]:
    """Read the network of a finished run or of a package.

    Args:
        experiment: the task whose network is wanted, for instance ``qsm``.
        config: configuration of this run, with the fields of `architecture`.
        from_run: folder of the finished run, or of a package.
        architecture: fields of the configuration that must be equal in both runs.
        shapes: shapes of the wanted leaves, by path, under ``params`` and ``batch_stats``.

    Returns:
        Its weights (of a run those of the newest checkpoint), and the constants that the network
        needs in use.

    Raises:
        UserError: the folder holds no finished run and no package, or its network is not the one
            wanted.
    """
    found = network(Path(from_run), experiment, f"--from_run={from_run}")
    _check_architecture(config, found, architecture)
    leaves = {kind: _take(found, kind, shapes.get(kind, {})) for kind in shapes}
    return Weights(leaves["params"], leaves.get("batch_stats", {})), found.constants


def network(path: Path, wanted: str = "", called: str = "") -> Network:
    """Read a trained network.

    Args:
        path: folder of a finished run, or of a package.
        wanted: the task that it should be of; "": any.
        called: how the user named the folder, for messages; "": by its path.

    Raises:
        UserError: it is neither, it is of another task, or a file of it is damaged.
    """
    if package.is_package(path):
        found = package.read(path)
        config, constants = found.config, dict(found.config["constants"])
        _check_task(config["task"], wanted, f"{called or path} is a package")
        return Network(path, config["task"], config["settings"], found.leaves, constants)
    folder = RunFolder(path)
    if not folder.finished:
        raise UserError(
            f"{called or path} holds no finished run (no {folder.result.name}) and no package (no "
            f"{layout.MANIFEST}); expected a trained network; finish that run first or correct the "
            "path"
        )
    advice = "name another --from_run"
    task = jsonfile.read(folder.result, "the result of a run", advice).get("experiment")
    _check_task(task, wanted, f"{called or path} is a run")
    settings = jsonfile.read(folder.config, "the record of a run", advice)
    constants = jsonfile.read(folder.checkpoints / CONSTANTS, *_CONSTANTS_ADVICE)
    return Network(path, str(task), settings["config"], newest_leaves(folder), constants)


def newest_leaves(folder: RunFolder) -> dict[str, np.ndarray]:
    """Read all leaves of a run's newest checkpoint.

    Args:
        folder: run folder.

    Returns:
        Leaves by path, which begins with the kind of the leaf, for instance ``params/``.

    Raises:
        UserError: no checkpoint can be read.
    """
    found = checkpoint.newest(folder.checkpoints)
    if found is None:
        raise UserError(
            f"{folder.checkpoints} holds no readable checkpoint; expected that of a trained "
            "network; run the training again"
        )
    return found[1]


def _check_task(task: Any, wanted: str, what: str) -> None:
    if wanted and task != wanted:
        raise UserError(f"{what} of {task}; expected one of {wanted}; name another one")


def _check_architecture(config: RunConfig, found: Network, architecture: Sequence[str]) -> None:
    for name in architecture:
        theirs = found.settings.get(name)
        if theirs != getattr(config, name):
            raise UserError(
                f"--from_run={found.where} has {name} {theirs}; expected "
                f"{getattr(config, name)}; pass --{name}={theirs}"
            )


def _take(
    network: Network, kind: str, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    leaves = network.leaves.items()
    found = {k.removeprefix(f"{kind}/"): v for k, v in leaves if k.startswith(f"{kind}/")}
    if {k: v.shape for k, v in found.items()} != {k: tuple(v) for k, v in shapes.items()}:
        raise UserError(
            f"the checkpoint of {network.where} holds another network; expected leaves of the same "
            "names and shapes; name a network of this kind"
        )
    return found
