"""The comparison in one small table, for a paper."""

from collections.abc import Iterator, Sequence

import numpy as np

from mrjax.runs import result
from mrjax.study.compare import settings, speed, words
from mrjax.study.compare.sides import Sides
from mrjax.study.gather.collected import Unit
from mrjax.study.records import BASELINE
from mrjax.study.report.effects import Analysis
from mrjax.study.report.tables import NOTHING, Column, Table

Row = tuple[str, str, str, str]


def table(sides: Sides, analysis: Analysis) -> Table:
    """Metric, spread, identity, speed and memory of both sets, and how they compare."""
    columns = (
        Column("quantity"), Column(f"A: {BASELINE}"), Column(f"B: {sides.arm}"),
        Column("comparison"),
    )  # fmt: skip
    units = (sides.collected.of(BASELINE), sides.collected.of(sides.arm))
    rows = (*_results(analysis), *_identity(sides, units), *_costs(sides, units))
    runs = " and ".join(str(len(side)) for side in units)
    return Table(
        "summary",
        f"{sides.collected.study.experiment}: {sides.arm} against {BASELINE}, {runs} runs, "
        f"{len(sides.pairs)} of equal label{_reservations(sides)}",
        columns,
        rows,
    )


def _reservations(sides: Sides) -> str:
    """What the caption must say, so that the numbers are not taken for more than they are."""
    found = ", paired: equal digests of init, order and data" if sides.shared else ""
    if sides.settings:
        found += f"; two methods, settings differ: {settings.sentence(sides.settings)}"
    reserved = speed.reservation(sides)
    if reserved:
        found += f"; ratios of time are not meaningful, since {reserved}"
    return found


def _results(analysis: Analysis) -> Iterator[Row]:
    effect, metric = analysis.effects[0], analysis.metric
    tested = effect.shift is not None and effect.shift.status == "tested"
    a, b = (f"{side.mean():.4g}" for side in (effect.baseline, effect.runs))
    told = words.change(analysis, effect) if tested else effect.verdict
    yield f"{metric}, mean of runs", a, b, told
    yield "equivalence of the mean", NOTHING, NOTHING, words.equivalence(analysis, effect)
    if effect.spread is not None and effect.spread.arm.sd is not None:
        a, b = (f"{one.sd:.3g}" for one in (effect.spread.baseline, effect.spread.arm))
        told = words.ratio(effect) if effect.spread.status == "tested" else effect.spread.status
        yield f"{metric}, standard deviation over runs", a, b, told


def _identity(sides: Sides, units: Sequence[Sequence[Unit]]) -> Iterator[Row]:
    for digest, name in (("params", "trained weights"), ("predictions", "outputs")):
        a, b = (str(len({unit.digests[digest] for unit in side})) for side in units)
        told = f"equal in {sides.equal[digest]} of {len(sides.pairs)} pairs"
        yield f"distinct {name}", a, b, told


def _costs(sides: Sides, units: Sequence[Sequence[Unit]]) -> Iterator[Row]:
    seconds = {
        name: [float(np.median([unit.result["seconds"][name] for unit in side])) for side in units]
        for name in ("compile", "train", "infer")
    }
    sizes = [words.memory(side) for side in units]
    costs = {
        "training step, median [ms]": [words.medians(side) for side in units],
        "compilation [s]": seconds["compile"],
        "training [s]": seconds["train"],
        _inference(units): seconds["infer"],
        "peak memory [MB]": [size / 1e6 if size else None for size in sizes],
    }
    doubt = " (not meaningful)" if speed.reservation(sides) else ""
    for name, (a, b) in costs.items():
        ratio = f"B/A {b / a:.2f}{doubt if name.endswith('s]') else ''}" if a and b else NOTHING
        yield name, _number(a), _number(b), ratio


def _inference(units: Sequence[Sequence[Unit]]) -> str:
    """What the time of inference includes: in older records more than the network."""
    alone = all(result.CLASSICAL in unit.result["seconds"] for side in units for unit in side)
    return "inference [s]" if alone else "inference, first use and classical methods [s]"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4g}"
