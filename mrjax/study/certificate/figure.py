"""The losses of the runs, and how far they are from those of the first one."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mrjax.study.certificate.facts import Certificate
from mrjax.study.certificate.reading import Run
from mrjax.study.report import style

NAME = "certificate"
_ROWS = 13
"""Of a legend."""
_MOST = 1e150
"""Losses beyond are drawn here: the limits of an axis, squared, must not overflow."""


def draw(folder: Path, runs: Sequence[Run], found: Certificate) -> None:
    """Write ``certificate.png`` and ``certificate.pdf``: losses above, differences below.

    Args:
        folder: to write into.
        runs: that the certificate is about, the first one first.
        found: the certificate.
    """
    with style.figure(folder, NAME, style.WIDE, 4.2) as page:
        above, below = page.subplots(2, 1, sharex=True)
        for place, run in enumerate(runs):
            losses = _losses(run)
            above.plot(
                list(losses),
                list(losses.values()),
                color=style.colour(place),
                linestyle=style.line(place),
                label=run.label,
            )
        above.set_ylabel("loss")
        columns = 1 + len(runs) // _ROWS
        above.legend(title="run", loc="upper left", bbox_to_anchor=(1.0, 1.02), ncols=columns)
        _differences(below, runs, found)
        below.set_xlabel("step")


def _differences(axes: Any, runs: Sequence[Run], found: Certificate) -> None:
    """Draw |loss - loss of the first run|; equal losses have no point on a logarithmic axis."""
    first, drawn = _losses(runs[0]), []
    for place, (run, pair) in enumerate(zip(runs[1:], found.pairs, strict=True), 1):
        other = _losses(run)
        apart = {step: abs(first[step] - other[step]) for step in first if step in other}
        apart = {step: value for step, value in apart.items() if value > 0}
        colour = style.colour(place)
        if apart:
            axes.plot(list(apart), list(apart.values()), ".-", ms=3, color=colour)
            drawn += apart.values()
        if pair.parted:
            axes.axvline(pair.parted[0], color=colour, linestyle=":", linewidth=0.8)
    axes.set_ylabel(f"|loss − loss of {runs[0].label}|")
    if any(pair.parted for pair in found.pairs):
        words = f"dotted: the first step at which a run differs from {runs[0].label}"
        axes.set_title(words, fontsize=7, loc="left")
    if drawn:
        axes.set_yscale("log")
        axes.set_ylim(_decade(min(drawn), math.floor), _decade(1.01 * max(drawn), math.ceil))
    else:
        axes.set_yticks([])
        words = "no loss differs at any step that both runs recorded"
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center")


def _decade(value: float, rounded: Callable[[float], int]) -> float:
    """Return the power of ten beside a value: whole decades show how far apart numbers are."""
    return 10.0 ** max(-323, rounded(math.log10(value)))


def _losses(run: Run) -> dict[int, float]:
    found = {step: float.fromhex(line["loss_hex"]) for step, line in run.lines.items()}
    return {s: max(-_MOST, min(v, _MOST)) for s, v in found.items() if math.isfinite(v)}
