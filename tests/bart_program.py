"""Calls of BART, the toolbox of others that ours is held against, and its files."""

import subprocess
from pathlib import Path

import numpy as np
from helpers import needs_program

from mrjax.data.formats import bart

NEEDED = needs_program("bart", "bart-toolbox (Debian: bart)")


def call(folder: Path, command: str) -> None:
    """Run one command of BART in a folder; names of arrays stand for their pairs of files."""
    done = subprocess.run(["bart", *command.split()], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)


def write(folder: Path, name: str, array: np.ndarray) -> None:
    bart.write_cfl(folder / f"{name}.cfl", array)


def get(folder: Path, name: str) -> np.ndarray:
    return bart.read_cfl(folder / f"{name}.cfl")


def coils_first(array: np.ndarray) -> np.ndarray:
    """[row column 1 coil] as [coil row column]."""
    return np.moveaxis(array[:, :, 0], 2, 0)


def coils_last(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, 0, 2)[:, :, None]


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Norm of the difference as a share of the norm of theirs."""
    return float(np.linalg.norm(np.asarray(ours) - theirs) / np.linalg.norm(theirs))
