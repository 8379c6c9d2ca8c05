"""Effect of each source in training: the picture of Oh et al., Fig. 2."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.study.records import Study
from mrjax.study.report import names, questions, style
from mrjax.study.report.effects import Analysis, Effect
from mrjax.study.report.page import Section, captioned
from mrjax.study.statistics.spread import Sigma

ROWS = 24  # arms on one page


def section(folder: Path, analysis: Analysis) -> Section:
    """The three questions about training: a figure of all arms, and a table for each question."""
    caption = (
        "Effect of each source in training. Left: every run (circles) and their mean (bars). "
        "Middle: change of the mean of runs against the baseline with 95 % interval, filled where "
        "p < 0.05 after Holm; band: margin of equivalence. Right: standard deviation σ over runs "
        "with 95 % interval, filled where it differs from the baseline's (p < 0.05 after Holm)"
    )
    return Section(
        "training",
        "Effect of each source in training",
        figures=captioned(figures(folder, analysis), caption),
        tables=(
            questions.shift_table(analysis),
            questions.spread_table(analysis),
            questions.conditional_table(analysis),
        ),
    )


def figures(folder: Path, analysis: Analysis) -> list[str]:
    """Write the figure of all arms, on several pages if there are many; returns their names."""
    written = []
    for name, effects in style.pages("effect_training", analysis.effects, ROWS):
        _page(folder, name, analysis, effects)
        written.append(name)
    return written


def _page(folder: Path, name: str, analysis: Analysis, effects: Sequence[Effect]) -> None:
    study, sigma = analysis.study, analysis.sigma
    assert sigma is not None
    rows = len(effects) + 1
    with style.figure(folder, name, style.WIDE, 1.3 + 0.24 * rows) as drawn:
        left, middle, right = drawn.subplots(1, 3, sharey=True, width_ratios=(1.15, 1.3, 1))
        _runs(left, study, analysis, effects)
        _changes(middle, study, sigma.mean, analysis.margin, effects)
        _spreads(right, study, sigma, effects)
        style.label_rows(left, ["baseline", *(_label(e) for e in effects)])
        style.rule_rows(middle, rows)
        style.rule_rows(right, rows)


def _label(effect: Effect) -> str:
    text = effect.arm.name
    return style.plain(text if len(text) <= 26 else text[:24] + "…")


def _runs(axis: Any, study: Study, analysis: Analysis, effects: Sequence[Effect]) -> None:
    baseline = [unit.mean(study.metric) for unit in analysis.collected.baseline]
    values = [np.array([b for b in baseline if not np.isnan(b)]), *(e.runs for e in effects)]
    axis.axvline(values[0].mean(), color=style.GREY, linewidth=0.8, linestyle="--")
    for place, runs in enumerate(values):
        shade = style.BLACK if place == 0 else style.BLUE
        axis.plot(runs, np.full(len(runs), place), "o", ms=3, mfc="none", mec=shade, mew=0.6)
        axis.plot(runs.mean(), place, "|", ms=10, mew=1.8, color=shade)
    axis.locator_params(axis="x", nbins=5)
    axis.set_xlabel(f"{names.metric(study.metric)} of each run")


def _changes(
    axis: Any, study: Study, mean: float, margin: float | None, effects: Sequence[Effect]
) -> None:
    if margin is not None:
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
            _note(axis, place, "identical", x=0.75)
            continue
        if found.low is not None and found.high is not None:
            ends = [names.change(study, end, found.baseline) for end in (found.low, found.high)]
            axis.plot(ends, [place, place], color=style.RED, linewidth=1.2)
        fill = style.RED if effect.shifted else "white"
        axis.plot(middle, place, "o", ms=4.5, mfc=fill, mec=style.RED)
    axis.locator_params(axis="x", nbins=5)
    axis.set_xlabel(names.change_label(study))


def _spreads(axis: Any, study: Study, sigma: Sigma, effects: Sequence[Effect]) -> None:
    rows = [(sigma, None), *((e.spread.arm if e.spread else None, e) for e in effects)]
    for place, (one, effect) in enumerate(rows):
        if one is None or one.sd is None:
            _note(axis, place, "one run only")
        elif not one.sd:
            _note(axis, place, "0: all runs equal")
        else:
            shade = style.BLACK if effect is None else style.PURPLE
            axis.plot([one.low, one.high], [place, place], color=shade, linewidth=1.2)
            fill = shade if effect and effect.wider else "white"
            axis.plot(one.sd, place, "D", ms=3.8, mfc=fill, mec=shade)
    factor = _spread_axis(axis, [one for one, _ in rows if one is not None])
    axis.set_xlabel(f"σ of {names.metric(study.metric)} over runs{factor}")


def _spread_axis(axis: Any, shown: Sequence[Sigma]) -> str:
    """From zero, or logarithmic where spreads lie more than a decade apart; gives the factor."""
    sizes = [one.sd for one in shown if one.sd]
    if not sizes:
        return ""
    if max(sizes) > 10 * min(sizes):
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter("")
        return ""
    power = int(np.floor(np.log10(max(sizes))))
    axis.set_xlim(left=0)
    axis.locator_params(axis="x", nbins=4)
    if power >= -2:
        return ""
    axis.xaxis.set_major_formatter(lambda value, _: f"{value / 10.0**power:g}")
    return f" [$10^{{{power}}}$]"


def _note(axis: Any, place: int, text: str, x: float = 0.5) -> None:
    axis.text(
        x, place, text, transform=axis.get_yaxis_transform(), ha="center", va="center",
        fontsize=6.5, color=style.GREY, style="italic",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )  # fmt: skip
