"""The summary of a repeated cross-validation: medians with intervals, a table, box plots."""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mrjax.runs import atomic, digests, result
from mrjax.runs.folder import RunFolder
from mrjax.tasks.breast.config import Config

COLUMNS = ("Repetition", "DSC [%]", "LB", "UB")
LEVEL = 0.95


class Interval(NamedTuple):
    """A median and its confidence interval, which is None for too few values."""

    median: float
    lower: float | None
    upper: float | None


def interval(values: Sequence[float]) -> Interval:
    """Return the median with a 95 % interval between two of the values, for any distribution.

    Args:
        values: one value for each patient; fewer than six values have no such interval.

    Returns:
        Median, lower and upper bound.

    Source: the binomial argument for order statistics (Conover, Practical Nonparametric
    Statistics, 3.2), as scipy.stats.quantile_test computes it.
    """
    from scipy import stats

    found = stats.quantile_test(list(values), p=0.5).confidence_interval(LEVEL)
    bounds = [float(b) if math.isfinite(b) else None for b in (found.low, found.high)]
    return Interval(statistics.median(values), *bounds)


class Repetitions(NamedTuple):
    """Dice of the network and of the threshold, by repetition and patient."""

    patients: list[str]
    network: list[list[float]]
    threshold: list[list[float]]


def write(folder: RunFolder, config: Config, names: Sequence[str]) -> str:
    """Write table, box plots and, last, the result of a cross-validation.

    Args:
        folder: open run folder of the cross-validation.
        config: configuration of the cross-validation.
        names: names of all children, which are finished, repetition by repetition.

    Returns:
        Text to print.
    """
    from mrjax.tasks.breast.figures import boxes  # matplotlib takes a second

    found = [result.read(folder.path / name) for name in names]
    gathered = gather(found, config.folds)
    intervals = [interval(values) for values in gathered.network]
    atomic.write_text(folder.path / "table.csv", as_csv(intervals))
    atomic.write_text(folder.path / "table.tex", as_tex(intervals))
    boxes(folder.images / "repetitions.png", gathered.network, gathered.threshold[0])
    result.write(folder.path, _content(config, names, found, gathered, intervals))
    return f"{as_text(gathered, intervals)}\nfinished: {folder.path}"


def gather(found: Sequence[Mapping[str, Any]], folds: int) -> Repetitions:
    """Join the folds of every repetition.

    Args:
        found: results of all children, repetition by repetition.
        folds: number of children of a repetition.

    Returns:
        Dice of every patient; every repetition has the patients in the order of their names.
    """
    parts = [found[first : first + folds] for first in range(0, len(found), folds)]
    patients = sorted(name for fold in parts[0] for name in fold["subjects"])
    network, threshold = (
        [_dice(part, method, patients) for part in parts] for method in ("network", "threshold")
    )
    return Repetitions(patients, network, threshold)


def _dice(part: Sequence[Mapping[str, Any]], method: str, patients: Sequence[str]) -> list[float]:
    """Return the Dice of every patient in one repetition."""
    found: dict[str, float] = {}
    for fold in part:
        table = fold["metrics"] if method == "network" else fold["baselines"][method]
        found |= zip(fold["subjects"], table["dice"], strict=True)
    return [found[patient] for patient in patients]


def _content(
    config: Config,
    names: Sequence[str],
    found: Sequence[Mapping[str, Any]],
    gathered: Repetitions,
    intervals: Sequence[Interval],
) -> dict[str, Any]:
    by_patient = {
        method: dict(zip(gathered.patients, zip(*rows, strict=True), strict=True))
        for method, rows in (("network", gathered.network), ("threshold", gathered.threshold))
    }
    memory = [f["memory_bytes"] for f in found if f["memory_bytes"] is not None]
    return {
        "schema_version": result.SCHEMA_VERSION,
        "experiment": "breast",
        "framework": found[0]["framework"],
        "level": found[0]["level"],
        "steps": config.steps,
        "subjects": [f"repetition_{r:03d}" for r in range(config.repetitions)],
        "metrics": {"dice": [i.median for i in intervals]},
        "baselines": {"threshold": {"dice": [statistics.median(v) for v in gathered.threshold]}},
        "digests": {d: digests.combine(f["digests"][d] for f in found) for d in result.DIGESTS},
        "seconds": _seconds(found),
        "memory_bytes": max(memory, default=None),
        "children": list(names),
        **_load(found),
        "extra": {
            "dice_lower": [i.lower for i in intervals],
            "dice_upper": [i.upper for i in intervals],
            "patients": {m: {p: list(v) for p, v in t.items()} for m, t in by_patient.items()},
        },
    }


def _seconds(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Add the phases over the folds; a phase that older folds lack only if all folds have it."""
    every = all(result.CLASSICAL in f["seconds"] for f in found)
    phases = (*result.SECONDS, *((result.CLASSICAL,) if every else ()))
    return {phase: sum(f["seconds"][phase] for f in found) for phase in phases}


def _load(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the largest loads of the folds, if all folds have recorded theirs."""
    loads = [f["load"] for f in found if "load" in f]
    if len(loads) < len(found):
        return {}
    cores = {"cores": min(one["cores"] for one in loads)}
    return {"load": cores | {k: max(one[k] for one in loads) for k in ("begin", "end")}}


def _rows(intervals: Sequence[Interval]) -> list[list[str]]:
    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.2f}"

    return [[f"Rep.{r:02d}", *(percent(v) for v in i)] for r, i in enumerate(intervals, 1)]


def as_csv(intervals: Sequence[Interval]) -> str:
    """Return the paper's table as comma-separated values, in per cent."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *_rows(intervals)])
    return text.getvalue()


def as_tex(intervals: Sequence[Interval]) -> str:
    """Return the paper's table for LaTeX."""
    head = " & ".join(COLUMNS).replace("%", "\\%")
    body = [" & ".join(row) + " \\\\" for row in _rows(intervals)]
    lines = ["\\begin{tabular}{lrrr}", "\\hline", f"{head} \\\\", "\\hline", *body, "\\hline"]
    return "\n".join([*lines, "\\end{tabular}"]) + "\n"


def as_text(gathered: Repetitions, intervals: Sequence[Interval]) -> str:
    """Return the paper's table for a terminal, with a last row for the threshold."""
    rows = [list(COLUMNS), *_rows(intervals)]
    threshold = interval(gathered.threshold[0])
    rows += [["threshold", *_rows([threshold])[0][1:]]]
    lines = [f"{row[0]:<12}" + "".join(f"{cell:>9}" for cell in row[1:]) for row in rows]
    if intervals[0].lower is None:
        count = len(gathered.patients)
        lines.append(f"{count} patients are too few for a {LEVEL:.0%} interval of their median")
    return "\n".join(lines)
