"""Which share of the variance over runs each draw has: crossed studies only."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.study.gather.collected import Collected, Unit
from mrjax.study.records import CROSSED
from mrjax.study.report import names, style, tables
from mrjax.study.report.effects import Analysis
from mrjax.study.report.page import Section, captioned
from mrjax.study.report.tables import Column, Table
from mrjax.study.statistics import common
from mrjax.study.statistics.shares import REPETITION, Component, Shares, shares

_WORDS = {"seed_init": "initialisation", "seed_order": "order"}


def section(folder: Path, analysis: Analysis) -> Iterator[Section]:
    """Variance shares; no section without a crossed design."""
    if not analysis.study.cross:
        return
    found = compute(analysis.collected)
    if isinstance(found, str):
        yield Section("shares", "Variance shares", paragraphs=(found,))
        return
    yield Section(
        "shares",
        "Variance shares",
        figures=captioned(_figures(folder, analysis.collected, found), "Share of each source"),
        tables=(table(analysis, found),),
    )


def compute(collected: Collected) -> Shares | str:
    """Variance shares of a crossed study, or one line that says why there are none."""
    study, units = collected.study, collected.of(CROSSED)
    factors = [name for name in study.cross if name != REPETITION]
    several = {name: study.cross[name] for name in factors if len(study.cross[name]) > 1}
    if not several:
        return "No crossed design was planned, so the variance cannot be divided among sources."
    repeats = study.cross.get(REPETITION, (0,))
    shape = (*map(len, several.values()), len(repeats))
    values = np.full(shape, np.nan)
    for unit in units:
        place = [several[name].index(unit.factors[name]) for name in several]
        values[(*place, repeats.index(unit.factors.get(REPETITION, repeats[0])))] = unit.mean(
            study.metric
        )
    missing = int(np.isnan(values).sum())
    if missing:
        return (
            f"The crossed design lacks {missing} of {values.size} runs; variance shares need all "
            "of them (balanced design), so there are none yet."
        )
    words = [_WORDS.get(name, name) for name in several]
    return shares(values, words, common.generator(study.seed, CROSSED, "shares"))


def table(analysis: Analysis, found: Shares) -> Table:
    """Components with shares and intervals."""
    columns = (
        Column("source"), Column("degrees of freedom"), Column("share [%]", ".1f"),
        Column("95 % interval [%]"), Column(f"σ of {analysis.metric}", ".3g"),
        Column("95 % interval of σ"), Column("remark"),
    )  # fmt: skip
    rows = tuple(_row(one) for one in found.components)
    levels = " x ".join(map(str, (*found.levels, found.repetitions)))
    return Table(
        "variance_shares",
        f"Variance over {found.n} runs ({levels} levels and repetitions), divided among its "
        f"sources; unit of analysis: mean of a run over subjects; σ in all: {found.sd:.3g}",
        columns,
        rows,
    )


def _row(one: Component) -> tuple[Any, ...]:
    return (
        one.name, one.df, 100 * one.share,
        tables.interval(100 * one.low, 100 * one.high, ".0f"), one.sd,
        tables.interval(one.sd_low, one.sd_high, ".2g"),
        "negative estimate, reported as 0" if one.negative else None,
    )  # fmt: skip


def _figures(folder: Path, collected: Collected, found: Shares) -> list[str]:
    """Write a bar chart of the shares beside the runs they come from."""
    if found.identical:
        return []
    parts = found.components
    with style.figure(folder, "variance_shares", style.WIDE, 1.2 + 0.3 * len(parts)) as drawn:
        left, right = drawn.subplots(1, 2, width_ratios=(1, 1.1))
        places = np.arange(len(parts))
        left.barh(places, [100 * one.share for one in parts], color=style.SKY, height=0.6)
        for place, one in enumerate(parts):
            left.plot([100 * one.low, 100 * one.high], [place] * 2, color=style.BLACK, lw=1)
        left.set_yticks(places, [one.name for one in parts])
        left.invert_yaxis()
        left.set_xlim(0, 100)
        left.set_xlabel("share of the variance over runs [%]\n(line: 95 % interval)")
        _runs(right, collected)
    return ["variance_shares"]


def _runs(axis: Any, collected: Collected) -> None:
    """Run means by the first factor, one colour a level of the second."""
    study, units = collected.study, collected.of(CROSSED)
    factors = [name for name in study.cross if name != REPETITION and len(study.cross[name]) > 1]
    first, second = factors[0], factors[1] if len(factors) > 1 else ""
    levels = study.cross[second] if second else (0,)
    for number, level in enumerate(levels):
        own: Sequence[Unit] = [u for u in units if not second or u.factors[second] == level]
        offset = 0.5 * (number - (len(levels) - 1) / 2) / len(levels)
        axis.plot(
            [study.cross[first].index(u.factors[first]) + offset for u in own],
            [u.mean(study.metric) for u in own],
            "osD^v<>*"[number % 8], ms=3.5, mfc="none", mec=style.colour(number), mew=0.8,
            label=f"{_WORDS.get(second, second)} {level}" if second else None,
        )  # fmt: skip
    axis.set_xticks(range(len(study.cross[first])), [str(v) for v in study.cross[first]])
    axis.set_xlabel(f"seed of {_WORDS.get(first, first)}")
    axis.set_ylabel(f"{names.metric(study.metric)} of each run")
    if second and len(levels) <= 8:
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
