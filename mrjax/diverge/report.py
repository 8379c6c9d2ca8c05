"""All that is known of where two trainings part, as values of JSON."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrjax.diverge import distances, parting, steps, traces, values
from mrjax.diverge.alignment import Pair
from mrjax.diverge.distances import Distance
from mrjax.diverge.parting import Parting
from mrjax.diverge.steps import Steps
from mrjax.diverge.traces import Operation
from mrjax.diverge.values import Compared

_TRACE = re.compile(r"trace-(\d{6,12})\.jsonl")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traced:
    """One step that both trainings traced.

    Attributes:
        step: of both.
        parting: where the two traces part.
        distances: {number of an operation or module in the first trace: distance of its results},
            of those with unequal results; None where the traces do not tell.
        inputs: distance of the tensor that differed before any operation; None if not known.
        values: {number in the first trace: tensors}, where both kept them.
        facts: (name, text) that the page shows beside the first operation.
        said: the step in words, where these are others than `mrjax.diverge.words` has.
    """

    step: int
    parting: Parting
    distances: Mapping[int, Distance | None]
    inputs: Distance | None
    values: Mapping[int, tuple[Compared, ...]]
    facts: tuple[tuple[str, str], ...] = ()
    said: tuple[str, ...] = ()

    @property
    def first(self) -> Distance | None:
        """Distance of the results of the operation at which the traces part, or of its input."""
        one = self.parting.operation
        if self.inputs is not None or one is None:
            return self.inputs
        return self.distances.get(one.number)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """All that is known of where two trainings part.

    Attributes:
        names: of the two run folders.
        steps: what the ledgers say.
        traced: the steps that both traced, in order.
        parameters: {step: distance of all parameters after it, relative to their norm}.
    """

    names: tuple[str, str]
    steps: Steps
    traced: tuple[Traced, ...]
    parameters: Mapping[int, float] = dataclasses.field(default_factory=dict)


def compare(a: Path, b: Path, folders: tuple[Path, Path] | None = None) -> Report:
    """Compare two run folders.

    Args:
        a: run folder.
        b: another one.
        folders: with the traces of the two, where these are not in the run folders.

    Raises:
        UserError: a folder is not a run folder, or a file in it is damaged.
    """
    folders = folders or (a, b)
    shared = sorted(_traced(folders[0]) & _traced(folders[1]))
    return Report(
        names=(str(a), str(b)),
        steps=steps.compare(a, b),
        traced=tuple(_step(folders, step) for step in shared),
    )


def content(found: Report) -> dict[str, Any]:
    """Return a report as values of JSON."""
    return {
        "schema_version": 1,
        "runs": list(found.names),
        "steps": dataclasses.asdict(found.steps),
        "traced": [content_of(one) for one in found.traced],
    }


def _traced(folder: Path) -> set[int]:
    found = (_TRACE.fullmatch(path.name) for path in folder.glob("trace-*.jsonl"))
    return {int(match[1]) for match in found if match}


def _step(folders: tuple[Path, Path], step: int) -> Traced:
    name = f"trace-{step:06d}.jsonl"
    return about(step, [traces.read(folder / name) for folder in folders], folders)


def about(step: int, read: list[list[Operation]], folders: tuple[Path, Path]) -> Traced:
    """Compare two traces of one step.

    Args:
        step: of both trainings.
        read: the two traces.
        folders: where the values of operations lie, if there are any.
    """
    found = parting.part(*read)
    pairs = [*found.pairs, *found.modules]
    apart = {one.number: largest(one, other) for one, other in pairs if one.made != other.made}
    kept = {pair[0].number: values.compare(folders, step, pair) for pair in pairs}
    return Traced(
        step=step,
        parting=found,
        distances=apart,
        inputs=_inputs(found),
        values={number: tensors for number, tensors in kept.items() if tensors},
    )


def largest(one: Operation, other: Operation) -> Distance | None:
    """Return the distance of the results that are farthest apart, relative to their norm."""
    if len(one.made) != len(other.made):
        return None
    unequal = [i for i in range(len(one.made)) if one.made[i] != other.made[i]]
    return _farthest([(one.evidence(i), other.evidence(i)) for i in unequal])


def _inputs(found: Parting) -> Distance | None:
    """Return the distance of the inputs that no operation made, where these differ."""
    one, other = found.operation, found.partner
    if found.kind != "input" or one is None or other is None:
        return None
    unequal = [pair for pair in zip(one.tensors, other.tensors, strict=False) if pair[0] != pair[1]]
    pairs = [(traces.values(x), traces.values(y)) for x, y in unequal]
    return _farthest([(one.read.get(x), other.read.get(y)) for x, y in pairs])


def _farthest(pairs: list[tuple[Any, Any]]) -> Distance | None:
    found = [distances.estimated(*pair) for pair in pairs if None not in pair]
    known = [distance for distance in found if distance is not None]
    return max(known, key=lambda distance: distance.relative or 0.0, default=None)


def content_of(one: Traced) -> dict[str, Any]:
    """Return what is known of one traced step as values of JSON."""
    found = one.parting
    return {
        "step": one.step,
        "kind": found.kind,
        "operation": _named(found.operation),
        "partner": _named(found.partner),
        "distance": _plain(one.first),
        "module": _named(found.module[0]) if found.module else None,
        "origins": [_named(pair[0]) for pair in found.origins],
        "alone": [[_named(operation) for operation in own] for own in found.alone],
        "operations": [_compared(one, pair) for pair in found.pairs],
        "modules": [_compared(one, pair) for pair in found.modules],
        "values": {
            str(number): [dataclasses.asdict(tensor) for tensor in tensors]
            for number, tensors in one.values.items()
        },
    }


def _compared(traced: Traced, pair: Pair) -> dict[str, Any]:
    one, other = pair
    return {
        **(_named(one) or {}),
        "number_there": other.number,
        "given_equal": one.given == other.given,
        "made_equal": one.made == other.made,
        "distance": _plain(traced.distances.get(one.number)),
    }


def _named(one: Operation | None) -> dict[str, Any] | None:
    if one is None:
        return None
    names = ("number", "phase", "module", "op", "line", "types")
    return {name: getattr(one, name) for name in names}


def _plain(distance: Distance | None) -> dict[str, Any] | None:
    return None if distance is None else dataclasses.asdict(distance)
