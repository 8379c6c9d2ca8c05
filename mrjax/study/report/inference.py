"""Effect of each source in inference with one trained network: Oh et al., Fig. 3."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.study.report import names, style, tables
from mrjax.study.report.effects import Analysis, Inference
from mrjax.study.report.page import Section, captioned
from mrjax.study.report.tables import Column, Table

ROWS = 30  # arms on one page


def section(folder: Path, analysis: Analysis) -> Section:
    """One network, inference under each arm, as a figure and a table."""
    caption = (
        "One trained network, inference repeated under each arm: size of the change against the "
        "baseline's inference; circles: subjects and runs, bars: means"
    )
    return Section(
        "inference",
        "Effect of each source in inference",
        figures=captioned(_figures(folder, analysis), caption),
        tables=(table(analysis),),
    )


def _figures(folder: Path, analysis: Analysis) -> list[str]:
    """Write the figure of all inference arms, on several pages if there are many."""
    written = []
    for name, page in style.pages("effect_inference", analysis.inferences, ROWS):
        with style.figure(folder, name, style.WIDE * 0.75, 1.1 + 0.26 * len(page)) as drawn:
            _draw(drawn.subplots(), analysis, page)
        written.append(name)
    return written


def _draw(axis: Any, analysis: Analysis, page: Sequence[Inference]) -> None:
    sizes = [100 * np.abs(one.changes) for one in page]
    seen = np.concatenate([size[size > 0] for size in sizes])
    axis.set_xscale("log")
    axis.set_xlim(*(_decades(seen) if seen.size else (1e-9, 1.0)))
    for place, (one, size) in enumerate(zip(page, sizes, strict=True)):
        each = np.where(size > 0, size, np.nan)
        axis.plot(
            each.ravel(), np.full(each.size, place), "o",
            ms=3, mfc="none", mec=style.BLUE, mew=0.6,
        )  # fmt: skip
        whole = 100 * abs(float(one.changes.mean()))
        if whole > 0:
            axis.plot(whole, place, "|", ms=11, mew=1.8, color=style.BLUE)
        elif not size.any():
            text = "identical" if one.identical else f"outputs differ, {analysis.metric} does not"
            axis.text(
                0.5, place, text, transform=axis.get_yaxis_transform(), ha="center",
                va="center", fontsize=7, color=style.GREY, style="italic",
            )  # fmt: skip
    style.label_rows(axis, [_label(one) for one in page])
    axis.set_xlabel(f"size of the change of {analysis.metric} [%]")


def _label(one: Inference) -> str:
    return f"{style.plain(one.arm.name)} ({names.source(one.arm.source)})"


def _decades(values: np.ndarray) -> tuple[float, float]:
    """Whole powers of ten around positive numbers."""
    return (
        10.0 ** np.floor(np.log10(values.min()) - 0.1),
        10.0 ** np.ceil(np.log10(values.max()) + 0.1),
    )


def table(analysis: Analysis) -> Table:
    """Identity and change of every inference arm."""
    columns = (
        Column("arm"), Column("source"), Column("runs"), Column("subjects"),
        Column("runs identical to the reference"), Column("distinct outputs"),
        Column(f"mean change of {analysis.metric} [%]", "+.2g"),
        Column("largest change, one subject [%]", ".2g"),
        Column(f"95 % interval of the difference of {analysis.metric}"),
        Column("p (paired t)", "p"), Column("p (Wilcoxon)", "p"),
    )  # fmt: skip
    rows = []
    for one in analysis.inferences:
        test, same = one.conditional, one.predictions
        tested = test is not None and test.status == "tested"
        rows.append((
            one.arm.name, names.source(one.arm.source), one.changes.shape[0],
            one.changes.shape[1], f"{_same(analysis, one)} of {same.n_b}", same.distinct_b,
            100 * float(one.changes.mean()), 100 * float(np.abs(one.changes).max()),
            tables.interval(test.low, test.high, "+.1e") if test and tested else None,
            test.p if test else None, test.wilcoxon_p if test else None,
        ))  # fmt: skip
    return Table(
        "effect_inference",
        f"One trained network, inference repeated under each arm: change of {analysis.metric} "
        "against the first inference under the baseline's flags; tests paired over subjects, for "
        "this network",
        columns,
        tuple(rows),
    )


def _same(analysis: Analysis, one: Inference) -> int:
    expected = one.reference.digests["predictions"]
    return sum(u.digests["predictions"] == expected for u in analysis.collected.of(one.arm.name))
