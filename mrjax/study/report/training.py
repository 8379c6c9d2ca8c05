"""Effect of each source in training: the picture and the tables of Oh et al., Fig. 2."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.study.records import Study
from mrjax.study.report import names, style, tables
from mrjax.study.report.analysis import Analysis, Effect
from mrjax.study.report.tables import Column, Table
from mrjax.study.statistics.spread import Sigma

ROWS = 24  # arms on one page


def ordered(effects: Sequence[Effect]) -> list[Effect]:
    """Effects in the order of their sources."""
    place = {name: number for number, name in enumerate(names.SOURCES)}
    return sorted(effects, key=lambda effect: place.get(effect.arm.source, len(place)))


def figures(folder: Path, analysis: Analysis) -> list[str]:
    """Write the figure of all arms, on several pages if there are many.

    Args:
        folder: to write into.
        analysis: with a baseline.

    Returns:
        Names of the files without ending.
    """
    effects = ordered(analysis.effects)
    pages = [effects[first : first + ROWS] for first in range(0, len(effects), ROWS)]
    written = []
    for number, page in enumerate(pages, 1):
        name = "effect_training" + (f"_{number}" if len(pages) > 1 else "")
        _page(folder, name, analysis, page)
        written.append(name)
    return written


def _page(folder: Path, name: str, analysis: Analysis, effects: list[Effect]) -> None:
    study, sigma = analysis.collected.study, analysis.sigma
    assert sigma is not None and analysis.margin is not None
    rows = len(effects) + 1
    with style.figure(folder, name, style.WIDE, 1.3 + 0.24 * rows) as drawn:
        left, middle, right = drawn.subplots(1, 3, sharey=True, width_ratios=(1.15, 1.3, 1))
        _runs(left, study, analysis, effects)
        _changes(middle, study, sigma.mean, analysis.margin, effects)
        _spreads(right, study, sigma, effects)
        left.set_yticks(range(rows), ["baseline", *(_label(e) for e in effects)])
        left.set_ylim(rows - 0.4, -0.6)
        for axis in (left, middle, right):
            axis.tick_params(axis="y", length=0)
            for place in range(1, rows):
                axis.axhline(place - 0.5, color="0.92", linewidth=0.6, zorder=0)


def _label(effect: Effect) -> str:
    text = effect.arm.name
    return text if len(text) <= 26 else text[:24] + "…"


def _runs(axis: Any, study: Study, analysis: Analysis, effects: list[Effect]) -> None:
    baseline = [unit.mean(study.metric) for unit in analysis.collected.baseline]
    values = [np.array([b for b in baseline if not np.isnan(b)]), *(e.runs for e in effects)]
    axis.axvline(values[0].mean(), color=style.GREY, linewidth=0.8, linestyle="--")
    for place, runs in enumerate(values):
        shade = style.BLACK if place == 0 else style.BLUE
        axis.plot(runs, np.full(len(runs), place), "o", ms=3, mfc="none", mec=shade, mew=0.6)
        axis.plot(runs.mean(), place, "|", ms=10, mew=1.8, color=shade)
    axis.set_xlabel(f"{names.metric(study.metric)} of each run\n(circle: run, bar: their mean)")


def _changes(axis: Any, study: Study, mean: float, margin: float, effects: list[Effect]) -> None:
    band = abs(names.change(study, margin, mean))
    axis.axvspan(-band, band, color=style.SKY, alpha=0.25, linewidth=0)
    axis.axvline(0, color=style.GREY, linewidth=0.8, linestyle="--")
    for place, effect in enumerate(effects, 1):
        if effect.shift is None:
            _note(axis, place, "identical" if effect.identical else "a draw: no level to test")
            continue
        found = effect.shift
        middle = names.change(study, found.difference, found.baseline)
        if effect.identical or found.status == "identical":
            axis.plot(0, place, "s", ms=4, color=style.GREEN)
            _note(axis, place, "identical", x=0.62)
            continue
        if found.low is not None and found.high is not None:
            ends = [names.change(study, end, found.baseline) for end in (found.low, found.high)]
            axis.plot(ends, [place, place], color=style.RED, linewidth=1.2)
        fill = style.RED if _significant(effect.p_shift) else "white"
        axis.plot(middle, place, "o", ms=4.5, mfc=fill, mec=style.RED)
    axis.set_xlabel(
        f"{names.change_label(study)}\n(95 % interval; filled: p < 0.05 after Holm;\n"
        f"band: margin of equivalence ±{band:.2g}{' %' if study.margin_kind == 'relative' else ''})"
    )


def _spreads(axis: Any, study: Study, sigma: Sigma, effects: list[Effect]) -> None:
    rows = [(sigma, None), *((e.spread.arm if e.spread else None, e) for e in effects)]
    if not any(one is not None and one.sd for one, _ in rows):
        _note(axis, 0, "no spread anywhere")
    for place, (one, effect) in enumerate(rows):
        if one is None or one.sd is None:
            _note(axis, place, "one run only")
        elif not one.sd:
            _note(axis, place, "0: all runs equal")
        else:
            axis.set_xscale("log")
            shade = style.BLACK if effect is None else style.PURPLE
            axis.plot([one.low, one.high], [place, place], color=shade, linewidth=1.2)
            fill = shade if effect and _significant(effect.p_spread) else "white"
            axis.plot(one.sd, place, "D", ms=3.8, mfc=fill, mec=shade)
    unit = names.METRICS.get(study.metric, study.metric)
    axis.set_xlabel(
        f"standard deviation of {unit} over runs\n(95 % interval; filled: p < 0.05 after Holm)"
    )


def _significant(p: float | None) -> bool:
    return p is not None and p < 0.05


def _note(axis: Any, place: int, text: str, x: float = 0.5) -> None:
    axis.text(
        *(x, place, text), transform=axis.get_yaxis_transform(), ha="center", va="center",
        fontsize=6.5, color=style.GREY, style="italic",
    )  # fmt: skip


def shift_table(analysis: Analysis) -> Table:
    """Question (b): does the source shift the mean of runs?"""
    study = analysis.collected.study
    unit = names.change_label(study)
    percent = study.margin_kind == "relative"
    form = "+.3f" if percent else "+.4f"
    columns = (
        Column("arm"), Column("source"), Column("runs (baseline + arm)"), Column("result"),
        Column(unit, form), Column("95 % interval"), Column("p", "p"), Column("p (Holm)", "p"),
        Column("effect size", "+.2f"), Column("equivalent within margin"),
        Column("power of that test", ".2f"), Column("runs needed for power 0.8"),
        Column("P(arm better)", ".2f"),
    )  # fmt: skip
    rows = []
    for effect in ordered(analysis.effects):
        found, near = effect.shift, effect.margin
        if found is None or near is None:
            continue
        ends = [
            None if end is None else names.change(study, end, found.baseline)
            for end in (found.low, found.high)
        ]
        scatter = found.status == "tested"
        rows.append((
            effect.arm.name, names.source(effect.arm.source),
            f"{found.n_baseline} + {found.n_arm}{', paired' if effect.paired else ''}",
            _result(effect), names.change(study, found.difference, found.baseline),
            tables.interval(ends[0], ends[1], form) if scatter else None, found.p, effect.p_shift,
            found.effect_unbiased, _equivalent(near.equivalent), near.power, near.needed,
            effect.better.probability if effect.better else None,
        ))  # fmt: skip
    return Table(
        "effect_training",
        f"(b) Does the source shift the mean? Change of {names.metric(study.metric)} against the "
        f"baseline; unit of analysis: mean of a run over subjects",
        columns,
        tuple(rows),
    )


def _result(effect: Effect) -> str:
    assert effect.shift is not None
    if effect.identical:
        return "identical, bit for bit"
    words = {
        "identical": "identical numbers",
        "constant": "the same change in every run",
        "too few": "too few runs",
    }
    if effect.shift.status in words:
        return words[effect.shift.status]
    if _significant(effect.p_shift):
        return "shifted"
    return "equivalent" if effect.margin and effect.margin.equivalent else "undecided"


def _equivalent(found: bool | None) -> str | None:
    return None if found is None else "yes" if found else "not shown"


def spread_table(analysis: Analysis) -> Table:
    """Question (c): does the source change the spread over runs?"""
    study, sigma = analysis.collected.study, analysis.sigma
    columns = (
        Column("arm"), Column("source"), Column("runs"), Column("σ over runs", ".3g"),
        Column("95 % interval (χ²)"), Column("95 % interval (bootstrap)"),
        Column("ratio to baseline", ".2f"), Column("95 % interval of ratio"), Column("p", "p"),
        Column("p (Holm)", "p"), Column("p (Brown-Forsythe)", "p"), Column("test"),
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = []
    if sigma is not None:
        rows.append(("baseline", None, *_sigma(sigma), *[None] * 6))
    for effect in ordered(analysis.effects):
        found = effect.spread
        if found is None:
            continue
        test = found.test if found.status == "tested" else _no_test(effect)
        rows.append((
            effect.arm.name, names.source(effect.arm.source), *_sigma(found.arm), found.ratio,
            tables.interval(found.low, found.high, ".2f"), found.p, effect.p_spread,
            found.brown_forsythe_p, test,
        ))  # fmt: skip
    return Table(
        "spread_training",
        f"(c) Does the source change the spread over runs? Standard deviation σ of "
        f"{names.metric(study.metric)}; unit of analysis: mean of a run over subjects",
        columns,
        tuple(rows),
        bold=(0,) if sigma is not None else (),
    )


def _sigma(one: Sigma) -> tuple[Any, ...]:
    if not one.sd:
        return one.n, one.sd, None, None
    exact = tables.interval(one.low, one.high, ".3g")
    return one.n, one.sd, exact, tables.interval(one.bootstrap_low, one.bootstrap_high, ".3g")


def _no_test(effect: Effect) -> str:
    assert effect.spread is not None
    if effect.identical:
        return "none: identical, bit for bit"
    words = {
        "identical": "none: identical numbers, or no spread in either",
        "constant": "none: one of the two has no spread",
        "too few": "none: too few runs",
    }
    return words[effect.spread.status]


def conditional_table(analysis: Analysis) -> Table:
    """Question (a): do the first networks of arm and baseline differ?"""
    metric = analysis.collected.study.metric
    columns = (
        Column("arm"), Column("source"), Column("runs compared"), Column("subjects"),
        Column(f"change of {names.metric(metric)}", "+.3g"), Column("95 % interval"),
        Column("p (paired t)", "p"), Column("p (Wilcoxon)", "p"), Column("result"),
    )  # fmt: skip
    rows = []
    for effect in ordered(analysis.effects):
        found = effect.conditional
        if found is None:
            continue
        tested = found.status == "tested"
        words = {"tested": "tested", "too few": "too few subjects", "constant": "constant change"}
        rows.append((
            effect.arm.name, names.source(effect.arm.source), " and ".join(effect.pair), found.n,
            found.difference, tables.interval(found.low, found.high, "+.2g") if tested else None,
            found.p, found.wilcoxon_p, words.get(found.status, "identical"),
        ))  # fmt: skip
    return Table(
        "conditional_training",
        "(a) Do these two networks differ? Paired over subjects, conditional on these two "
        "trainings: no statement about the source",
        columns,
        tuple(rows),
    )
