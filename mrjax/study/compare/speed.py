"""Speed and memory of two sets of runs, side by side."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.runs.folder import RunFolder
from mrjax.study.compare.sides import Sides
from mrjax.study.gather.collected import Unit
from mrjax.study.records import BASELINE
from mrjax.study.report import overview, style
from mrjax.study.report.page import Section
from mrjax.study.report.tables import Column, Table


def step_times(unit: Unit) -> tuple[float, np.ndarray]:
    """Durations of a run's steps.

    A step is recorded while the next one runs, but before a checkpoint at once: there one record
    covers two steps and the next none. So each step is averaged with the one after it.

    Returns:
        The duration of the first step, and those of all others [ms]; nan and an empty array where
        the run has no record of them.
    """
    try:
        lines = RunFolder(unit.training).timing.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        values = {int(row["step"]): 1e3 * float(row["seconds"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return float("nan"), np.zeros(0)
    first, rest = values.pop(1, float("nan")), np.array(list(values.values()))
    return first, (rest[:-1] + rest[1:]) / 2


def median_step(unit: Unit) -> float | None:
    """Median duration of a step without the first, which may compile or choose kernels [ms]."""
    _, rest = step_times(unit)
    return float(np.median(rest)) if rest.size else None


def reservation(sides: Sides) -> str:
    """Say why ratios of the two sets' times mean nothing; "" if nothing is known against them.

    Other work on the machine slows different frameworks down by different factors. A run may load
    all cores and a little more by itself, so such a load does not count as other work.
    """
    units = [u for arm in (BASELINE, sides.arm) for u in sides.collected.of(arm)]
    known = [u.result["load"] for u in units if u.result["load"]]
    busy = [one for one in known if max(one["begin"], one["end"]) > 1.25 * one["cores"]]
    told = []
    if busy:
        worst = max(busy, key=lambda one: max(one["begin"], one["end"]) / one["cores"])
        told.append(
            f"the machine was busy in {len(busy)} of {len(units)} runs (load up to "
            f"{max(worst['begin'], worst['end']):.1f} on {worst['cores']:g} cores)"
        )
    if len(known) < len(units):
        told.append(
            f"how busy the machine was is not recorded for {len(units) - len(known)} of "
            f"{len(units)} runs"
        )
    return " and ".join(told)


def table(sides: Sides) -> Table:
    """Durations of single steps."""
    columns = (
        Column("set"), Column("runs"), Column("steps timed"), Column("median step [ms]", ".2f"),
        Column("relative to A", ".2f"), Column("fastest run [ms]", ".2f"),
        Column("slowest run [ms]", ".2f"), Column("95th percentile of steps [ms]", ".2f"),
        Column("first step [ms]", ".1f"),
    )  # fmt: skip
    rows, reference = [], None
    for arm in (BASELINE, sides.arm):
        times = [step_times(unit) for unit in sides.collected.of(arm)]
        rest = [steps for _, steps in times if steps.size]
        if not rest:
            continue
        medians = [float(np.median(steps)) for steps in rest]
        middle = float(np.median(medians))
        reference = middle if arm == BASELINE else reference
        rows.append((
            arm, len(rest), sum(map(len, rest)), middle, middle / reference if reference else None,
            min(medians), max(medians), float(np.quantile(np.concatenate(rest), 0.95)),
            float(np.nanmedian([first for first, _ in times])),
        ))  # fmt: skip
    reserved = reservation(sides)
    return Table(
        "steps",
        "Duration of a training step without the first of each run: medians over the runs' "
        "medians (timing.jsonl; of a cross-validation, the first fold); each step is averaged with "
        "the one after it, and the 95th percentile is one of these averages"
        + (f"; ratios are not meaningful, since {reserved}" if reserved else ""),
        columns,
        tuple(rows),
    )


def section(folder: Path, sides: Sides) -> Section:
    """Time and memory of both sets, as a figure and tables."""
    steps = table(sides)
    caption = "Time and memory of every run (circles) and their medians (bars), from zero."
    return Section(
        "speed",
        "Time and memory",
        figures=((_figure(folder, sides), caption),),
        tables=(*((steps,) if steps.rows else ()), overview.speed(sides.collected)),
    )


def _figure(folder: Path, sides: Sides) -> str:
    """Write the figure: every run's step, training, inference and memory."""
    arms = (BASELINE, sides.arm)
    units = [sides.collected.of(arm) for arm in arms]
    panels = {
        "training step, median [ms]": [[median_step(u) for u in side] for side in units],
        "training [s]": [[u.result["seconds"]["train"] for u in side] for side in units],
        "inference [s]": [[u.result["seconds"]["infer"] for u in side] for side in units],
        "peak memory [MB]": [[_megabytes(u) for u in side] for side in units],
    }
    with style.figure(folder, "speed", style.WIDE, 2.4) as drawn:
        axes = drawn.subplots(1, len(panels))
        for axis, (title, values) in zip(axes, panels.items(), strict=True):
            _panel(axis, title, values, arms)
    return "speed"


def _megabytes(unit: Unit) -> float | None:
    return unit.result["memory_bytes"] / 1e6 if unit.result["memory_bytes"] else None


def _panel(
    axis: Any, title: str, values: Sequence[Sequence[float | None]], arms: Sequence[str]
) -> None:
    for place, side in enumerate(values):
        known = [value for value in side if value is not None]
        shade = style.BLACK if place == 0 else style.BLUE
        if not known:
            axis.text(place, 0.5, "not recorded", ha="center", fontsize=6.5, color=style.GREY,
                      transform=axis.get_xaxis_transform(), rotation=90)  # fmt: skip
            continue
        axis.plot(np.full(len(known), place), known, "o", ms=3.5, mfc="none", mew=0.7, color=shade)
        axis.plot(place, np.median(known), "_", ms=16, mew=1.8, color=shade)
    axis.set_xlim(-0.6, len(values) - 0.4)
    top = max((value for side in values for value in side if value is not None), default=0)
    axis.set_ylim(0, 1.08 * top or 1)
    axis.set_xticks(range(len(arms)), [style.plain(_short(arm)) for arm in arms])
    axis.set_ylabel(title)


def _short(name: str) -> str:
    return name if len(name) <= 12 else f"{name[:11]}…"
