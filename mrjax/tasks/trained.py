"""A trained network in its run folder: weights, and the constants that give weights a meaning."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.runs import jsonfile
from mrjax.runs.atomic import write_json
from mrjax.runs.folder import RunFolder
from mrjax.train import checkpoint

CONSTANTS = "constants.json"
_CONSTANTS_ADVICE = ("the constants of a trained network", "run the training again")


class Weights(NamedTuple):
    """Leaves by path; the statistics are None for a network that was not trained yet."""

    params: Mapping[str, np.ndarray]
    batch_stats: Mapping[str, np.ndarray] | None


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
    """Read the network of a finished run.

    Args:
        experiment: the task whose network is wanted, for instance ``qsm``.
        config: configuration of this run, with the fields of `architecture`.
        from_run: folder of the finished run.
        architecture: fields of the configuration that must be equal in both runs.
        shapes: shapes of the wanted leaves, by path, under ``params`` and ``batch_stats``.

    Returns:
        The weights of its newest checkpoint, and the constants that the network needs in use.

    Raises:
        UserError: the folder holds no finished run, or its network is not the one wanted.
    """
    folder = RunFolder(Path(from_run))
    if not folder.finished:
        raise UserError(
            f"--from_run={from_run} holds no finished run (no result.json); expected the "
            "run folder of a trained network; finish that run first or correct the path"
        )
    theirs = jsonfile.read(folder.result, "the result of a run", "name another --from_run")
    if theirs.get("experiment") != experiment:
        raise UserError(
            f"--from_run={from_run} is a run of {theirs.get('experiment')}; expected one of "
            f"{experiment}; name another run"
        )
    _check_architecture(config, folder, architecture)
    found = newest_leaves(folder)
    leaves = {kind: _take(found, kind, shapes.get(kind, {}), folder) for kind in shapes}
    constants = jsonfile.read(folder.checkpoints / CONSTANTS, *_CONSTANTS_ADVICE)
    return Weights(leaves["params"], leaves.get("batch_stats", {})), constants


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


def _check_architecture(config: RunConfig, folder: RunFolder, architecture: Sequence[str]) -> None:
    theirs = jsonfile.read(folder.config, "the record of a run", "name another --from_run")
    theirs = theirs["config"]
    for name in architecture:
        if theirs.get(name) != getattr(config, name):
            raise UserError(
                f"--from_run={folder.path} has {name} {theirs.get(name)}; expected "
                f"{getattr(config, name)}; pass --{name}={theirs.get(name)}"
            )


def _take(
    arrays: Mapping[str, np.ndarray],
    kind: str,
    shapes: Mapping[str, tuple[int, ...]],
    folder: RunFolder,
) -> dict[str, np.ndarray]:
    found = {k.removeprefix(f"{kind}/"): v for k, v in arrays.items() if k.startswith(f"{kind}/")}
    if {k: v.shape for k, v in found.items()} != {k: tuple(v) for k, v in shapes.items()}:
        raise UserError(
            f"the checkpoint of {folder.path} holds another network; expected leaves of the same "
            "names and shapes; name the run of a network of this kind"
        )
    return found
