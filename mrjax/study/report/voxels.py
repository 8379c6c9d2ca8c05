"""Where in the image the replicates of an arm differ: maps of their standard deviation."""

import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from mrjax.runs import pictures
from mrjax.study.gather.collected import Collected
from mrjax.study.report import images, names, style
from mrjax.study.report.outputs import Outputs, Voxels, compute
from mrjax.study.report.page import Section, captioned
from mrjax.study.report.tables import Column, Table

ARMS = 8  # in the figure, beside the baseline
SLICES = 16  # fewer make no picture from the side


def section(folder: Path, collected: Collected, wanted: bool | None) -> Section:
    """Outputs voxel by voxel; `wanted` as in `compute`."""
    experiment = collected.study.experiment
    found = compute(collected, wanted)
    caption = (
        "Mean over the baseline's runs, and standard deviation over the runs of the baseline and "
        f"of up to {ARMS} arms, those that differ most from the baseline first; arms that "
        "repeat the baseline's outputs, or whose runs all agree, are not drawn"
    )
    files = figures(folder, found, experiment) if found.arms else []
    return Section(
        "voxels",
        "Voxel by voxel",
        paragraphs=(found.remark,) if found.remark else (),
        figures=captioned(files, caption),
        tables=(table(found, experiment),) if found.arms else (),
    )


def _mask(outputs: Outputs) -> np.ndarray:
    """Voxels where any arm has an output."""
    return np.logical_or.reduce([one.spread.mean != 0 for one in outputs.arms])


def table(outputs: Outputs, experiment: str) -> Table:
    """Spread over runs and difference to the baseline, in numbers."""
    columns = (
        Column("arm"), Column("source"), Column("runs"), Column("median σ over runs", ".2e"),
        Column("95th percentile of σ", ".2e"), Column("largest σ", ".2e"),
        Column("largest difference to the baseline", ".2e"),
        Column("in ulp of the largest magnitude", ".3g"),
        Column("voxels changed by more than 1 % of the largest [%]", ".2f"),
        Column("weights: normalised L2", ".2e"), Column("weights: cosine", ".6f"),
    )  # fmt: skip
    mask, rows = _mask(outputs), []
    for one in outputs.arms:
        inside, pair, net = one.spread.sd[mask], one.pair, one.weights
        sizes = (np.median(inside), np.quantile(inside, 0.95), inside.max())
        rows.append((
            one.arm, names.source(one.source), one.spread.n,
            *(float(size) if one.spread.n > 1 else None for size in sizes),
            pair.largest if pair else None, pair.ulp if pair else None,
            100 * pair.churn if pair else None, net.normalised_l2 if net else None,
            net.cosine if net else None,
        ))  # fmt: skip
    return Table(
        "voxels",
        f"Outputs for {outputs.subject}, voxel by voxel inside the output's support: "
        f"{images.shown(experiment)}; differences are those of the first run of "
        "each arm to the baseline's with the same number",
        columns,
        tuple(rows),
        bold=(0,),
    )


def figures(folder: Path, outputs: Outputs, experiment: str) -> list[str]:
    """Write maps of the mean of the baseline and of the standard deviation of every arm."""
    mask = _mask(outputs)
    shown = [one for one in _by_difference(outputs) if one.spread.sd[mask].any()]
    if not shown:
        return []
    mean = pictures.planes(outputs.arms[0].spread.mean, mask, SLICES)
    low, high = np.quantile(outputs.arms[0].spread.mean[mask], (0.01, 0.99))
    tallest = max(plane.shape[0] / plane.shape[1] for plane in mean)
    # Three planes: an arm is a row. One image: arms stand side by side.
    columns = len(mean) if len(mean) > 1 else min(3, len(shown) + 1)
    lines = math.ceil((len(shown) + 1) * len(mean) / columns)
    width = style.WIDE if columns > 2 else style.WIDE * 0.75
    height = 0.4 + lines * ((width - 1.6) / columns * tallest + 0.25)
    with style.figure(folder, "voxels", width, height) as drawn:
        axes = list(drawn.subplots(lines, columns, squeeze=False).flat)
        for axis in axes:
            axis.set_axis_off()
        unit = images.shown(experiment)
        _means(drawn, axes[: len(mean)], mean, (float(low), float(high)), unit)
        _spreads(drawn, axes[len(mean) :], shown, mask, unit)
        drawn.suptitle(style.plain(outputs.subject), fontsize=9)
    return ["voxels"]


def _by_difference(outputs: Outputs) -> list[Voxels]:
    """The baseline, and the arms that do not just repeat it, those that differ most first."""
    first, *others = outputs.arms
    differing = [
        one
        for one in others
        if not np.array_equal(one.spread.mean, first.spread.mean)
        or not np.array_equal(one.spread.sd, first.spread.sd)
    ]
    differing.sort(key=lambda one: one.pair.largest if one.pair else 0.0, reverse=True)
    return [first, *differing[:ARMS]]


def _means(
    drawn: Any, axes: Any, planes: list[np.ndarray], limits: tuple[float, float], unit: str
) -> None:
    image = None
    for axis, plane in zip(axes, planes, strict=True):
        image = axis.imshow(plane, cmap="gray", vmin=limits[0], vmax=limits[1])
    axes[0].set_title("baseline, mean", loc="left", fontsize=8)
    side = "right" if len(axes) > 1 else "left"
    drawn.colorbar(image, ax=axes, shrink=0.85, aspect=12, label=unit, location=side)


def _spreads(drawn: Any, axes: Any, shown: list[Voxels], mask: np.ndarray, unit: str) -> None:
    from matplotlib.colors import LogNorm

    maps = [pictures.planes(one.spread.sd, mask, SLICES) for one in shown]
    values = np.concatenate([plane.ravel() for row in maps for plane in row])
    values = values[values > 0]
    high = float(values.max()) if values.size else 1.0
    # Six decades at most: rounding noise below would only fade the picture.
    low = max(float(np.quantile(values, 0.02)), high * 1e-6) if values.size else high / 10
    norm = LogNorm(min(low, high / 10), high)
    colours = matplotlib.colormaps["cividis"].with_extremes(bad="black")
    image, left = None, iter(axes)
    for planes, one in zip(maps, shown, strict=True):
        for number, plane in enumerate(planes):
            axis = next(left)
            image = axis.imshow(np.where(plane > 0, plane, np.nan), norm=norm, cmap=colours)
            if number == 0:
                title = f"{style.plain(one.arm)}, σ of {one.spread.n} runs"
                axis.set_title(title, loc="left", fontsize=8)
    used = len(shown) * len(maps[0])
    for axis in axes[used:]:
        axis.remove()
    drawn.colorbar(
        image, ax=axes[:used], shrink=0.85, aspect=25, label=f"σ over runs,\n{unit}",
    )  # fmt: skip
