"""Whole tensors of operations, written on request, and how far those of two trainings are apart."""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np

from mrjax.diverge import distances, traces
from mrjax.diverge.alignment import Pair
from mrjax.diverge.distances import Distance
from mrjax.diverge.traces import Operation
from mrjax.errors import UserError
from mrjax.runs import digests
from mrjax.runs.result import AGAIN


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compared:
    """One tensor of an operation in both trainings.

    Attributes:
        name: ``given_0`` for the first tensor that went in, ``made_0`` for the first one made.
        equal: whether both are the same bit for bit.
        distance: between them; None if they differ in type or shape.
    """

    name: str
    equal: bool
    distance: Distance | None


def path(folder: Path, step: int, one: Operation) -> Path:
    """Return the file with the values of an operation."""
    return folder / f"values-{step:06d}-{one.number:06d}.npz"


def compare(folders: tuple[Path, Path], step: int, pair: Pair) -> tuple[Compared, ...]:
    """Compare the values of an operation, if both trainings kept them.

    Args:
        folders: with the traces.
        step: that was traced.
        pair: the operation in both.

    Raises:
        UserError: a file is damaged, or its values are not those of the trace.
    """
    files = [path(folder, step, one) for folder, one in zip(folders, pair, strict=True)]
    if not all(file.exists() for file in files):
        return ()
    found = [_read(file, one) for file, one in zip(files, pair, strict=True)]
    names = [name for name in found[0] if name in found[1]]
    return tuple(_compared(name, found[0][name], found[1][name]) for name in names)


def _compared(name: str, one: np.ndarray, other: np.ndarray) -> Compared:
    kinds = [_kind(name, array) for array in (one, other)]
    if kinds[0] != kinds[1]:
        return Compared(name=name, equal=False, distance=None)
    distance = distances.whole(kinds[0], one, other)
    return Compared(name=name, equal=distance.unequal == 0, distance=distance)


def _kind(name: str, array: np.ndarray) -> str:
    """Return type and shape; of a type that numpy lacks, the array's name tells it."""
    own = name.partition(".")[2] or str(array.dtype)
    return f"{own}[{','.join(map(str, array.shape))}]"


def _read(file: Path, one: Operation) -> dict[str, np.ndarray]:
    """Read the tensors whose digests are those of the trace."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        good = all(_belongs(name, array, one) for name, array in arrays.items())
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise UserError(f"{file} is damaged; expected arrays of numpy; {AGAIN}") from error
    if not good:
        raise UserError(f"{file} holds other values than its trace; expected the same; {AGAIN}")
    return arrays


def _belongs(name: str, array: np.ndarray, one: Operation) -> bool:
    kind, _, place = name.partition(".")[0].partition("_")
    digest = digests.hex64(digests.fingerprint({"": array}))
    given, made = ([traces.values(text) for text in texts] for texts in (one.given, one.made))
    if kind == "made" and place.isdecimal() and len(place) < 6:
        return int(place) < len(made) and made[int(place)] == digest
    return kind == "given" and (digest in given or "unset" in given)
