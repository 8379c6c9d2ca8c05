"""A table once, in three forms: CSV with exact numbers, LaTeX and HTML with rounded ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrjax.runs import atomic
from mrjax.study.gather import csvfiles

NOTHING = "–"

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "<": "$<$",
    ">": "$>$",
    "±": r"$\pm$",
    "σ": r"$\sigma$",
    "χ": r"$\chi$",
    "²": "$^2$",
    "…": r"\dots{}",
}


@dataclass(frozen=True)
class Column:
    """How the values of a column are shown.

    Attributes:
        title: with the unit in brackets.
        form: format of numbers, as of `format`; "p" for p-values. CSV is exact regardless.
    """

    title: str
    form: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: of its files.
        title: what it shows, n and unit of analysis included.
        columns: from left to right.
        rows: one value for each column, None where there is none.
        bold: numbers of rows that stand out, such as the baseline.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    bold: tuple[int, ...] = ()

    def shown(self) -> list[list[str]]:
        """The cells as people read them."""
        return [
            [show(value, column.form) for value, column in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]

    def numeric(self) -> list[bool]:
        """For each column, whether all its values are numbers, and one is there."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        return [
            all(isinstance(value, int | float | None) for value in column)
            and any(value is not None for value in column)
            for column in columns
        ]


def show(value: Any, form: str = "") -> str:
    """A value as people read it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return p_value(value) if form == "p" else format(value, form)
    return str(value)


def p_value(p: float) -> str:
    """A p-value with three decimals."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def interval(low: float | None, high: float | None, form: str) -> str | None:
    """An interval in one cell, None if it has no ends (nan: a share of nothing)."""
    if low is None or high is None or math.isnan(low + high):
        return None
    return f"{low:{form}} to {high:{form}}"


def write(folder: Path, tables: Sequence[Table]) -> None:
    """Write every table as ``<name>.csv`` and ``<name>.tex``."""
    for table in tables:
        head = tuple(column.title for column in table.columns)
        atomic.write_text(folder / f"{table.name}.csv", csvfiles.text([head, *table.rows]))
        atomic.write_text(folder / f"{table.name}.tex", latex(table))


def latex(table: Table) -> str:
    r"""A table for LaTeX: a ``table`` with ``\toprule`` and so on, of the package booktabs."""
    head = " & ".join(escaped(column.title) for column in table.columns)
    body = [
        " & ".join(_cell(text, number in table.bold) for text in row)
        for number, row in enumerate(table.shown())
    ]
    # A table of many columns is made as wide as the page; its letters shrink.
    wide = len(table.columns) > 5
    lines = [
        "% needs \\usepackage{booktabs,graphicx}",
        "\\begin{table*}" if wide else "\\begin{table}",
        f"\\caption{{{escaped(table.title)}}}",
        f"\\label{{tab:{table.name}}}",
        *(["\\resizebox{\\textwidth}{!}{%"] if wide else []),
        f"\\begin{{tabular}}{{{''.join('r' if kind else 'l' for kind in table.numeric())}}}",
        "\\toprule",
        f"{head} \\\\",
        "\\midrule",
        # LaTeX would take a bracket or a star at the beginning of a row for an argument.
        *(f"{'{}' if line.startswith(('[', '*')) else ''}{line} \\\\" for line in body),
        "\\bottomrule",
        "\\end{tabular}%\n}" if wide else "\\end{tabular}",
        "\\end{table*}" if wide else "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text for LaTeX; the two hyphens of a flag stay two."""
    pairs = zip(text, f"{text} "[1:], strict=True)
    return "".join("-{}" if a == b == "-" else _LATEX.get(a, a) for a, b in pairs)


def _cell(text: str, bold: bool) -> str:
    return f"\\textbf{{{escaped(text)}}}" if bold else escaped(text)
