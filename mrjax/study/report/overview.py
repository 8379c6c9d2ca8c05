"""The tables around the comparisons: sources, classical methods, speed, what is missing."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrjax.runs.metrics import METRICS
from mrjax.study.gather.collected import Collected, Unit
from mrjax.study.records import BASELINE, Arm
from mrjax.study.report import names
from mrjax.study.report.page import Section
from mrjax.study.report.tables import Column, Table


def sources(collected: Collected) -> Table:
    """Sources and their levels, the baseline's in bold: Oh et al., Fig. 1."""
    columns = (
        Column("source"), Column("arm"), Column("kind"), Column("flags"), Column("runs planned"),
        Column("runs collected"), Column("state"),
    )  # fmt: skip
    groups = names.by_source(collected.study.arms)
    arms = [*groups.get(BASELINE, []), *(a for s, g in groups.items() if s != BASELINE for a in g)]
    rows = [_source_row(collected, arm) for arm in arms]
    return Table(
        "sources",
        "Sources and their levels; bold: baseline",
        columns,
        tuple(rows),
        bold=tuple(number for number, arm in enumerate(arms) if arm.name == BASELINE),
    )


def _source_row(collected: Collected, arm: Arm) -> tuple[Any, ...]:
    flags = collected.study.baseline if arm.name == BASELINE else arm.flags
    planned = collected.planned.get(arm.name, 0)
    got = len({unit.label for unit in collected.of(arm.name)})
    state = arm.problem or ("complete" if got == planned else f"{planned - got} runs missing")
    if not planned and not arm.problem:
        state = "no run of its own"
    name = names.source(arm.source)
    keys = {"python": arm.python, "resource": arm.resource, "command": arm.command}
    own = [*flags, *(f"{key}={value}" for key, value in keys.items() if value)]
    words = " ".join(own) or ("defaults" if arm.name == BASELINE else "as the baseline")
    return name, arm.name, arm.kind, words, planned, got, state


def classical(collected: Collected) -> Table:
    """Network and classical methods on the same subjects, first run of the baseline."""
    units = collected.baseline or list(collected.units)
    metrics = [m for m in METRICS if m in units[0].metrics]
    columns = (Column("method"), *(Column(names.metric(m), ".4f") for m in metrics))
    rows: list[tuple[Any, ...]] = [
        ("network, mean of runs", *(_finite_mean([u.mean(m) for u in units]) for m in metrics))
    ]
    for method, found in units[0].classical.items():
        values = [_finite_mean(found[m]) if m in found else None for m in metrics]
        rows.append((names.CLASSICAL.get(method, method), *values))
    return Table(
        "classical",
        f"{'Baseline' if collected.baseline else 'All runs'}: means over subjects "
        f"({len(units[0].subjects)}) and, for the network, over runs ({len(units)})",
        columns,
        tuple(rows),
    )


def _finite_mean(values: Any) -> float | None:
    array = np.asarray(values, np.float64)
    array = array[~np.isnan(array)]
    return float(array.mean()) if array.size else None


def speed(collected: Collected) -> Table:
    """Time and memory by arm: medians over runs."""
    columns = (
        Column("arm"), Column("kind"), Column("runs"), Column("device"),
        Column("compile [s]", ".1f"), Column("training step [ms]", ".1f"),
        Column("relative to baseline", ".2f"), Column("training [s]", ".1f"),
        Column("inference [s]", ".2f"),
        Column("peak memory [MB]", ".0f"),
    )  # fmt: skip
    reference = _step(collected.baseline)
    rows = []
    for arm in collected.study.arms:
        units = collected.of(arm.name)
        if not units:
            continue
        step = _step(units)
        memory = [u.result["memory_bytes"] for u in units if u.result["memory_bytes"]]
        devices = sorted({u.environment["device"] or u.environment["cpu"] for u in units} - {""})
        rows.append((
            arm.name, arm.kind, len(units), ", ".join(devices) or None,
            _seconds(units, "compile"), step, step / reference if step and reference else None,
            _seconds(units, "train"), _seconds(units, "infer"),
            float(np.median(memory)) / 1e6 if memory else None,
        ))  # fmt: skip
    return Table(
        "speed",
        "Time and memory: medians over runs, as measured during the study (runs side by side on "
        "one machine slow each other down; most runs on a CPU read what an earlier run compiled)",
        columns,
        tuple(rows),
    )


def _step(units: Sequence[Unit]) -> float | None:
    """Median duration of a training step [ms]."""
    # A cross-validation records the seconds of all its folds, but the steps of one.
    each = [
        1e3 * u.result["seconds"]["train"] / (u.result["steps"] * max(u.result["children"], 1))
        for u in units
        if u.result["steps"]
    ]
    return float(np.median(each)) if each else None


def _seconds(units: Sequence[Unit], name: str) -> float:
    return float(np.median([unit.result["seconds"][name] for unit in units]))


def missing(collected: Collected) -> Section:
    """What is not in the numbers, and why."""
    table = _problems(collected)
    return Section(
        "problems",
        "What is missing",
        paragraphs=() if table.rows else ("Every arm ran, and every run was collected.",),
        tables=(table,) if table.rows else (),
    )


def _problems(collected: Collected) -> Table:
    columns = (Column("arm"), Column("run"), Column("why"))
    rows = [(p.arm, p.label or "all", p.what) for p in collected.problems]
    rows += [("several", "", text) for text in mixtures(collected)]
    return Table("problems", "Arms without runs, and runs left out", columns, tuple(rows))


def mixtures(collected: Collected) -> list[str]:
    """What differs between runs though no arm says so; one line each."""
    study, units, found = collected.study, collected.units, []
    metric = names.metric(study.metric)
    sources = {unit.environment["sources"] for unit in units} - {""}
    if len(sources) > 1:
        found.append(f"runs of {len(sources)} versions of the code are mixed")
    resumed = sum(unit.environment["resumed_elsewhere"] != "0" for unit in units)
    if resumed:
        found.append(f"{resumed} runs were continued in another environment than they began in")
    data = {unit.digests["data"] for unit in collected.baseline}
    if len(data) > 1:
        found.append(f"runs of the baseline were made with {len(data)} different sets of data")
    subjects = {unit.subjects for unit in collected.baseline} or {unit.subjects for unit in units}
    foreign = [u for u in units if u.result["experiment"] != study.experiment]
    other = foreign[0].result["experiment"] if foreign else ""
    kinds = {
        "were judged on other subjects than the baseline": [
            u for u in units if u.subjects not in subjects
        ],
        f"have no {metric} and are not compared": [
            u for u in units if np.isnan(u.mean(study.metric))
        ],
        f"have no {metric} for some subjects, so their means are over the others": [
            u for u in units if _gaps(u, study.metric)
        ],
        f"are of {other}, not of {study.experiment}": foreign,
    }
    return found + [
        f"{len(some)} runs {what}, first {some[0].arm} {some[0].label}"
        for what, some in kinds.items()
        if some
    ]


def _gaps(unit: Unit, metric: str) -> bool:
    """Whether some subjects, not all, lack a value."""
    missing = np.isnan(unit.metrics.get(metric, np.zeros(0)))
    return bool(missing.any() and not missing.all())
