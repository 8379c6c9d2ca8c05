"""Tables: exact in CSV, rounded and escaped elsewhere."""

import csv
import io

import pytest

from mrjax.study.report import tables
from mrjax.study.report.tables import Column, Table

TABLE = Table(
    "t",
    "50 % of a_b",
    (Column("arm"), Column("change [%]", "+.2f"), Column("p", "p"), Column("same")),
    (("x_1 & y", 1 / 3, 0.0004, True), ("<b>", None, 0.25, False)),
    bold=(1,),
)


def test_csv_is_exact_and_people_see_rounded_numbers(tmp_path):
    tables.write(tmp_path, [TABLE])
    rows = list(csv.reader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert rows[0] == ["arm", "change [%]", "p", "same"]
    assert float(rows[1][1]) == 1 / 3 and rows[2][1] == ""
    assert TABLE.shown() == [["x_1 & y", "+0.33", "<0.001", "yes"], ["<b>", "–", "0.250", "no"]]


def test_latex_is_escaped_and_uses_booktabs():
    text = tables.latex(TABLE)
    assert r"\caption{50 \% of a\_b}" in text
    assert r"x\_1 \& y & +0.33 & $<$0.001 & yes \\" in text
    assert r"\textbf{$<$b$>$} & \textbf{--}" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")
    assert r"\begin{tabular}{lrrr}" in text


def test_latex_keeps_flags_greek_letters_and_odd_names():
    assert tables.escaped("--a=-1 (χ²) – …") == r"-{}-a=-1 ($\chi$$^2$) -- \dots{}"
    assert tables.escaped("---") == "-{}-{}-"
    assert tables.escaped("") == ""
    text = tables.latex(Table("t", "t", (Column("arm"),), (("[x]",), ("* y",), ("z",))))
    assert "\n{}[x] \\\\\n{}* y \\\\\nz \\\\\n" in text


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (None, "", "–"),
        (float("nan"), ".2f", "–"),
        (3, "", "3"),
        (0.0, "p", "<0.001"),
        (1, "p", "1.000"),
    ],
)
def test_what_people_see(value, form, shown):
    assert tables.show(value, form) == shown


def test_an_interval_without_an_end_is_none():
    assert tables.interval(None, 1.0, ".1f") is None
    assert tables.interval(float("nan"), 1.0, ".1f") is None
    assert tables.interval(-1, 1.0, "+.1f") == "-1.0 to +1.0"
