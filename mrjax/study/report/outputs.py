"""Outputs of the replicates of each arm, compared voxel by voxel for one subject."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mrjax.errors import UserError
from mrjax.study.gather import checkpoints
from mrjax.study.gather.collected import Collected, Unit, paired
from mrjax.study.records import BASELINE
from mrjax.study.report import images
from mrjax.study.statistics import images as statistics

FILES = 400  # read without being asked to
THRESHOLD = 0.01  # of the largest magnitude: a voxel that differs by more counts as changed


@dataclass(frozen=True, kw_only=True, eq=False)
class Voxels:
    """What the outputs of one arm show, for one subject.

    Attributes:
        arm: name of the arm.
        source: of the arm.
        spread: mean and standard deviation over its runs.
        pair: its first run against the baseline's with the same number; None for the baseline.
        weights: the same for the trained weights; None where there are no checkpoints.
    """

    arm: str
    source: str
    spread: statistics.VoxelSpread
    pair: statistics.Differences | None
    weights: statistics.Weights | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Outputs:
    """Voxel-wise comparisons of a study.

    Attributes:
        subject: the one that is compared.
        arms: the baseline first; empty if nothing could be compared.
        remark: what was left out and why, "" if nothing.
    """

    subject: str
    arms: tuple[Voxels, ...]
    remark: str


def compute(collected: Collected, wanted: bool | None = None) -> Outputs:
    """Compare the outputs of all arms for the first subject that has any.

    Args:
        collected: the study.
        wanted: None: unless more than `FILES` files would have to be read.
    """
    baseline = collected.baseline
    arms = [BASELINE, *(arm.name for arm in collected.arms("training"))]
    files = sum(len(collected.of(arm)) for arm in arms)
    if wanted is False or (wanted is None and files > FILES):
        why = "not asked for" if wanted is False else f"{files} files, more than {FILES}"
        return Outputs(subject="", arms=(), remark=f"Images were not compared ({why}).")
    subject = next((s for unit in baseline[:1] for s in unit.subjects if images.find(unit, s)), "")
    if not subject:
        return Outputs(subject="", arms=(), remark="The runs kept no images to compare.")
    found, left_out = [], []
    for arm in arms:
        try:
            found.append(_arm(collected, arm, subject))
        except (UserError, ValueError) as error:
            left_out.append(f"{arm}: {error}")
    remark = f"Left out: {'; '.join(left_out)}." if left_out else ""
    # The first is shown as the baseline: without it there is nothing to show.
    kept = found if found and found[0].arm == BASELINE else []
    return Outputs(subject=subject, arms=tuple(kept), remark=remark)


def _arm(collected: Collected, arm: str, subject: str) -> Voxels:
    own = [u for u in collected.of(arm) if images.find(u, subject)]
    if not own:
        raise ValueError("no images")
    spread = _spread(own, subject)
    pairs = [] if arm == BASELINE else paired(own, collected.baseline)
    pair = weights = None
    if pairs:
        b, a = (images.read(_path(unit, subject)) for unit in pairs[0])
        tau = THRESHOLD * float(np.abs(a).max())
        pair = statistics.differences(a, b, tau=tau, mask=(a != 0) | (b != 0))
        networks = [checkpoints.trained(unit) for unit in reversed(pairs[0])]
        if networks[0] and networks[1]:
            weights = statistics.weights(networks[0], networks[1])
    return Voxels(
        arm=arm,
        source=collected.study.arm(arm).source,
        spread=spread,
        pair=pair,
        weights=weights,
    )


def _spread(units: list[Unit], subject: str) -> statistics.VoxelSpread:
    """Mean and deviation over runs; with one run only the mean means anything."""
    if len(units) > 1:
        return statistics.voxelwise(_magnitudes(units, subject))
    mean = next(_magnitudes(units, subject)).astype(np.float64)
    return statistics.VoxelSpread(n=1, identical=False, mean=mean, sd=np.zeros(mean.shape))


def _path(unit: Unit, subject: str) -> Path:
    path = images.find(unit, subject)
    assert path is not None
    return path


def _magnitudes(units: list[Unit], subject: str) -> Iterator[np.ndarray]:
    for unit in units:
        image = images.read(_path(unit, subject))
        yield np.abs(image) if np.iscomplexobj(image) else image
