"""What the records of two trainings say step by step, before any operation is looked at."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import environment, jsonfile, jsonl, ledger
from mrjax.runs.result import AGAIN

Lines = Mapping[int, Mapping[str, Any]]
_EXPECTED = {"environment": "the environment of a run", "config": "the settings of a run"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric that differs first at a step.

    Attributes:
        name: of the metric.
        step: the first at which it differs.
        values: in both trainings.
        same: whether the parameters were equal at that step; None where not known.
    """

    name: str
    step: int
    values: tuple[float, float]
    same: bool | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Steps:
    """Where two trainings part, by their ledgers.

    Attributes:
        shared: number of steps that both recorded.
        last: of these; 0 without any.
        parted: the first of these that differs; None if none does.
        before: the last step before `parted` that both recorded; 0 without one.
        fields: quantities that differ there, in the order in which a step computes them.
        shaped: of these quantities, those that have equal values and other types or shapes.
        missing: quantities that one of the two did not record.
        typed: whether both record types and shapes; else values alone are compared.
        moved: steps at which the one and the other training had, or will have, the batch that the
            other one has at `parted`; None where they have no such step.
        random: the first step after which states of random number generators differ (0: at the
            start), and names of the generators; None if they are equal.
        tensors: the first step at which the digests of single tensors differ, and their names.
        leaves: {step: (tensors that differ, tensors)}, where single tensors have digests.
        losses: {step: losses of both}, in order.
        metrics: that differ, each at its first step.
        settings: {name: values of both} that differ.
        surroundings: phrases on what differs between the two environments.
    """

    shared: int
    last: int
    parted: int | None
    before: int
    fields: tuple[str, ...]
    shaped: tuple[str, ...]
    missing: tuple[str, ...]
    typed: bool
    moved: tuple[int | None, int | None]
    random: tuple[int, tuple[str, ...]] | None
    tensors: tuple[int, tuple[str, ...]] | None
    leaves: Mapping[int, tuple[int, int]]
    losses: Mapping[int, tuple[float, float]]
    metrics: tuple[Metric, ...]
    settings: Mapping[str, tuple[str, str]]
    surroundings: tuple[str, ...]


def compare(a: Path, b: Path) -> Steps:
    """Compare what two run folders say of each step.

    Args:
        a: run folder.
        b: another one.

    Raises:
        UserError: a folder is not a run folder, or a file in it is damaged.
    """
    lines = [{one["step"]: one for one in ledger.read(run / "ledger.jsonl")} for run in (a, b)]
    shared = [step for step in lines[0] if step in lines[1]]
    parted = next((s for s in shared if ledger.unequal(lines[0][s], lines[1][s])), None)
    fields = () if parted is None else ledger.unequal(lines[0][parted], lines[1][parted])
    surroundings = [_object(run, "environment") for run in (a, b)]
    settings = [_part(_object(run, "config"), "config") for run in (a, b)]
    leaves = _leaves(a, b)
    return Steps(
        shared=len(shared),
        last=shared[-1] if shared else 0,
        parted=parted,
        before=max((step for step in shared if step < (parted or 0)), default=0),
        fields=fields,
        shaped=() if parted is None else ledger.shaped(lines[0][parted], lines[1][parted]),
        missing=ledger.unrecorded(*(found.values() for found in lines)),
        typed=ledger.typed(*(found.values() for found in lines)),
        moved=_moved(lines, parted) if parted and "batch" in fields else (None, None),
        random=_random(lines, shared, surroundings),
        tensors=next(((s, names) for s, (names, _) in leaves.items() if names), None),
        leaves={step: (len(names), total) for step, (names, total) in leaves.items()},
        losses={step: (_loss(lines[0][step]), _loss(lines[1][step])) for step in shared},
        metrics=_metrics(a, b, lines),
        settings=_settings(*settings),
        surroundings=tuple(environment.differences(*map(_compared, surroundings))),
    )


def _object(run: Path, name: str) -> dict[str, Any]:
    path = run / f"{name}.json"
    return jsonfile.read(path, _EXPECTED[name], AGAIN) if path.exists() else {}


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def _compared(content: Mapping[str, Any]) -> dict[str, Any]:
    """The environment without what is told apart: initial weights, states of generators."""
    kept = {name: value for name, value in content.items() if name not in ("start", "resumed_with")}
    backend = _part(kept, "backend")
    seeds = {name: value for name, value in _part(backend, "seeds").items() if name != "states"}
    return {**kept, "backend": {**backend, "seeds": seeds}}


def _settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    named = {name: (str(a.get(name)), str(b.get(name))) for name in sorted({*a, *b})}
    apart = {name: values for name, values in named.items() if values[0] != values[1]}
    return {name: apart[name] for name in apart if name not in ("workdir", "resume")}


def _moved(lines: Sequence[Lines], parted: int) -> tuple[int | None, int | None]:
    """Return where each training has the batch that the other one has at a step."""
    wanted = [lines[1][parted]["batch"], lines[0][parted]["batch"]]
    found = [
        next((step for step, one in own.items() if one["batch"] == digest), None)
        for own, digest in zip(lines, wanted, strict=True)
        if digest != ledger.UNRECORDED
    ]
    return (found[0], found[1]) if len(found) == 2 else (None, None)


def _random(
    lines: Sequence[Lines], shared: Sequence[int], surroundings: Sequence[Mapping[str, Any]]
) -> tuple[int, tuple[str, ...]] | None:
    seeds = [_part(_part(one, "backend"), "seeds") for one in surroundings]
    states = [(0, [_part(one, "states") for one in seeds])]
    states += [(step, [_part(own[step], "rng") for own in lines]) for step in shared]
    for step, (one, other) in states:
        names = tuple(name for name in one if name in other and one[name] != other[name])
        if names:
            return step, names
    return None


def _leaves(a: Path, b: Path) -> dict[int, tuple[tuple[str, ...], int]]:
    """Return {step: (names of the tensors that differ, number of tensors)}."""
    files = [folder / "leaves.jsonl" for folder in (a, b)]
    if not all(file.exists() for file in files):
        return {}
    one, other = ({line["step"]: line for line in jsonl.read(file)} for file in files)
    return {step: _unequal(one[step], other[step]) for step in one if step in other}


def _unequal(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[tuple[str, ...], int]:
    names, total = [], 0
    for kind in ("grads", "params"):
        a, b = one.get(kind), other.get(kind)
        if not isinstance(a, dict) or not isinstance(b, dict):
            raise UserError(
                f"leaves.jsonl has no {kind} at step {one['step']}; expected digests of every "
                "tensor; repeat the runs"
            )
        total += len({**a, **b})
        names += [f"{kind} {name}" for name in {**a, **b} if a.get(name) != b.get(name)]
    return tuple(names), total


def _loss(line: Mapping[str, Any]) -> float:
    return float.fromhex(line["loss_hex"])


def _metrics(a: Path, b: Path, lines: Sequence[Lines]) -> tuple[Metric, ...]:
    """Return the metrics that differ, each at the first step at which it does."""
    found: dict[str, Metric] = {}
    one, other = (_recorded(folder / "metrics.jsonl") for folder in (a, b))
    for step in sorted(one.keys() & other.keys()):
        for name in one[step].keys() & other[step].keys():
            values = (one[step][name], other[step][name])
            if values[0] != values[1] and name not in found:
                same = _same(lines, step)
                found[name] = Metric(name=name, step=step, values=values, same=same)
    return tuple(sorted(found.values(), key=lambda metric: (metric.step, metric.name)))


def _recorded(path: Path) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for line in jsonl.read(path) if path.exists() else ():
        values = {name: value for name, value in line.items() if name != "step"}
        known = {name: float(value) for name, value in values.items() if _number(value)}
        found.setdefault(line["step"], {}).update(known)
    return found


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _same(lines: Sequence[Lines], step: int) -> bool | None:
    """Whether the parameters are equal at a step; None where one was not recorded."""
    one, other = (own[step]["params"] if step in own else None for own in lines)
    if one is None or other is None or ledger.UNRECORDED in (one, other):
        return None
    return one == other
