"""Bit-identity of networks and outputs, before any test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.study.gather.collected import Collected, Unit, paired
from mrjax.study.records import BASELINE, CROSSED
from mrjax.study.report import names, style
from mrjax.study.report.effects import Analysis
from mrjax.study.report.page import Section, captioned
from mrjax.study.report.tables import Column, Table
from mrjax.study.statistics.shares import REPETITION

ARMS = 20  # in the matrix; the table has all


def section(folder: Path, analysis: Analysis) -> Section:
    """Which runs agree bit for bit, as a figure and a table."""
    caption = "Networks of two arms with the same replicate number that agree in every bit"
    if len(analysis.effects) >= ARMS:
        caption += f"; the first {ARMS} arms"
    return Section(
        "identity",
        "Bit-identity",
        figures=captioned(_figures(folder, analysis.collected), caption),
        tables=(table(analysis),),
    )


def table(analysis: Analysis) -> Table:
    """Distinct networks and outputs of every arm, and how many repeat the baseline's."""
    collected = analysis.collected
    several = [arm for arm in (BASELINE, CROSSED) if collected.of(arm)]
    columns = (
        Column("arm"), Column("source"), Column("runs"), Column("distinct networks"),
        Column("distinct outputs"), Column("networks as in the baseline's run"),
        Column("outputs as in the baseline's run"),
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = [
        (arm, None, *_distinct(collected.of(arm)), None, None) for arm in several
    ]
    for arm in collected.arms("training"):
        own = collected.of(arm.name)
        pairs = paired(own, collected.baseline)
        same = [_same(pairs, what) if pairs else None for what in ("params", "predictions")]
        rows.append((arm.name, names.source(arm.source), *_distinct(own), *same))
    return Table(
        "identity",
        "Bit-identity (sha256 of contents): runs of each arm, and runs that repeat the "
        "baseline's run with the same replicate number",
        columns,
        tuple(rows),
        bold=(0,) if BASELINE in several else (),
    )


def _distinct(units: Sequence[Unit]) -> tuple[int, int, int]:
    counts = [len({u.digests[what] for u in units}) for what in ("params", "predictions")]
    return len(units), counts[0], counts[1]


def _same(pairs: Sequence[tuple[Unit, Unit]], what: str) -> str:
    return f"{sum(a.digests[what] == b.digests[what] for a, b in pairs)} of {len(pairs)}"


def repeats(collected: Collected) -> tuple[int, int]:
    """Combinations of a crossed design that were repeated, and those that gave one network."""
    cells: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for unit in collected.of(CROSSED):
        seeds = tuple((k, v) for k, v in sorted(unit.factors.items()) if k != REPETITION)
        cells.setdefault(seeds, []).append(unit.digests["params"])
    repeated = [digests for digests in cells.values() if len(digests) > 1]
    return len(repeated), sum(len(set(digests)) == 1 for digests in repeated)


def _figures(folder: Path, collected: Collected) -> list[str]:
    """Write the identity matrix of training arms: share of replicates with equal networks."""
    arms = [BASELINE, *(arm.name for arm in collected.arms("training"))][:ARMS]
    arms = [arm for arm in arms if collected.of(arm)]
    if len(arms) < 2:
        return []
    size = 1.6 + 0.27 * len(arms)
    with style.figure(folder, "identity", min(size + 1.0, style.WIDE), size) as drawn:
        _draw(drawn, collected, arms)
    return ["identity"]


def _draw(drawn: Any, collected: Collected, arms: Sequence[str]) -> None:
    axis = drawn.subplots()
    counts, shares = _matrix(collected, arms)
    image = axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(*shares.shape):
        dark = shares[row, column] > 0.6
        axis.text(
            column, row, counts[row][column], ha="center", va="center", fontsize=5.5,
            color="white" if dark else style.BLACK,
        )  # fmt: skip
    shown = [style.plain(arm) for arm in arms]
    axis.set_xticks(range(len(arms)), shown, rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(arms)), shown)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    drawn.colorbar(image, ax=axis, shrink=0.7, label="share of replicates with\nequal networks")


def _matrix(collected: Collected, arms: Sequence[str]) -> tuple[list[list[str]], np.ndarray]:
    """Replicates with equal networks, as text and as share of those that both arms have."""
    networks = [
        {(u.replicate, u.part): u.digests["params"] for u in collected.of(arm)} for arm in arms
    ]
    counts, shares = [], np.zeros((len(arms), len(arms)))
    for row, a in enumerate(networks):
        counts.append([])
        for column, b in enumerate(networks):
            both = a.keys() & b.keys()
            same = sum(a[key] == b[key] for key in both)
            counts[-1].append(f"{same}/{len(both)}" if both else "")
            shares[row, column] = same / len(both) if both else np.nan
    return counts, shares
