"""Finds two sets of runs, matches them by label, and refuses those that cannot be compared."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mrjax.errors import UserError
from mrjax.runs import result
from mrjax.runs.folder import RunFolder
from mrjax.study.compare import settings, surroundings
from mrjax.study.gather import loading, unplanned
from mrjax.study.gather.collected import Collected, Unit, paired
from mrjax.study.records import BASELINE, Arm

DRAWN = ("init", "order", "data")
"""Digests of what runs start from."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sides:
    """Two sets of runs.

    Attributes:
        a: end of the path of the first set, which is the baseline of all comparisons.
        b: end of the path of the second.
        collected: the units of both; those of the second are of the arm `arm`.
        pairs: units of A and B with equal labels.
        equal: digest -> number of pairs in which it is the same string.
        settings: of the method, with unequal values in a pair: their values in A and in B.
    """

    a: str
    b: str
    collected: Collected
    pairs: tuple[tuple[Unit, Unit], ...]
    equal: Mapping[str, int]
    settings: Mapping[str, tuple[str, str]]

    @property
    def arm(self) -> str:
        """Name of the arm that the second set is."""
        return self.collected.study.arms[1].name

    @property
    def shared(self) -> bool:
        """Whether both runs of every pair start from the same weights, order and data."""
        return all(self.equal[name] == len(self.pairs) for name in DRAWN)

    @property
    def fair(self) -> bool:
        """Whether, besides, all settings of the method are equal: only the arithmetic differs."""
        return self.shared and not self.settings


def load(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    metric: str = "",
    margin: float = 0.0,
    margin_kind: str = "",
) -> Sides:
    """Read two sets of runs.

    Args:
        a: folder that holds run folders, or is one: the baseline.
        b: another one. A run's label is its path below the folder.
        metric: that is judged; "": ``nrmse`` if the first run has it, or else its first.
        margin: of equivalence; 0: the usual one of the metric.
        margin_kind: as in `mrjax.study.gather.unplanned.load_roots`.

    Returns:
        The finished runs of both; unfinished and damaged ones are named in the problems.

    Raises:
        UserError: there is no such folder, nothing finished in one of them, no label in both, or
            the runs are of different experiments, subjects or metrics.
    """
    roots = Path(a), Path(b)
    found = [_labelled(root) for root in roots]
    _check_labels(roots, found)
    labels = sorted(set(found[0]) | set(found[1]))
    arms = (BASELINE, _arm_name(*(root.resolve().name for root in roots)))
    runs = [
        unplanned.assembled(arm, label, labels.index(label), side[label])
        for arm, side in zip(arms, found, strict=True)
        for label in side
    ]
    study = unplanned.study_of(
        f"{arms[1]} against {roots[0].resolve().name}",
        unplanned.first_result(path for path in found[0].values() if RunFolder(path).finished),
        [Arm(name=arm, source=BASELINE, flags=(), kind="training") for arm in arms],
        replicates=max(map(len, found)),
        pairing="",
        metric=metric,
        margin=margin,
        margin_kind=margin_kind,
    )
    return _matched(roots, loading.gather(study, runs))


def _labelled(root: Path) -> dict[str, Path]:
    return {path.relative_to(root).as_posix(): path for path in unplanned.run_folders(root)}


def _check_one_arm(root: Path, labels: Iterable[str]) -> None:
    arms = sorted({label.rpartition("/")[0] for label in labels})
    if len(arms) > 1:
        raise UserError(
            f"{root} holds runs in several folders ({', '.join(arms[:4])}); expected those of one "
            "arm; name its folder, such as STUDY/runs/ARM"
        )


def _check_labels(roots: Sequence[Path], found: Sequence[Mapping[str, Path]]) -> None:
    done = [{label for label, path in side.items() if RunFolder(path).finished} for side in found]
    for root, labels in zip(roots, done, strict=True):
        _check_one_arm(root, labels)
        if not labels:
            raise UserError(
                f"no finished run in {root}; expected run folders that hold a result.json; finish "
                "the runs, or correct the path"
            )
    if not done[0] & done[1]:
        first, second = (", ".join(sorted(labels)[:3]) for labels in done)
        raise UserError(
            f"no label is in both sets ({first} in {roots[0]}, {second} in {roots[1]}); expected "
            "finished runs of equal names; name the folders that hold the runs"
        )


def _arm_name(first: str, second: str) -> str:
    """Name of the second set; A is called baseline in every report."""
    return "B" if second in (first, BASELINE) else second


def _matched(roots: Sequence[Path], collected: Collected) -> Sides:
    """The sides, with the pairing and the source that their records show."""
    arms = collected.study.arms
    units = [collected.of(arm.name) for arm in arms]
    _check_experiments(roots, units)
    pairs = tuple((a, b) for b, a in paired(units[1], units[0]))
    if not pairs:
        raise UserError(
            f"no pair of runs could be read (first: {collected.problems[0].what}); expected runs "
            "of equal names in both sets; repeat those that are damaged"
        )
    _check_pairs(pairs, collected.study.metric)
    equal = {
        name: sum(a.digests[name] == b.digests[name] for a, b in pairs) for name in result.DIGESTS
    }
    ends = ("/".join(root.resolve().parts[-3:]) for root in roots)
    sides = Sides(
        a=next(ends),
        b=next(ends),
        collected=collected,
        pairs=pairs,
        equal=equal,
        settings=settings.of_method(pairs),
    )
    study = dataclasses.replace(
        collected.study,
        arms=(arms[0], dataclasses.replace(arms[1], source=surroundings.source(pairs))),
        pairing="seed" if sides.shared else "",
    )
    return dataclasses.replace(sides, collected=dataclasses.replace(collected, study=study))


def _check_experiments(roots: Sequence[Path], units: Sequence[Sequence[Unit]]) -> None:
    names = [sorted({unit.result["experiment"] for unit in side}) for side in units]
    if len({*names[0], *names[1]}) > 1:
        raise UserError(
            f"{roots[0]} holds runs of {', '.join(names[0])}, {roots[1]} of "
            f"{', '.join(names[1])}; expected one experiment; compare like with like"
        )


def _check_pairs(pairs: Sequence[tuple[Unit, Unit]], metric: str) -> None:
    for a, b in pairs:
        if a.subjects != b.subjects:
            raise UserError(
                f"{a.folder} and {b.folder} were judged on different subjects ({a.subjects[0]} "
                f"and {len(a.subjects) - 1} more, {b.subjects[0]} and {len(b.subjects) - 1} more); "
                "expected the same; compare runs of the same data"
            )
    if all(np.isnan(a.mean(metric)) or np.isnan(b.mean(metric)) for a, b in pairs):
        known = sorted(set(pairs[0][0].metrics) & set(pairs[0][1].metrics))
        raise UserError(
            f"no pair of runs has {metric} in both; expected a metric of these runs "
            f"({', '.join(known) or 'none'}); choose it by --metric"
        )
