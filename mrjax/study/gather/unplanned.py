"""Reads finished runs that no plan describes, from any folders, made by mrjax or not."""

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import records, result
from mrjax.runs.folder import RunFolder
from mrjax.study.gather.collected import Collected, Unit
from mrjax.study.gather.loading import gather
from mrjax.study.plan import options
from mrjax.study.records import BASELINE, Arm, Run, Study

FOREIGN = "other"
"""Source of an arm that no plan describes."""


def load_roots(
    roots: Iterable[str | os.PathLike[str]],
    *,
    baseline: str = "",
    paired: bool = False,
    metric: str = "",
    margin: float = 0.0,
    margin_kind: str = "",
) -> Collected:
    """Read the finished runs in any folders, made by a study or not, by mrjax or not.

    A run folder ``<anything>/<arm>/<label>`` belongs to the arm its parent is called after; arms
    of one name in several roots are one arm.

    Args:
        roots: folders that hold run folders, or are one.
        baseline: the arm that others are compared with; "": ``baseline``, or else the first.
        paired: whether runs with equal labels share their seeds, so that they make pairs.
        metric: that is judged; "": ``nrmse`` if the first run has it, or else its first.
        margin: of equivalence; 0: the usual one of the metric.
        margin_kind: "relative" to the baseline's mean, "absolute", or "" for the metric's.

    Raises:
        UserError: there is no such folder, no finished run in it, no such baseline, or no run
            has the metric.
    """
    every = {path.resolve() for root in roots for path in run_folders(Path(root))}
    found = sorted(path for path in every if RunFolder(path).finished)
    names = sorted({path.parent.name for path in found})
    if not found:
        raise UserError(
            "no finished run found; expected folders that hold a result.json; see mrjax/runs"
        )
    if baseline and baseline not in names:
        raise UserError(
            f"no run of the baseline {baseline!r}; expected one of {', '.join(names)}; "
            "name one of them"
        )
    first = baseline or (BASELINE if BASELINE in names else names[0])
    arms = _arm_names(names, first)
    study = study_of(
        found[0].parent.parent.name or "runs",
        first_result(found),
        [_foreign_arm(name) for name in sorted(arms.values())],
        replicates=max(Counter(path.parent.name for path in found).values()),
        pairing="seed" if paired else "",
        metric=metric,
        margin=margin,
        margin_kind=margin_kind,
    )
    gathered = _with_inference(gather(study, _runs(found, arms)))
    known = sorted({name for unit in gathered.units for name in unit.metrics})
    if metric and metric not in known:
        raise UserError(
            f"no run has the metric {metric}; expected one of these runs' ({', '.join(known)}); "
            "choose it by --metric"
        )
    return gathered


def run_folders(root: Path) -> Iterator[Path]:
    """Run folders below a folder, finished or not, without the children of those.

    Raises:
        UserError: there is no such folder.
    """
    if not root.is_dir():
        raise UserError(
            f"{root} is no folder; expected one that holds run folders; correct the path"
        )
    for folder, below, files in os.walk(root):
        if result.NAME in files or records.CONFIG in files:
            below.clear()
            yield Path(folder)


def first_result(found: Iterable[Path]) -> Mapping[str, Any]:
    """The first result that can be read.

    Raises:
        UserError: none can.
    """
    damage: list[UserError] = []
    for folder in found:
        try:
            return result.read(folder)
        except UserError as error:
            damage.append(error)
    raise damage[0]


def study_of(
    name: str,
    first: Mapping[str, Any],
    arms: Iterable[Arm],
    *,
    replicates: int,
    pairing: str,
    metric: str,
    margin: float,
    margin_kind: str = "",
) -> Study:
    """A study of runs that no plan describes.

    Args:
        name: of the study.
        first: result of one of the runs: its experiment and its metrics.
        arms: of which one is the baseline.
        replicates: most runs of an arm.
        pairing: as in `Study`, "" for runs that do not make pairs.
        metric: as in `load_roots`.
        margin: likewise.
        margin_kind: likewise.
    """
    measured = first["metrics"]
    metric = metric or ("nrmse" if "nrmse" in measured else min(measured, default="nrmse"))
    judged = options.judged("runs", metric, margin or None, margin_kind or None)
    return Study(
        name=name,
        experiment=first["experiment"],
        baseline=(),
        arms=tuple(sorted(arms, key=lambda arm: arm.name != BASELINE)),
        replicates=replicates,
        pairing=pairing,
        cross={},
        seed=0,
        platform="",
        command="",
        **judged._asdict(),
    )


def _with_inference(found: Collected) -> Collected:
    """Mark arms that train nothing as inference, and name the run whose network each run uses."""
    folders = {unit.folder: f"{unit.arm}/{unit.label}" for unit in found.units}

    def resolved(unit: Unit) -> Unit:
        path = Path(unit.reference).resolve()
        run = next((folders[place] for place in (path, *path.parents) if place in folders), "")
        return dataclasses.replace(unit, reference=run)

    training = {unit.arm for unit in found.units if not unit.reference}
    arms = tuple(
        arm if arm.name in training else dataclasses.replace(arm, kind="inference")
        for arm in found.study.arms
    )
    return dataclasses.replace(
        found,
        study=dataclasses.replace(found.study, arms=arms),
        units=tuple(resolved(unit) if unit.reference else unit for unit in found.units),
    )


def _runs(found: list[Path], names: Mapping[str, str]) -> Iterator[Run]:
    """Finished folders as runs; equal arms and labels, from several roots, are numbered."""
    seen: Counter[tuple[str, str]] = Counter()
    labelled = []
    for path in found:
        arm = path.parent.name
        seen[arm, path.name] += 1
        again = seen[arm, path.name]
        labelled.append((arm, path.name + (f"~{again}" if again > 1 else ""), path))
    labels = sorted({label for _, label, _ in labelled})
    place = {label: number for number, label in enumerate(labels)}
    for arm, label, path in labelled:
        yield assembled(names[arm], label, place[label], path)


def assembled(arm: str, label: str, replicate: int, folder: Path) -> Run:
    """A run that no plan describes, made from its folder."""
    return Run(arm=arm, label=label, replicate=replicate, factors={}, argv=(), workdir=str(folder))


def _arm_names(folders: list[str], baseline: str) -> dict[str, str]:
    """Name of a folder of runs -> name of the arm; the baseline is called so in every study."""
    names = {name: f"{name}_" if name == BASELINE else name for name in folders}
    return names | {baseline: BASELINE}


def _foreign_arm(name: str) -> Arm:
    source = BASELINE if name == BASELINE else FOREIGN
    return Arm(name=name, source=source, flags=(), kind="training")
