"""Whether the files of a finished run are still those it was made from.

A finished run is not repeated, so without this comparison its command would return old results
after a file was corrected. Only the files are read: nothing is tuned, compiled or drawn. One digest
covers the arrays that networks and metrics take, another one where their voxels lie and what else
belongs to a subject. This module imports no JAX, because a cross-validation compares its files in a
process that computes nothing.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.runs import digests, result

UNCHANGED = "; its inputs are unchanged"
UNCHANGED_VALUES = (
    "; the values of its inputs are unchanged; voxel sizes, directions and segmentations are not "
    "compared, because its record does not have their digest"
)


class Digests(NamedTuple):
    """What tells the subjects of a run from others.

    Attributes:
        data: sha256 of the arrays, see `of_subjects`.
        geometry: sha256 of the rest, see `of_geometry`; "" where a record does not have it.
    """

    data: str
    geometry: str


def of_subjects(
    train: Sequence[Any],
    test: Sequence[Any],
    arrays: Callable[[Any], Mapping[str, np.ndarray | None]],
) -> str:
    """Return the digest of all subjects.

    Args:
        train: training subjects.
        test: held-out subjects.
        arrays: the arrays of a subject by kind; None for an array that the subject lacks.

    Returns:
        sha256 of the arrays, which are named ``train/<subject>/<kind>`` and so on.
    """
    named: dict[str, np.ndarray] = {}
    for split, subjects in (("train", train), ("test", test)):
        for one in subjects:
            kept = {kind: array for kind, array in arrays(one).items() if array is not None}
            named |= {f"{split}/{one.name}/{kind}": array for kind, array in kept.items()}
    return digests.content(named)


def of_geometry(train: Sequence[Any], test: Sequence[Any], values: Collection[str]) -> str:
    """Return the digest of all that belongs to the subjects beside the arrays of `of_subjects`.

    Voxel sizes, directions of B0, affines, the frames of files and regions are such. Numbers are
    rounded to float32, in which headers hold them, so that the last bit of a root does not count.

    Args:
        train: training subjects, dataclasses of `mrjax.arrays`.
        test: held-out subjects.
        values: fields of a subject that the digest of the data covers.

    Returns:
        sha256 of all other fields, which are named ``train/<subject>/<field>`` and so on.
    """
    named: dict[str, np.ndarray] = {}
    for split, subjects in (("train", train), ("test", test)):
        for one in subjects:
            for field in dataclasses.fields(one):
                if field.name not in values:
                    place = f"{split}/{one.name}/{field.name}"
                    named |= dict(_parts(place, getattr(one, field.name)))
    return digests.content(named)


def _parts(place: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays that a value consists of, each with its name; none for None."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _parts(f"{place}/{field.name}", getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _parts(f"{place}/{key}", part)
    elif isinstance(value, str):
        yield place, np.frombuffer(value.encode(), np.uint8)
    elif value is not None:
        array = np.asarray(value)
        # Minus zero, which turning an axis may leave, is zero.
        yield place, array.astype(np.float32) + 0 if array.dtype.kind == "f" else array


def said(path: Path, config: RunConfig, now: Callable[[], Mapping[str, Digests]]) -> str:
    """Say whether the inputs of a finished run are still those it was made from.

    Synthetic inputs follow from the configuration, which was compared before.

    Args:
        path: folder of the run.
        config: its configuration.
        now: reads the files; returns the digests for each run that was made from them, by its
            path below `path` ("" for the run itself).

    Returns:
        What to add to the line that says that the run is finished; "" for synthetic inputs.

    Raises:
        UserError: the inputs differ, and differences are not allowed.
    """
    if config.dataset == "synthetic":
        return ""
    try:
        found = now()
    except UserError as error:
        return f"; its inputs could not be compared: {error}"
    recorded = {name: _recorded(path / name) for name in found}
    changed = [name for name in found if _differing(recorded[name], found[name])]
    if not changed:
        complete = all(one.geometry for one in recorded.values())
        return UNCHANGED if complete else UNCHANGED_VALUES
    first = changed[0]
    kind = _differing(recorded[first], found[first])
    of = {"data": "inputs", "geometry": "voxel sizes, directions, frames or segmentations"}[kind]
    before, after = (getattr(one[first], kind)[:12] for one in (recorded, found))
    differ = (
        f"the {of} of the finished run {path / first} differ from those in "
        f"--data_dir={config.data_dir} (digest of {kind} {before}, now {after})"
    )
    if config.allow_mixed:
        return f"; {differ}"
    raise UserError(
        f"{differ}; expected the same; to run with the present ones give another --workdir or "
        "remove that folder, to keep the result restore the files"
    )


def _recorded(folder: Path) -> Digests:
    content = result.read(folder)
    return Digests(content["digests"]["data"], content.get("data", {}).get("geometry", ""))


def _differing(recorded: Digests, now: Digests) -> str:
    """Name the first digest that differs from a record that has it; "" where none does."""
    if recorded.data != now.data:
        return "data"
    return "geometry" if recorded.geometry and recorded.geometry != now.geometry else ""
