"""Reads the run folders of a study, each file once."""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

from mrjax.errors import UserError
from mrjax.runs.folder import RunFolder
from mrjax.study.gather import ledgers, reading
from mrjax.study.gather.collected import Collected, Problem, Unit
from mrjax.study.records import BASELINE, Run, Study, read_runs, read_study


def load(study_dir: str | os.PathLike[str]) -> Collected:
    """Read what a study has found so far.

    Args:
        study_dir: a planned study.

    Returns:
        The units of all finished runs; unfinished and damaged ones are named in `problems`.

    Raises:
        UserError: there is no study, or none of its runs is finished.
    """
    root = Path(study_dir)
    return gather(read_study(root), read_runs(root), root)


def gather(study: Study, runs: Iterable[Run], root: Path | None = None) -> Collected:
    """Read the run folders of a study that was planned, or assembled from runs made before it.

    Args:
        study: the study; the order of its arms is that of the units returned.
        runs: the runs of the study.
        root: the directory of a planned study; None for an assembled study, in which the `workdir`
            of each run says where its folder is.

    Raises:
        UserError: none of the runs is finished.
    """
    problems = [Problem(arm.name, "", arm.problem) for arm in study.arms if arm.problem]
    order = {arm.name: place for place, arm in enumerate(study.arms)}
    planned: dict[str, int] = {}
    units: list[Unit] = []
    partners = _Partners(study)
    # The baseline first, because the others' curves are compared with its.
    for run in sorted(runs, key=lambda run: (order.get(run.arm, -1), run.label)):
        planned[run.arm] = planned.get(run.arm, 0) + 1
        folder = Path(root or "", run.workdir)
        try:
            if not RunFolder(folder).finished:
                raise UserError(_unfinished(root / run.log if root else None))
            for unit, ledger in reading.read(folder, run, planned=root is not None):
                units.append(partners.with_curve(unit, ledger))
        except UserError as error:
            problems.append(Problem(run.arm, run.label, str(error)))
    if not units:
        why = next((f" ({p.arm} {p.label}: {p.what})" for p in problems if p.label), "")
        raise UserError(
            f"the study {study.name} has no finished run{why}; expected at least one; "
            "run experiments.study run first"
        )
    return Collected(
        study=study, units=tuple(units), problems=tuple(sorted(problems)), planned=planned
    )


class _Partners:
    """Ledgers of the baseline, kept whole until all others have been compared with them."""

    def __init__(self, study: Study) -> None:
        self._pairing = study.pairing
        self._kept: dict[tuple[int, str], tuple[str, ledgers.Columns]] = {}

    def with_curve(self, unit: Unit, columns: ledgers.Columns | None) -> Unit:
        """The unit with its curve, if it has a ledger."""
        if columns is None:
            return unit
        first = next(iter(self._kept.values()), ("", None))
        if unit.arm == BASELINE:
            # With equal seeds, replicates of the baseline should repeat its first.
            label, partner = first if self._pairing == "repetition" else ("", None)
            self._kept[unit.replicate, unit.part] = unit.label, columns
        else:
            label, partner = self._kept.get((unit.replicate, unit.part), ("", None))
        return dataclasses.replace(unit, curve=ledgers.curve(columns, partner, label))


def _unfinished(log: Path | None) -> str:
    """Why a run has no result, as far as its log tells."""
    if log is None:
        return "not finished"
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "not finished: it has no log, so it was not started"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"not finished; its log ends: {lines[-1][:300]}" if lines else "not finished"
