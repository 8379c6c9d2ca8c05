"""A step that was taken again, as a file: its operations, and digests of the results seen.

``step.json`` holds what `Record` describes. ``values.npz`` beside it holds the results themselves,
as ``<operation>_<number of the result>``, where all of them together are not too large.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.runs import atomic, digests

NAME, VALUES = "step.json", "values.npz"


@dataclasses.dataclass(frozen=True)
class Node:
    """An operation of a step.

    Attributes:
        phase: of `mrjax.diverge.traces.PHASES`.
        module: path of the module in the network, of the parameter in an update, or "".
        op: JAX's name of the operation.
        line: place in mrjax's sources.
        types: types of the results, such as ``float32[8,32]``.
        inputs: the operation that made an input, by its place among the operations; a name for an
            input that no operation made (a parameter, the batch); ``= 0.5`` for a constant.
    """

    phase: str
    module: str
    op: str
    line: str
    types: tuple[str, ...]
    inputs: tuple[int | str, ...]


@dataclasses.dataclass(frozen=True)
class Record:
    """A step that was taken again.

    Attributes:
        step: number of the step.
        framework: ``jax`` or ``pytorch``.
        how: ``all`` (every result was seen at once), ``kept`` (those that the compiled step has in
            memory), ``look`` (some that were asked for), or ``""`` (the step could not be taken
            with any result seen).
        evidence: loss and digests of the step as it was taken again, as in a ledger.
        start: digests of the job: `init`, `order`, `data`.
        environment: differences from the recorded environment.
        nodes: operations, in order.
        seen: operation -> digests of its results.
        inputs: name -> digest, of inputs that no operation made.
        blind: operations whose result could not be seen without a change of bits.
    """

    step: int
    framework: str
    how: str
    evidence: Mapping[str, str]
    start: Mapping[str, str]
    environment: tuple[str, ...]
    nodes: tuple[Node, ...] = ()
    seen: Mapping[int, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    blind: tuple[int, ...] = ()


def write(folder: Path, record: Record, values: Mapping[str, np.ndarray]) -> None:
    """Write a record, and values beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / VALUES, **{k: _storable(v) for k, v in values.items()})  # pyright: ignore
    atomic.write_text(folder / NAME, json.dumps(dataclasses.asdict(record)))


def read(folder: Path) -> Record:
    """Read what `write` wrote."""
    content: dict[str, Any] = json.loads((folder / NAME).read_bytes())
    nodes = [{**n, "types": tuple(n["types"]), "inputs": tuple(n["inputs"])}
             for n in content.pop("nodes")]  # fmt: skip
    seen = {int(k): tuple(v) for k, v in content.pop("seen").items()}
    lists = {name: tuple(content.pop(name)) for name in ("environment", "blind")}
    return Record(nodes=tuple(Node(**n) for n in nodes), seen=seen, **lists, **content)


def add(folder: Path, more: Path) -> Record:
    """Add the results that the record in another folder shows to a record of the same step.

    Args:
        folder: of the record, which is written anew.
        more: the other folder.
    """
    record, other = read(folder), read(more)
    arrays: dict[str, np.ndarray] = {}
    for place in (folder, more):
        with np.load(place / VALUES) as archive:
            arrays |= {name: archive[name] for name in archive.files}
    seen = {**record.seen, **other.seen}
    blind = tuple(place for place in record.blind if place not in seen)
    found = dataclasses.replace(record, seen=seen, blind=blind)
    write(folder, found, arrays)
    return found


def digest(array: np.ndarray) -> str:
    """Return the digest of an array without a name, as a trace holds it."""
    return digests.hex64(digests.fingerprint({"": array}))


def _storable(array: np.ndarray) -> np.ndarray:
    return array if array.dtype.kind in "biufc" else array.view(f"u{array.dtype.itemsize}")
