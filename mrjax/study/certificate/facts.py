"""What a certificate states: facts about two or more recorded trainings, without words."""

import dataclasses
import hashlib
import itertools
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mrjax.runs import environment, ledger
from mrjax.study.certificate.reading import Run

FIELDS = ledger.FIELDS
LEVEL = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Apart:
    """How far one quantity of two runs lies apart over the steps that both recorded.

    Attributes:
        steps: at which both have a finite value.
        largest: difference, and the step at which it first occurs; None without such a step.
        final: difference at the last of these steps, and the step.
        values: of both runs at the last of these steps.
    """

    steps: int
    largest: tuple[float, int] | None
    final: tuple[float, int] | None
    values: tuple[float, float] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """What two runs had in common, and where they parted.

    Attributes:
        labels: of the two runs.
        start: whether the initial weights are equal; None if that was not recorded.
        steps: that both recorded.
        equal: how many of these steps, from the first on, are equal bit for bit.
        through: the last step that is equal, with all recorded ones before it; 0 if none is.
        parted: the first step that differs, and what differs there, in the order in which a step
            computes it; None if no step that both recorded differs.
        shaped: of these quantities, those that have equal values and other types or shapes.
        batches: the first step with different batches; None if there is none.
        random: the first step after which the states of random number generators differ, and the
            names of these generators; None if they are equal at every step.
        missing: quantities of `FIELDS` that at least one run did not record.
        typed: whether both runs record types and shapes; else values alone are compared.
        ends: the last steps of the two runs.
        loss: how far the losses are apart.
        metrics: likewise for each metric of both runs.
        settings: {name: (value, value)} that differ.
        surroundings: phrases on what differs between the two environments.
    """

    labels: tuple[str, str]
    start: bool | None
    steps: int
    equal: int
    through: int
    parted: tuple[int, tuple[str, ...]] | None
    shaped: tuple[str, ...]
    batches: int | None
    random: tuple[int, tuple[str, ...]] | None
    missing: tuple[str, ...]
    typed: bool
    ends: tuple[int, int]
    loss: Apart
    metrics: Mapping[str, Apart]
    settings: Mapping[str, tuple[Any, Any]]
    surroundings: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether the runs end together, everything was recorded and everything is equal."""
        whole = self.ends[0] == self.ends[1] and not self.missing and self.steps > 0
        return whole and self.parted is None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Certificate:
    """The whole statement.

    Attributes:
        runs: {label: facts about one run}.
        pairs: of the first run with each other one.
        distinct: number of trainings that differ in what a step computes.
    """

    runs: Mapping[str, Mapping[str, Any]]
    pairs: tuple[Pair, ...]
    distinct: int

    @property
    def bound(self) -> float | None:
        """Upper 95 % bound of the share of repetitions that differ from the first run.

        Exact (Clopper and Pearson) for repetitions that all equal it; None if one differs.
        """
        if not all(pair.identical for pair in self.pairs):
            return None
        return 1 - LEVEL ** (1 / len(self.pairs))

    @property
    def content(self) -> dict[str, Any]:
        """The certificate as values of JSON, without its digest."""
        return {"schema_version": 1, **dataclasses.asdict(self), "bound": self.bound}

    @property
    def digest(self) -> str:
        """Sha256 over `content` in canonical form, 64 hex digits."""
        text = json.dumps(self.content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


def certify(runs: Sequence[Run]) -> Certificate:
    """Compare the first run with each of the others.

    Args:
        runs: two or more.
    """
    typed = ledger.typed(*(run.lines.values() for run in runs))
    return Certificate(
        runs={run.label: _about(run) for run in runs},
        pairs=tuple(compare(runs[0], run) for run in runs[1:]),
        distinct=len({_evidence(run, typed) for run in runs}),
    )


def compare(a: Run, b: Run) -> Pair:
    """Return up to where two runs agree, and where they first differ."""
    shared = [step for step in a.lines if step in b.lines]
    unequal = list(_unequal(a, b, shared))
    equal = shared.index(unequal[0][0]) if unequal else len(shared)
    names = [name for name in a.metrics if name in b.metrics]
    return Pair(
        labels=(a.label, b.label),
        start=a.start == b.start if a.start and b.start else None,
        steps=len(shared),
        equal=equal,
        through=shared[equal - 1] if equal else 0,
        parted=unequal[0] if unequal else None,
        shaped=ledger.shaped(a.lines[unequal[0][0]], b.lines[unequal[0][0]]) if unequal else (),
        batches=next((step for step, fields in unequal if "batch" in fields), None),
        random=_random(a, b, shared),
        missing=ledger.unrecorded(a.lines.values(), b.lines.values()),
        typed=ledger.typed(a.lines.values(), b.lines.values()),
        ends=(a.last, b.last),
        loss=apart(_losses(a), _losses(b)),
        metrics={name: apart(a.metrics[name], b.metrics[name]) for name in names},
        settings=dict(_settings(a.config, b.config)),
        surroundings=tuple(environment.differences(*map(_surroundings, (a, b)))),
    )


def apart(a: Mapping[int, float], b: Mapping[int, float]) -> Apart:
    """Return how far two series lie apart at the steps where both are finite.

    Args:
        a: {step: value}, in order.
        b: likewise.
    """
    found = {s: (a[s], b[s]) for s in a if s in b and math.isfinite(a[s]) and math.isfinite(b[s])}
    if not found:
        return Apart(steps=0, largest=None, final=None, values=None)
    most = sys.float_info.max  # a difference of two huge numbers may be larger
    differences = {step: min(abs(x - y), most) for step, (x, y) in found.items()}
    at, last = max(differences, key=lambda step: differences[step]), max(found)
    return Apart(
        steps=len(found),
        largest=(differences[at], at),
        final=(differences[last], last),
        values=found[last],
    )


def decimals(difference: float) -> int | None:
    """Decimal places in which two numbers agree when both are rounded; None if they are equal."""
    if difference == 0:
        return None
    return max(0, math.floor(-math.log10(min(2 * difference, sys.float_info.max))))


def significant_bits(values: tuple[float, float]) -> int | None:
    """Leading bits in which two numbers agree; None if they are equal."""
    a, b = values
    if a == b:
        return None
    most = max(abs(a), abs(b))  # quotients by it neither overflow nor vanish
    return max(0, math.floor(-math.log2(abs(a / most - b / most))))


def _surroundings(run: Run) -> dict[str, Any]:
    """Return the environment without what is told apart: initial weights, generators' states."""
    kept = {name: value for name, value in run.environment.items() if name != "start"}
    backend = kept.get("backend")
    if isinstance(backend, dict) and isinstance(backend.get("seeds"), dict):
        seeds = {name: value for name, value in backend["seeds"].items() if name != "states"}
        kept["backend"] = {**backend, "seeds": seeds}
    return kept


def _evidence(run: Run, typed: bool) -> str:
    """Return a digest of what every step was given and computed."""
    lines = [
        (step, *(ledger.exact(n, one[n]) for n in FIELDS), one[ledger.KINDS] if typed else None)
        for step, one in run.lines.items()
    ]
    return hashlib.sha256(json.dumps(lines, sort_keys=True).encode()).hexdigest()


def _about(run: Run) -> dict[str, Any]:
    steps = list(run.lines)
    gaps = [b - a for a, b in itertools.pairwise([0, *steps])]
    return {
        "ledger_sha256": run.sha256,
        "recorded": len(steps),
        "last": run.last,
        "every_step": all(gap == 1 for gap in gaps),
        "finished": run.finished,
        "start": run.start,
        "resumed_elsewhere": len(run.environment.get("resumed_with") or []),
    }


def _unequal(a: Run, b: Run, shared: Sequence[int]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield each step that differs, with the quantities that do."""
    for step in shared:
        fields = ledger.unequal(a.lines[step], b.lines[step])
        if fields:
            yield step, fields


def _random(a: Run, b: Run, shared: Sequence[int]) -> tuple[int, tuple[str, ...]] | None:
    for step in shared:
        one, other = (_states(run.lines[step]) for run in (a, b))
        names = tuple(name for name in one if name in other and one[name] != other[name])
        if names:
            return step, names
    return None


def _states(line: Mapping[str, Any]) -> Mapping[str, Any]:
    states = line.get("rng")
    return states if isinstance(states, dict) else {}


def _losses(run: Run) -> dict[int, float]:
    return {step: float.fromhex(line["loss_hex"]) for step, line in run.lines.items()}


def _settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name in sorted({*a, *b}):
        one, other = _shown(a.get(name)), _shown(b.get(name))
        if one != other and name not in ("workdir", "resume", "allow_mixed"):
            yield name, (one, other)


def _shown(value: Any) -> Any:
    """Return a setting, as text where it holds what JSON lacks: Python reads NaN in it."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(value)
    return value
