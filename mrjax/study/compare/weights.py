"""Distances of weights on the page of a comparison: figure, table and how they were taken."""

import statistics as middle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.study.compare.distances import APART, Distances
from mrjax.study.compare.sides import Sides
from mrjax.study.report import style
from mrjax.study.report.page import Section, captioned
from mrjax.study.report.tables import Column, Table

METHOD = (
    "Distances of weights are normalised L2 distances, taken over all leaves of a kind together, "
    "from the checkpoints that both runs of a pair kept (of a cross-validation, those of the first "
    "fold); they are 0 for weights equal up to scale. Reported apart is what no true gradient "
    "moves: biases of convolutions before batch normalisation and the running means that follow "
    "them, without effect on the output, and running variances, which have one."
)
"""How distances were taken, for the methods section of a paper."""


def section(folder: Path, sides: Sides, found: Distances) -> Section:
    """Distances of weights, as a figure and a table."""
    caption = (
        f"Distance of weights between {sides.arm} and baseline by kind. Left: every pair after "
        "the last step; grey bars: two runs of A, so two trainings; shaded: kinds that no true "
        "gradient moves. Right: median of pairs over the steps whose checkpoints were kept, "
        "colours as on the left"
    )
    rows = table(sides, found)
    return Section(
        "weights",
        "Weights",
        paragraphs=(found.remark,) if found.remark else (),
        figures=captioned(figures(folder, found), caption),
        tables=(rows,) if rows.rows else (),
    )


def table(sides: Sides, found: Distances) -> Table:
    """Distances by kind and step."""
    columns = (
        Column("weights"), Column("moved by a gradient"), Column("numbers"), Column("step"),
        Column("pairs"), Column("median", ".2e"), Column("smallest", ".2e"),
        Column("largest", ".2e"), Column("between runs of A (median)", ".2e"),
    )  # fmt: skip
    rows = []
    for name in found.kinds:
        for step in found.steps:
            values = found.of(name, step)
            if not values:
                continue
            size = next(one.n for one in found.pairs if one.kind == name)
            scale = found.scale(name) if step == found.steps[-1] else None
            rows.append((
                name, name not in APART, size, step, len(values), middle.median(values),
                min(values), max(values), scale,
            ))  # fmt: skip
    return Table(
        "weights",
        f"Normalised L2 distance of weights in pairs of {sides.arm} and baseline, "
        "|a/|a| - b/|b||: 0 for weights equal up to scale, 1.4 for unrelated ones",
        columns,
        tuple(rows),
    )


def figures(folder: Path, found: Distances) -> list[str]:
    """Write the figure: distance by kind at the end, and over the steps that were kept."""
    kinds = found.kinds
    if not any(one.value for one in found.pairs):
        return []
    with style.figure(folder, "weights", style.WIDE, 1.0 + 0.3 * max(len(kinds), 5)) as drawn:
        left, right = drawn.subplots(1, 2, sharex=False, width_ratios=(1.3, 1))
        _ends(left, found, kinds)
        _course(right, found, kinds)
    return ["weights"]


def _ends(axis: Any, found: Distances, kinds: Sequence[str]) -> None:
    step = found.steps[-1]
    for place, name in enumerate(kinds):
        values = [value for value in found.of(name, step) if value]
        axis.plot(
            values, np.full(len(values), place), "o", ms=3.5, mfc="none", mew=0.8,
            color=style.shade(place), label="pairs of A and B" if place == 0 else None,
        )  # fmt: skip
        scale = found.scale(name)
        if scale:
            label = "two runs of A (median)" if place == 0 else None
            axis.plot(scale, place, "|", ms=11, mew=1.6, color=style.GREY, label=label)
    axis.set_xscale("log")
    style.label_rows(axis, [style.plain(name) for name in kinds], edge=0.5)
    apart = sum(name in APART for name in kinds)
    if apart:
        axis.axhspan(len(kinds) - apart - 0.5, len(kinds) - 0.5, color="0.96", zorder=-1)
    axis.set_xlabel(f"normalised L2 distance after step {step}")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, handletextpad=0.3)


def _course(axis: Any, found: Distances, kinds: Sequence[str]) -> None:
    for place, name in enumerate(kinds):
        points = [(step, found.of(name, step)) for step in found.steps]
        points = [(step, middle.median(values)) for step, values in points if any(values)]
        axis.plot(
            *zip(*points, strict=True), color=style.shade(place), linestyle=style.line(place),
            marker="o", ms=3, label=style.plain(name),
        )  # fmt: skip
    axis.set_yscale("log")
    axis.set_xlabel("step")
    axis.set_ylabel("normalised L2 distance\n(median of pairs)")
    axis.xaxis.get_major_locator().set_params(integer=True)
