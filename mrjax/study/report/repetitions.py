"""Repetitions one by one: medians with intervals and box plots, as Piantadosi et al. show them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.study.gather.collected import Collected, Unit
from mrjax.study.records import BASELINE
from mrjax.study.report import names, style
from mrjax.study.report.effects import Analysis
from mrjax.study.report.page import Section
from mrjax.study.report.tables import Column, Table
from mrjax.study.statistics import medians

BOXES = 60  # on one page
ARMS = 4


def section(folder: Path, analysis: Analysis) -> Section:
    """Run by run, with the subjects in boxes."""
    arms = shown(analysis.collected)
    return Section(
        "repetitions",
        "Run by run",
        paragraphs=() if arms else ("The runs of the baseline have no subject in common.",),
        figures=tuple(
            (
                _figure(folder, analysis.collected, arm),
                f"Arm {arm}: subjects of each run, boxes from quartile to quartile.",
            )
            for arm in arms
        ),
        tables=tuple(table(analysis, arm) for arm in arms),
    )


def shown(collected: Collected) -> list[str]:
    """The arms whose repetitions are listed: the baseline, then arms that only repeat it.

    At most `ARMS` are listed, and only those with a value of the metric.
    """
    repeats = [arm.name for arm in collected.arms("training") if arm.source == "repetition"]
    return [arm for arm in (BASELINE, *repeats) if _values(collected, arm)[1].size][:ARMS]


def _values(collected: Collected, arm: str) -> tuple[list[Unit], np.ndarray]:
    """Units of an arm and their metric, [repetition subject], on the subjects all have."""
    metric = collected.study.metric
    units = [unit for unit in collected.of(arm) if metric in unit.metrics]
    tables = [dict(zip(unit.subjects, unit.metrics[metric], strict=True)) for unit in units]
    first = tables[0] if tables else {}
    kept = [s for s in first if all(s in t and not np.isnan(t[s]) for t in tables)]
    return units, np.array([[table[s] for s in kept] for table in tables])


def _name(unit: Unit) -> str:
    return f"{unit.label} {unit.part}".strip()


def table(analysis: Analysis, arm: str) -> Table:
    """Median of every repetition with its 95 % interval, and of all medians."""
    study = analysis.study
    units, values = _values(analysis.collected, arm)
    found = medians.repetitions(values)
    factor, unit = (100.0, "DSC [%]") if study.metric == "dice" else (1.0, "")
    form = ".2f" if factor > 1 else ".5f"
    columns = (
        Column("repetition"), Column(f"median of {unit or names.metric(study.metric)}", form),
        Column("LB", form), Column("UB", form),
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = [
        (_name(one), *_scaled(row, factor)) for one, row in zip(units, found.rows, strict=True)
    ]
    rows.append(("all: median of the medians", *_scaled(found.center, factor)))
    return Table(
        f"repetitions_{arm}",
        f"Arm {arm}: median over {values.shape[1]} subjects with 95 % interval of order "
        f"statistics (none below six), {len(units)} runs. {_verdict(found, factor, form)}",
        columns,
        tuple(rows),
        bold=(len(rows) - 1,),
    )


def _scaled(one: medians.Median, factor: float) -> tuple[float | None, ...]:
    return tuple(None if v is None else factor * v for v in (one.median, one.low, one.high))


def _verdict(found: medians.Repetitions, factor: float, form: str) -> str:
    if found.identical and len(found.rows) > 1:
        return "All runs gave every subject the same number."
    low, high = factor * found.smallest, factor * found.largest
    text = f"Medians lie from {low:{form}} to {high:{form}}."
    if found.overlap is None:
        return text
    words = "have a point in common" if found.overlap else "do not all overlap"
    return (
        f"{text} The intervals {words}; they hold the scatter of subjects, which all runs share, "
        "so this is no test of the runs."
    )


def _figure(folder: Path, collected: Collected, arm: str) -> str:
    """Write box plots of the subjects of every repetition; returns the name of the file."""
    units, values = _values(collected, arm)
    name = f"repetitions_{arm}"
    width = min(style.WIDE, max(style.NARROW, 0.9 + 0.22 * min(len(units), BOXES)))
    with style.figure(folder, name, width, 2.8) as drawn:
        _draw(drawn.subplots(), collected.study.metric, units[:BOXES], values[:BOXES])
        if len(units) > BOXES:
            drawn.suptitle(f"the first {BOXES} of {len(units)} runs", fontsize=8)
    return name


def _draw(axis: Any, metric: str, units: Sequence[Unit], values: np.ndarray) -> None:
    factor = 100.0 if metric == "dice" else 1.0
    places = np.arange(1, len(units) + 1)
    axis.axhline(factor * np.median(values), color=style.GREY, linewidth=0.8, linestyle="--")
    axis.boxplot(
        list(factor * values), positions=places, widths=0.6, patch_artist=True,
        boxprops={"facecolor": style.SKY, "linewidth": 0.7},
        medianprops={"color": style.BLACK, "linewidth": 1.2},
        whiskerprops={"linewidth": 0.7}, capprops={"linewidth": 0.7},
        flierprops={"marker": "o", "markersize": 2.5, "markeredgewidth": 0.5},
    )  # fmt: skip
    every = max(1, len(units) // 15)
    axis.set_xticks(places[::every], [style.plain(_name(unit)) for unit in units][::every])
    axis.tick_params(axis="x", rotation=60 if any(len(_name(u)) > 4 for u in units) else 0)
    axis.set_xlabel("run (dashed: median of all)")
    axis.set_ylabel("Dice [%]" if metric == "dice" else names.metric(metric))
