"""A trained QSM network: weights together with the constants without which they mean nothing."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import flax.traverse_util as traverse
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from mrjax.arrays import QsmSubject
from mrjax.data.pipeline import Normalisation
from mrjax.errors import UserError
from mrjax.numerics.trees import named_leaves
from mrjax.runs import jsonfile
from mrjax.runs.atomic import write_json
from mrjax.runs.folder import RunFolder
from mrjax.tasks.qsm import model
from mrjax.tasks.qsm.baselines import Tuned
from mrjax.tasks.qsm.config import Config
from mrjax.train import checkpoint

CONSTANTS = "constants.json"
ARCHITECTURE = ("width", "levels", "window")
_CONSTANTS_ADVICE = ("the constants of a trained network", "run the training again")


class Constants(NamedTuple):
    """What a network carries from its training subjects.

    Attributes:
        normalisation: means and standard deviations [ppm].
        tuned: parameters of the classical inversions compared with it.
    """

    normalisation: Normalisation
    tuned: Tuned


class Weights(NamedTuple):
    """Float32 leaves by path; statistics are None for a network not yet trained."""

    params: Mapping[str, np.ndarray]
    batch_stats: Mapping[str, np.ndarray] | None


def keep_constants(folder: RunFolder, constants: Constants, known: Mapping[str, str]) -> None:
    """Write the constants and the digests of the inputs, or compare with those already there.

    Args:
        folder: open run folder; gets ``checkpoints/constants.json``.
        constants: of this network.
        known: digests of the inputs of the run.

    Raises:
        UserError: if the run was begun with other inputs: files that changed since.
    """
    path = folder.checkpoints / CONSTANTS
    content = {k: dataclasses.asdict(v) for k, v in constants._asdict().items()}
    if path.exists():
        begun = jsonfile.read(path, *_CONSTANTS_ADVICE).get("inputs", {})
        changed = [k for k in known if begun.get(k) != known[k]]
        if changed:
            raise UserError(
                f"{folder.path} was begun with other inputs ({', '.join(changed)} differ); "
                "expected unchanged files; restore them or use another --workdir"
            )
        return
    write_json(path, content | {"inputs": dict(known)})


def load(config: Config, built: model.Model) -> tuple[Weights, Constants]:
    """Read the network of --from_run.

    Args:
        config: names the run folder and the architecture wanted.
        built: a model of that architecture.

    Returns:
        Weights and constants.

    Raises:
        UserError: if there is no finished run, or its network is another one.
    """
    folder = RunFolder(Path(config.from_run))
    if not folder.finished:
        raise UserError(
            f"--from_run={config.from_run} holds no finished run (no result.json); expected the "
            "run folder of a trained network; finish that run first or correct the path"
        )
    theirs = jsonfile.read(folder.config, "the record of a QSM run", "name another --from_run")
    theirs = theirs["config"]
    for name in ARCHITECTURE:
        if theirs.get(name) != getattr(config, name):
            raise UserError(
                f"--from_run={config.from_run} has {name} {theirs.get(name)}; expected "
                f"{getattr(config, name)}; pass --{name}={theirs.get(name)}"
            )
    trained = dataclasses.replace(
        config, **{k: theirs[k] for k in ("dtype", "cooldown", "steps") if k in theirs}
    )
    like = dataclasses.replace(built, config=trained)
    found = checkpoint.latest(folder.checkpoints, like.initial_state(like.initial_params()))
    if found is None:
        raise UserError(
            f"{folder.checkpoints} holds no readable checkpoint; expected that of a trained "
            "network; run the training again"
        )
    _, state = found
    content = jsonfile.read(folder.checkpoints / CONSTANTS, *_CONSTANTS_ADVICE)
    constants = Constants(Normalisation(**content["normalisation"]), Tuned(**content["tuned"]))
    return Weights(_leaves(state.params), _leaves(state.batch_stats)), constants


def like(tree: PyTree, leaves: Mapping[str, np.ndarray]) -> PyTree:
    """Return the leaves in the types of `tree`, a nest of dicts."""
    types = {path: leaf.dtype for path, leaf in named_leaves(tree).items()}
    return traverse.unflatten_dict({k: jnp.asarray(leaves[k], t) for k, t in types.items()}, "/")


def check_geometry(subjects: Sequence[QsmSubject]) -> None:
    """Raise UserError unless all subjects share voxel size and B0 direction.

    The model loss uses one dipole kernel for all patches, as the authors do, who rotate and
    resample first.
    """
    first = subjects[0]
    for s in subjects[1:]:
        if s.voxel_size != first.voxel_size or s.b0_direction != first.b0_direction:
            raise UserError(
                f"training subjects {first.name} and {s.name} differ in voxel size "
                f"({first.voxel_size}, {s.voxel_size} mm) or B0 direction ({first.b0_direction}, "
                f"{s.b0_direction}); expected one geometry; resample them to one grid"
            )


def _leaves(tree: PyTree) -> dict[str, np.ndarray]:
    return {k: np.asarray(v) for k, v in named_leaves(tree).items()}
