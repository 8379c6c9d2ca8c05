"""How all figures look, and writing them so that the same figure is the same bytes."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import matplotlib

from mrjax.runs import pictures

# Okabe and Ito (2008): told apart with any colour vision, and in grey by the line's form.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, RED, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
GREY = "#777777"

NARROW, WIDE = 3.5, 7.2  # in, one and two columns of a journal
RESOLUTION = 200  # dots/in of PNG

Row = TypeVar("Row")

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine has it
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # text stays text in the PDF
    "image.cmap": "cividis",
    "axes.unicode_minus": True,
}


@contextlib.contextmanager
def figure(folder: Path, name: str, width: float, height: float) -> Iterator[Any]:
    """A figure to draw into, written as ``<name>.png`` and ``<name>.pdf`` at the end.

    Args:
        folder: to write into.
        name: of the files.
        width: of the page [in], `NARROW` or `WIDE`.
        height: of the page [in].

    Yields:
        A matplotlib figure with constrained layout.
    """
    # Whatever the user's matplotlibrc says, the figure is the same.
    settings: dict[Any, Any] = {**matplotlib.rcParamsDefault, **_SETTINGS}
    with matplotlib.rc_context(settings):
        drawn = pictures.figure(width, height)
        yield drawn
        drawn.savefig(folder / f"{name}.png", dpi=RESOLUTION, metadata={"Software": None})
        # The layout is computed once: it takes as long as drawing, and both files must agree.
        drawn.set_layout_engine("none")
        dates = {"CreationDate": None, "ModDate": None}
        drawn.savefig(folder / f"{name}.pdf", metadata=dates)


def pages(name: str, rows: Sequence[Row], most: int) -> Iterator[tuple[str, Sequence[Row]]]:
    """Divide the rows of a figure among pages: each with the name of its file.

    Args:
        name: of the file if one page is enough; else the pages are numbered.
        rows: all of them.
        most: on one page.
    """
    for number, first in enumerate(range(0, len(rows), most), 1):
        yield f"{name}_{number}" if len(rows) > most else name, rows[first : first + most]


def label_rows(axis: Any, labels: Sequence[str], edge: float = 0.6) -> None:
    """Make an axis of rows that have names, from top to bottom, with lines between them.

    Args:
        axis: of matplotlib.
        labels: of the rows at 0, 1 and so on.
        edge: room above the first row and below the last, in rows.
    """
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 1 + edge, -edge)
    rule_rows(axis, len(labels))


def rule_rows(axis: Any, number: int) -> None:
    """Draw lines between rows, in place of ticks."""
    axis.tick_params(axis="y", length=0)
    for place in range(1, number):
        axis.axhline(place - 0.5, color="0.92", linewidth=0.6, zorder=0)


def plain(text: str) -> str:
    """A user's name as text for matplotlib, which takes dollar signs for formulas."""
    return text.replace("$", r"\$")


def colour(place: int) -> str:
    """Colour of the n-th of several things, from 0."""
    return COLOURS[place % len(COLOURS)]


def shade(place: int) -> str:
    """Colour of the n-th of several things, of which the first is the baseline: black."""
    return colour(place - 1) if place else BLACK


def line(place: int) -> Any:
    """Dashes of the n-th of several lines, from 0; not everyone can tell them by colour."""
    return LINES[place % len(LINES)]
