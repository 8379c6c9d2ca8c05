"""Weights of collected runs, from the checkpoints of mrjax (`mrjax.train.checkpoint`)."""

import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mrjax.runs.folder import RunFolder
from mrjax.study.gather.collected import Unit

PARAMS, STATISTICS = "params/", "batch_stats/"
"""Beginnings of the names of trained weights, and of running statistics."""

_NAME = re.compile(r"step_(\d+)\.npz")
_DAMAGE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


def find(unit: Unit) -> dict[int, Path]:
    """Step -> checkpoint, ascending; of a cross-validation, those of its first fold."""
    files = RunFolder(unit.training).checkpoints.glob("step_*.npz")
    found = ((_NAME.fullmatch(path.name), path) for path in files)
    return dict(sorted((int(name[1]), path) for name, path in found if name))


def read(path: Path, *groups: str) -> Mapping[str, np.ndarray] | None:
    """Leaves of a checkpoint by name, None if it is damaged or not mrjax's.

    Args:
        path: the file.
        groups: beginnings of names: `PARAMS`, `STATISTICS`.
    """
    try:
        with np.load(path) as content:
            return {name: content[name] for name in content.files if name.startswith(groups)}
    except _DAMAGE:
        return None


def trained(unit: Unit) -> Mapping[str, np.ndarray] | None:
    """Weights of the last checkpoint, None where there is none."""
    files = list(find(unit).values())
    return read(files[-1], PARAMS) if files else None
