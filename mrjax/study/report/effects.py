"""What the comparisons of a study found, for tables and figures alike."""

from dataclasses import dataclass

import numpy as np

from mrjax.study.gather.collected import Collected, Unit
from mrjax.study.records import Arm, Study
from mrjax.study.report import names
from mrjax.study.statistics import common, equivalence, spread, subjects
from mrjax.study.statistics import identity as identities
from mrjax.study.statistics import means as shifts


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A training arm against the baseline.

    Attributes:
        arm: the arm.
        runs: its run means, [run].
        baseline: run means of the baseline it is compared with, [run].
        paired: whether the two go in pairs.
        params: how the trained networks agree, bit for bit.
        predictions: how the outputs agree.
        shift: question (b); None for a draw, or where nothing can be compared.
        margin: equivalence, question (b); None as above, or without a margin.
        better: how often a run of the arm beats the baseline's; None as above.
        spread: question (c); None where nothing can be compared.
        conditional: question (a), the first pair of networks; None without a common subject.
        pair: labels of that pair.
        p_shift: p of `shift` after Holm's correction over all arms.
        p_spread: p of `spread` after the same.
        first_steps: first step in which a run differs from its partner; 0 for never.
        first_fields: what differed first, for those that do.
    """

    arm: Arm
    runs: np.ndarray
    baseline: np.ndarray
    paired: bool
    params: identities.Identity
    predictions: identities.Identity
    shift: shifts.Shift | None
    margin: equivalence.Equivalence | None
    better: shifts.Better | None
    spread: spread.Spread | None
    conditional: subjects.Conditional | None
    pair: tuple[str, str] = ("", "")
    p_shift: float | None = None
    p_spread: float | None = None
    first_steps: tuple[int, ...] = ()
    first_fields: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Every run repeats its baseline run bit for bit, in weights, outputs and numbers."""
        same = [one.identical or one.pairs == one.pairs_equal is not None for one in self.digests]
        return all(same) and common.identical(self.baseline, self.runs)

    @property
    def digests(self) -> tuple[identities.Identity, identities.Identity]:
        """How networks and outputs agree."""
        return self.params, self.predictions

    @property
    def shifted(self) -> bool:
        """Whether the mean of runs is shifted (p < 0.05 after Holm's correction)."""
        return self.p_shift is not None and self.p_shift < common.ALPHA

    @property
    def wider(self) -> bool:
        """Whether the spread over runs is another one (p < 0.05 after Holm's correction)."""
        return self.p_spread is not None and self.p_spread < common.ALPHA

    @property
    def verdict(self) -> str:
        """Question (b) in a few words."""
        if self.identical:
            return "identical, bit for bit"
        if self.shift is None:
            return "a draw: no level to test"
        words = {
            "identical": "identical numbers",
            "constant": "the same change in every run",
            "too few": "too few runs",
        }
        if self.shift.status in words:
            return words[self.shift.status]
        near = self.margin is not None and self.margin.equivalent
        if self.shifted:
            return "shifted, within the margin" if near else "shifted"
        return "equivalent within the margin" if near else "undecided"


@dataclass(frozen=True, kw_only=True)
class Inference:
    """An inference arm against the network's own outputs.

    Attributes:
        arm: the arm.
        reference: the unit whose outputs should be repeated: the first inference under the
            baseline's flags, or the run that trained the network.
        predictions: how the outputs of all its runs agree with the reference.
        changes: relative change of the metric, [run subject].
        conditional: question (a) for the first run: here the network is given, so it is apt.
    """

    arm: Arm
    reference: Unit
    predictions: identities.Identity
    changes: np.ndarray
    conditional: subjects.Conditional | None

    @property
    def identical(self) -> bool:
        """Every run repeats the reference's outputs, bit for bit."""
        return self.predictions.identical


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """All comparisons of a study.

    Attributes:
        collected: what they were made from.
        margin: of equivalence in the metric's unit; None without a baseline, if the plan has
            none, or if it is a share of nothing.
        sigma: spread of the baseline's runs; None without a baseline.
        effects: of training arms, in the order of their sources.
        inferences: of inference arms.
    """

    collected: Collected
    margin: float | None
    sigma: spread.Sigma | None
    effects: tuple[Effect, ...]
    inferences: tuple[Inference, ...]

    @property
    def study(self) -> Study:
        """The study."""
        return self.collected.study

    @property
    def metric(self) -> str:
        """The metric that is judged, as people read it."""
        return names.metric(self.study.metric)
