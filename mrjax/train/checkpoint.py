"""Checkpoints: one file for a step, complete or absent, whose content is checked when it is read.

``step_00000400.npz`` is an ordinary NumPy archive with one member for each leaf of the training
state, named by the leaf's path, and a member ``manifest.json``::

    {"schema_version": 1, "step": 400, "content": "<64 hex>", "dtypes": {<path>: <dtype>, ...}}

``content`` is `mrjax.runs.digests.content` of the leaves. Types that NumPy's format does not know
(bfloat16) are stored as unsigned integers of the same width; ``dtypes`` has the true types.
"""

import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mrjax.numerics.trees import named_leaves, rebuild
from mrjax.runs import atomic, digests

_MANIFEST = "manifest.json"
# Reading a damaged archive may raise these; a resume then takes an older checkpoint.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile,
           NotImplementedError)  # fmt: skip


def save(directory: str | os.PathLike[str], step: int, state_tree: Any, keep: int = 2) -> Path:
    """Save a training state; then remove all checkpoints but the newest `keep`.

    A kill at any moment leaves the older checkpoints, with or without the new one. By default two
    checkpoints stay, so that a damaged newest file costs some steps, not the run.

    Args:
        directory: folder of the run's checkpoints; it is made where absent.
        step: number of updates done.
        state_tree: everything on which the next step depends: arrays and Python numbers, no PRNG
            keys (keys derive from the step).
        keep: number of checkpoints that stay; 0: all.

    Returns:
        The file written.

    Raises:
        ValueError: `keep` is negative, or a leaf is not an array of numbers.
    """
    if keep < 0:
        raise ValueError(f"keep is {keep}; expected at least 0")
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.asarray(leaf) for name, leaf in named_leaves(state_tree).items()}
    path = folder / f"step_{step:08d}.npz"
    with atomic.replacement(path) as temporary:
        _write(temporary, step, arrays)
    _remove_all_but(folder, path, keep)
    return path


def latest(
    directory: str | os.PathLike[str], like_tree: Any, until: int | None = None
) -> tuple[int, Any] | None:
    """Read the newest checkpoint that is complete; damaged checkpoints are skipped.

    Args:
        directory: folder of the run's checkpoints; may be absent.
        like_tree: a state with the wanted structure, shapes, dtypes and placement. A leaf that is a
            JAX array here is restored to the same devices, any other leaf as a NumPy array.
        until: number of updates that the checkpoint may have at most; None: any.

    Returns:
        The number of updates done and the state, or None without a complete checkpoint.

    Raises:
        ValueError: the checkpoint is complete, but of another structure, shape or dtype.
    """
    found = newest(directory, until)
    if found is None:
        return None
    step, arrays = found
    return step, placed(like_tree, arrays)


def placed(like_tree: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return a state with these leaves, placed as those of another one; see `latest`.

    Args:
        like_tree: as in `latest`.
        arrays: leaves by path.

    Raises:
        ValueError: the leaves have another structure, shape or dtype.
    """
    return jax.tree.map(_place, like_tree, rebuild(like_tree, arrays))


def newest(
    directory: str | os.PathLike[str], until: int | None = None
) -> tuple[int, dict[str, np.ndarray]] | None:
    """Read the leaves of the newest checkpoint that is complete; damaged ones are skipped.

    Args:
        directory: folder of the run's checkpoints; may be absent.
        until: number of updates that the checkpoint may have at most; None: any.

    Returns:
        The number of updates done and the leaves by path, or None without a complete checkpoint.
    """
    for path in reversed(_files(Path(directory))):
        early = until is None or int(path.stem.removeprefix("step_")) <= until
        found = _read(path) if early else None
        if found is not None:
            return found
    return None


def steps(directory: str | os.PathLike[str]) -> list[int]:
    """Return the numbers of updates of which there is a checkpoint, damaged or not, in order."""
    return [int(path.stem.removeprefix("step_")) for path in _files(Path(directory))]


def _write(path: Path, step: int, arrays: Mapping[str, np.ndarray]) -> None:
    manifest = {
        "schema_version": 1,
        "step": step,
        "content": digests.content(arrays),
        "dtypes": {name: array.dtype.name for name, array in arrays.items()},
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, _storable(array), allow_pickle=False)
        archive.writestr(zipfile.ZipInfo(_MANIFEST), json.dumps(manifest))


def _read(path: Path) -> tuple[int, dict[str, np.ndarray]] | None:
    """Return step and arrays of a checkpoint, or None if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(_MANIFEST))
            arrays = {
                name: _member(archive, name, dtype) for name, dtype in manifest["dtypes"].items()
            }
        whole = digests.content(arrays) == manifest["content"]
        return (int(manifest["step"]), arrays) if whole else None
    except _DAMAGE:
        return None


def _member(archive: zipfile.ZipFile, name: str, dtype: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False).view(np.dtype(dtype))


def _storable(array: np.ndarray) -> np.ndarray:
    array = np.asarray(array, order="C")
    return array if array.dtype.kind in "biufc" else array.view(f"u{array.dtype.itemsize}")


def _place(like: Any, value: np.ndarray) -> Any:
    if not isinstance(like, jax.Array):
        return value
    if not like.sharding.is_fully_addressable:  # some of its devices belong to other processes
        return jax.make_array_from_callback(value.shape, like.sharding, lambda part: value[part])
    # The leaf is copied, because the step donates its state: it must not get NumPy's memory.
    return jax.device_put(value, like.sharding, may_alias=False)


def _remove_all_but(folder: Path, newest: Path, keep: int) -> None:
    """Keep `newest` and the `keep` - 1 files before it (0: all); remove later, abandoned ones."""
    files = _files(folder)
    before = files[: files.index(newest)]
    surplus = before[: max(len(before) - (keep - 1), 0)] if keep else []
    for path in surplus + files[files.index(newest) + 1 :]:
        path.unlink()


def _files(folder: Path) -> list[Path]:
    """Return the checkpoint files in the order of their steps."""
    names = sorted(folder.glob("step_*.npz"), key=lambda path: (len(path.name), path.name))
    return [path for path in names if re.fullmatch(r"step_\d{8,}\.npz", path.name)]
