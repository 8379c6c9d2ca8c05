"""A study in a terminal: its arms, what is finished, what is not and why."""

import os
from collections.abc import Mapping, Sequence

from mrjax.runs.text import aligned
from mrjax.study import directory
from mrjax.study.records import Arm, Run, Study


def planned(study: Study, runs: Sequence[Run]) -> str:
    """What a plan consists of.

    Args:
        study: the plan.
        runs: all of them.
    """
    counts = {arm.name: [run for run in runs if run.arm == arm.name] for arm in study.arms}
    return _table(study, {name: str(len(found)) for name, found in counts.items()}, "runs")


def status(study_dir: str | os.PathLike[str], study: Study, runs: Sequence[Run]) -> str:
    """How far a study is.

    Args:
        study_dir: the study.
        study: its plan.
        runs: all of them.
    """
    left = {run.workdir for run in directory.unfinished(study_dir, runs)}
    counts: dict[str, str] = {}
    for arm in study.arms:
        own = [run.workdir for run in runs if run.arm == arm.name]
        done = sum(workdir not in left for workdir in own)
        counts[arm.name] = f"{done}/{len(own)}"
    said = [
        f"  {run.arm} {run.label}: {line} ({run.log})"
        for run in sorted(runs, key=lambda run: run.workdir)
        if run.workdir in left and (line := directory.last_line(study_dir, run))
    ]
    begun = ["begun and not finished, with the last line of the log:", *said] if said else []
    total = f"{len(runs) - len(left)} of {len(runs)} runs are finished"
    return "\n".join([_table(study, counts, "done"), total, *begun])


def _table(study: Study, counts: Mapping[str, str], title: str) -> str:
    """One line for each arm."""
    rows = [("arm", "source", "kind", title, "flags")]
    rows += [(a.name, a.source, a.kind, counts[a.name], _flags(study, a)) for a in study.arms]
    return "\n".join(aligned(rows))


def _flags(study: Study, arm: Arm) -> str:
    """What an arm adds, and why it is not run."""
    names = ("python", "resource", "command")
    keys = [f"{name}={getattr(arm, name)}" for name in names if getattr(arm, name)]
    flags = study.baseline if arm.source == "baseline" else arm.flags
    text = " ".join([*flags, *keys])
    return f"NOT RUN: {arm.problem}  ({text})" if arm.problem else text
