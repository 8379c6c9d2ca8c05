"""How a difference grows: through the operations of one step, and over the steps after it."""

import math
from pathlib import Path
from typing import Any

from mrjax.diverge.report import Report, Traced
from mrjax.diverge.traces import OUTPUT, PHASES
from mrjax.runs import pictures

NAME = "growth"
# Okabe and Ito (2008): told apart with any colour vision; the marks differ too.
_MARKS = {"forward": ("o", "#0072B2"), "backward": ("s", "#D55E00"), "update": ("^", "#009E73")}
_GREY = "#777777"
_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "pdf.fonttype": 42,
}
_COLUMNS = 3
"""Of a legend."""
_EPSILON = 2.0**-23
_LEAST = 1e-18
"""Smaller distances are drawn here."""


def draw(folder: Path, found: Report) -> Path:
    """Write ``growth.png`` and ``growth.pdf``: through the network above, over the steps below.

    Args:
        folder: to write into.
        found: the report.

    Returns:
        The PNG.
    """
    import matplotlib

    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_SETTINGS}):
        page = pictures.figure(7.2, 6.0)
        above, below = page.subplots(2, 1)
        _operations(above, shown(found))
        _steps(below, found)
        path = folder / f"{NAME}.png"
        page.savefig(path, dpi=200, metadata={"Software": None})
        page.set_layout_engine("none")
        dates = {"CreationDate": None, "ModDate": None}
        page.savefig(folder / f"{NAME}.pdf", metadata=dates)
    return path


def shown(found: Report) -> Traced | None:
    """Return the traced step that is drawn: the first at which the trainings differ."""
    parted = [one for one in found.traced if one.parting.kind != "none"]
    return next(iter([*parted, *found.traced]), None)


def _operations(axes: Any, traced: Traced | None) -> None:
    """Draw the distance of each operation's results, relative to their norm."""
    axes.set_ylabel("relative distance of the results")
    axes.set_xlabel("operation")
    if traced is None:
        _say(axes, "no step was traced in both trainings")
        return
    pairs = traced.parting.pairs
    points = {phase: _points(traced, phase) for phase in PHASES}
    drawn = [y for found in points.values() for _, y in found]
    for phase, found in points.items():
        mark, colour = _MARKS[phase]
        if found:
            axes.plot(*zip(*found, strict=True), mark, ms=3, color=colour, label=phase)
    if drawn:
        axes.set_yscale("log")
        axes.set_ylim(min(drawn) / 30, max(drawn) * 10)
        turned = (lambda y: y / _EPSILON, lambda y: y * _EPSILON)
        axes.secondary_yaxis("right", functions=turned).set_ylabel("in epsilon of float32")
    else:
        axes.set_yticks([])
    _bottom(axes, traced)
    axes.set_xlim(0, max((one.number for one, _ in pairs), default=0) + 1)
    _head(axes, f"step {traced.step}, through the network")


def _bottom(axes: Any, traced: Traced) -> None:
    """Mark the equal operations, those of unknown distance, and the first that differs."""
    high = axes.get_xaxis_transform()
    for words, mark, places in (
        (
            "equal",
            "|",
            [one.number for one, other in traced.parting.pairs if one.made == other.made],
        ),
        ("distance not known", "x", _unknown(traced)),
    ):
        if places:
            axes.plot(
                places, [0.03] * len(places), mark, ms=4, color=_GREY, transform=high, label=words
            )
    first = traced.parting.operation
    if first is not None:
        where = (first.module or "outside of modules")[-30:].replace("$", r"\$")
        label = f"first difference: {first.number}, {where}"
        axes.axvline(first.number, color="black", linestyle=":", linewidth=0.9, label=label)


def _points(traced: Traced, phase: str) -> list[tuple[int, float]]:
    found = []
    for one, _ in traced.parting.pairs:
        distance = traced.distances.get(one.number)
        if one.phase == phase and distance is not None and distance.relative:
            found.append((one.number, max(distance.relative, _LEAST)))
    return found


def _unknown(traced: Traced) -> list[int]:
    far = {number: one for number, one in traced.distances.items() if one and one.relative}
    pairs = [one for one, other in traced.parting.pairs if one.made != other.made]
    return [one.number for one in pairs if one.number not in far]


def _steps(axes: Any, found: Report) -> None:
    """Draw over the steps how far losses, outputs and updates are apart."""
    series = {
        "|loss of A − loss of B| / |loss of A|": (_losses(found), ".-", "#000000"),
        "distance of the parameters": (_parameters(found), "D-", "#CC79A7"),
        "distance of the network's output": (_traced(found, "output"), "o", _MARKS["forward"][1]),
        "largest distance in the update": (_traced(found, "update"), "^", _MARKS["update"][1]),
        "share of the tensors that differ": (_leaves(found), ".-", _GREY),
    }
    drawn = {name: one for name, one in series.items() if one[0]}
    for name, (points, mark, colour) in drawn.items():
        axes.plot(*zip(*points, strict=True), mark, ms=4, lw=0.9, color=colour, label=name)
    axes.set_xlabel("step")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel("relative difference, or share")
    if not drawn:
        _say(axes, "nothing that differs was recorded at any step")
        return
    axes.set_yscale("log")
    if found.steps.parted is not None:
        axes.axvline(
            found.steps.parted, color="black", linestyle=":", linewidth=0.9, label="step of parting"
        )
    _head(axes, "over the steps")


def _losses(found: Report) -> list[tuple[int, float]]:
    points = []
    for step, (a, b) in found.steps.losses.items():
        apart = abs(a - b) / abs(a) if a and math.isfinite(a - b) else 0.0
        if apart:
            points.append((step, min(max(apart, _LEAST), 1e30)))
    return points


def _parameters(found: Report) -> list[tuple[int, float]]:
    return [(step, max(y, _LEAST)) for step, y in found.parameters.items() if y]


def _leaves(found: Report) -> list[tuple[int, float]]:
    return [(step, n / total) for step, (n, total) in found.steps.leaves.items() if n]


def _traced(found: Report, what: str) -> list[tuple[int, float]]:
    """Return the distance, at each traced step, of the network's output or of the update."""
    points = []
    for traced in found.traced:
        lines = [one for one, _ in [*traced.parting.pairs, *traced.parting.modules]]
        root = [one for one in lines if not one.module and one.op == OUTPUT]
        wanted = root if what == "output" else [one for one in lines if one.phase == "update"]
        known = [traced.distances.get(one.number) for one in wanted]
        apart = max((one.relative or 0.0 for one in known if one is not None), default=0.0)
        if apart:
            points.append((traced.step, max(apart, _LEAST)))
    return points


def _head(axes: Any, title: str) -> None:
    rows = -(-len(axes.get_legend_handles_labels()[0]) // _COLUMNS)
    axes.set_title(title, fontsize=9, loc="left", pad=6 + 11 * rows)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 0.99), ncols=_COLUMNS, columnspacing=1.2)


def _say(axes: Any, words: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center")
