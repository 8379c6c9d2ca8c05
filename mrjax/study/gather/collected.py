"""What the run folders of a study hold, in memory: the input of every table, test and figure."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.study.records import BASELINE, CROSSED, Arm, Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """A loss curve, thinned, and where it leaves that of its partner.

    Attributes:
        steps: up to a few hundred of the run's steps, ascending.
        loss: at these steps; nan or infinite where it was.
        partner: label of the baseline's run it is compared with, "" for none.
        difference: absolute difference of the losses at these steps, as far as both go.
        first_step: the first step in which anything differs, 0 if nothing does.
        first_field: what differs first in that step: batch, loss_hex, grads, params, or end.
    """

    steps: np.ndarray
    loss: np.ndarray
    partner: str = ""
    difference: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    first_step: int = 0
    first_field: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unit:
    """One training, or one inference: the unit of every test between arms.

    A cross-validation repeated inside one run folder gives a unit for each repetition.

    Attributes:
        arm: name of the arm.
        label: of the run within the arm.
        part: repetition within the run folder, "" where the run is one unit.
        replicate: number that pairs units of different arms.
        factors: value of each crossed factor, empty unless crossed.
        folder: the run folder.
        training: folder of the training itself: the run folder, or the first fold of a
            cross-validation.
        result: ``result.json`` without what the other fields hold; of ``children`` their number.
        subjects: names of the held-out subjects.
        metrics: metric -> one value for each subject; nan where there is none.
        classical: classical method -> the same; ``baselines`` in ``result.json``.
        digests: ``init``, ``order``, ``data``, ``params``, ``predictions``.
        config_digest: of the settings.
        environment: facts of ``environment.json``, by column of environment.csv.
        curve: of the loss, None where there is no ledger.
        reference: workdir of the run whose network an inference uses, "" otherwise.
    """

    arm: str
    label: str
    part: str
    replicate: int
    factors: Mapping[str, int]
    folder: Path
    training: Path
    result: Mapping[str, Any]
    subjects: tuple[str, ...]
    metrics: Mapping[str, np.ndarray]
    classical: Mapping[str, Mapping[str, np.ndarray]]
    digests: Mapping[str, str]
    config_digest: str
    environment: Mapping[str, str]
    curve: Curve | None = None
    reference: str = ""

    def mean(self, metric: str) -> float:
        """Mean of a metric over the subjects that have a value; nan if none has."""
        values = self.metrics.get(metric, np.zeros(0))
        values = values[~np.isnan(values)]
        return float(values.mean()) if values.size else float("nan")


@dataclasses.dataclass(frozen=True, order=True)
class Problem:
    """Something that is not in the numbers, and why.

    Attributes:
        arm: name of the arm.
        label: of the run, "" where the whole arm is meant.
        what: one line.
    """

    arm: str
    label: str
    what: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collected:
    """All that a study found.

    Attributes:
        study: the plan.
        units: sorted by place of the arm in the plan, label, part.
        problems: arms without runs and runs left out, in order.
        planned: number of planned runs by arm.
    """

    study: Study
    units: tuple[Unit, ...]
    problems: tuple[Problem, ...]
    planned: Mapping[str, int]

    def of(self, arm: str) -> list[Unit]:
        """The units of an arm."""
        return [unit for unit in self.units if unit.arm == arm]

    def arms(self, kind: str) -> list[Arm]:
        """Arms of a kind that have units, without the baseline and the crossed design."""
        present = {unit.arm for unit in self.units} - {BASELINE, CROSSED}
        return [arm for arm in self.study.arms if arm.kind == kind and arm.name in present]

    @property
    def baseline(self) -> list[Unit]:
        """The units that every training arm is compared with."""
        return self.of(BASELINE)


def paired(a: Iterable[Unit], b: Iterable[Unit]) -> list[tuple[Unit, Unit]]:
    """Units of two arms with the same replicate and part, in the order of `a`."""
    partners = {(unit.replicate, unit.part): unit for unit in b}
    found = ((unit, partners.get((unit.replicate, unit.part))) for unit in a)
    return [(unit, partner) for unit, partner in found if partner is not None]


def means(units: Iterable[Unit], metric: str) -> np.ndarray:
    """Run means of a metric, one for each unit."""
    return np.array([unit.mean(metric) for unit in units])
