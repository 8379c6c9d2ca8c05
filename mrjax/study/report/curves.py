"""Loss curves of every replicate, and how fast they leave those of the baseline."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from mrjax.study.gather.collected import Collected, Curve, Unit
from mrjax.study.records import BASELINE, Arm
from mrjax.study.report import names, style
from mrjax.study.report.effects import Analysis, Effect
from mrjax.study.report.page import Section
from mrjax.study.report.tables import Column, Table

ARMS = 5  # in one figure: more lines than colours say nothing
RUNS = 10  # thin lines of one arm


def section(folder: Path, analysis: Analysis) -> Iterator[Section]:
    """Loss curves and their distance from the baseline's; no section without ledgers."""
    files = _figures(folder, analysis.collected)
    captions = tuple(
        (
            name,
            f"Source: {names.source(name.removeprefix('loss_'))}. Above: loss of each run (thin) "
            "and mean over runs (thick); below: distance to the loss of the baseline's run with "
            "the same replicate number.",
        )
        for name in files
    )
    divergence = table(analysis)
    tables = (divergence,) if divergence.rows else ()
    if files:
        yield Section("curves", "Loss curves", figures=captions, tables=tables)


def _figures(folder: Path, collected: Collected) -> list[str]:
    """Write a figure for each source: loss above, |difference to the baseline| below."""
    groups = dict(names.by_source(collected.arms("training")))
    written = []
    if _curves(collected.baseline) and not groups:
        groups = {BASELINE: []}
    for source, arms in groups.items():
        shown = [arm for arm in arms if _curves(collected.of(arm.name))][:ARMS]
        if not shown and source != BASELINE:
            continue
        name = f"loss_{source}"
        _page(folder, name, collected, shown, names.source(source), len(arms))
        written.append(name)
    return written


def _page(
    folder: Path, name: str, collected: Collected, arms: Sequence[Arm], title: str, count: int
) -> None:
    pairs = _pairs(collected, arms)
    # A log axis has no place for runs that never differ.
    apart = any((curve.difference > 0).any() for _, curves in pairs for curve in curves)
    with style.figure(folder, name, style.WIDE * 0.75, 4.4 if apart else 2.4) as drawn:
        axes = drawn.subplots(2 if apart else 1, 1, sharex=True, squeeze=False)[:, 0]
        _losses(axes[0], collected, arms)
        left_out = f", the first {len(arms)} of {count} arms" if len(arms) < count else ""
        axes[0].set_title(f"{title}{left_out}")
        axes[0].text(
            0.02, 0.03, _identical(pairs), transform=axes[0].transAxes, fontsize=7,
            color=style.GREY, style="italic",
        )  # fmt: skip
        if apart:
            _differences(axes[1], pairs)
        axes[-1].set_xlabel("step")


def _curves(units: Sequence[Unit]) -> list[Curve]:
    return [unit.curve for unit in units if unit.curve is not None and len(unit.curve.steps)]


def _losses(axis: Any, collected: Collected, arms: Sequence[Arm]) -> None:
    groups = {"baseline": _curves(collected.baseline)}
    groups |= {arm.name: _curves(collected.of(arm.name)) for arm in arms}
    top = 0.0
    for place, (name, curves) in enumerate(groups.items()):
        if not curves:
            continue
        shade = style.shade(place)
        for curve in curves[:RUNS]:
            axis.plot(curve.steps, curve.loss, color=shade, linewidth=0.4, alpha=0.5)
        steps, loss = _mean(curves)
        label = f"{style.plain(name)} (mean of {len(curves)})"
        dashes = style.line(place)
        axis.plot(steps, loss, color=shade, linewidth=1.6, linestyle=dashes, label=label)
        top = max(top, np.nanmax(loss[np.isfinite(loss)], initial=0.0))
    axis.set_xscale("log")
    if top > 0:
        axis.set_yscale("log")
    axis.set_ylabel("training loss")
    axis.legend()


def _mean(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray]:
    """Mean over runs at the steps that all have; a run that diverged makes it infinite there."""
    steps = curves[0].steps
    for curve in curves[1:]:
        steps = np.intersect1d(steps, curve.steps)
    rows = [curve.loss[np.isin(curve.steps, steps)] for curve in curves]
    return steps, np.mean(rows, axis=0)


def _differences(axis: Any, pairs: Sequence[tuple[str, list[Curve]]]) -> None:
    for place, (_, curves) in enumerate(pairs):
        shade = style.shade(place)
        for curve in curves[:RUNS]:
            apart = np.where(curve.difference > 0, curve.difference, np.nan)
            axis.plot(
                curve.steps[: len(apart)], apart, color=shade, linewidth=0.8, alpha=0.8,
                linestyle=style.line(place), marker=".", ms=1.5,
            )  # fmt: skip
    axis.set_yscale("log")
    axis.set_ylabel("|loss - loss of the\nbaseline's run|")


def _pairs(collected: Collected, arms: Sequence[Arm]) -> list[tuple[str, list[Curve]]]:
    """Curves that have a partner, by arm, the baseline first."""
    found = [(name, _curves(collected.of(name))) for name in (BASELINE, *(a.name for a in arms))]
    return [(name, [curve for curve in curves if curve.partner]) for name, curves in found]


def _identical(pairs: Sequence[tuple[str, list[Curve]]]) -> str:
    """A line for each arm whose ledgers repeat the baseline's."""
    return "\n".join(
        f"{name}: identical to the baseline's run in every step"
        for name, curves in pairs
        if curves and all(curve.first_step == 0 for curve in curves)
    )


def table(analysis: Analysis) -> Table:
    """First step in which the runs of each arm leave those of the baseline."""
    columns = (
        Column("arm"), Column("source"), Column("pairs of runs"), Column("never differ"),
        Column("first step that differs (median)", ".0f"), Column("earliest"), Column("latest"),
        Column("what differs first"),
    )  # fmt: skip
    rows = [_row(effect) for effect in analysis.effects if effect.first_steps]
    baseline = [curve for curve in _curves(analysis.collected.baseline) if curve.partner]
    if baseline:
        steps = tuple(curve.first_step for curve in baseline)
        fields = tuple(curve.first_field for curve in baseline if curve.first_step)
        rows.insert(0, ("baseline", "repetition", *_numbers(steps, fields)))
    return Table(
        "divergence",
        "When a training leaves that of the baseline with the same replicate number: first step "
        "whose batch, loss, gradients or parameters differ in any bit",
        columns,
        tuple(rows),
    )


def _row(effect: Effect) -> tuple[Any, ...]:
    numbers = _numbers(effect.first_steps, effect.first_fields)
    return effect.arm.name, names.source(effect.arm.source), *numbers


def _numbers(steps: Sequence[int], fields: Sequence[str]) -> tuple[Any, ...]:
    apart = [step for step in steps if step]
    if not apart:
        return len(steps), len(steps), None, None, None, None
    found = Counter(names.FIELDS.get(name, name) for name in fields)
    counts = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    first = ", ".join(f"{name} ({count})" for name, count in counts)
    middle = float(median(apart))
    return len(steps), len(steps) - len(apart), middle, min(apart), max(apart), first
