"""Every comparison of a study, made once, for tables and figures alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mrjax.config.sources import DRAWS
from mrjax.runs.metrics import METRICS
from mrjax.study.gather.collected import Collected, Unit, means, paired
from mrjax.study.records import BASELINE, INFER_BASELINE, Arm, Study
from mrjax.study.report import names
from mrjax.study.statistics import common, equivalence, multiple, spread, subjects
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


def analyse(collected: Collected) -> Analysis:
    """Make every comparison of a study."""
    study = collected.study
    baseline = _measured(collected.baseline, study.metric)
    groups = names.by_source(collected.arms("training"))
    arms = [arm for group in groups.values() for arm in group]
    runs = means(baseline, study.metric)
    margin = _margin(study, runs)
    effects = [_effect(collected, arm, baseline, margin) for arm in arms]
    found = [effect for effect in effects if effect is not None]
    rng = common.generator(study.seed, BASELINE, "sigma")
    return Analysis(
        collected=collected,
        margin=margin,
        sigma=spread.sigma(runs, rng) if len(runs) else None,
        effects=tuple(_corrected(found)),
        inferences=tuple(_inferences(collected)),
    )


def _margin(study: Study, runs: np.ndarray) -> float | None:
    """Margin of equivalence in the metric's unit, from the runs of the baseline."""
    relative = study.margin_kind == "relative"
    if not len(runs) or not study.margin or (relative and not runs.mean()):
        return None
    return equivalence.margin(study.margin, study.margin_kind, runs)


def _measured(units: Sequence[Unit], metric: str) -> list[Unit]:
    return [unit for unit in units if not np.isnan(unit.mean(metric))]


def _effect(
    collected: Collected, arm: Arm, baseline: list[Unit], margin: float | None
) -> Effect | None:
    study = collected.study
    own = _measured(collected.of(arm.name), study.metric)
    pairs = paired(own, baseline)
    in_pairs = study.pairing == "seed" and bool(pairs)
    a = [unit for _, unit in pairs] if in_pairs else baseline
    b = [unit for unit, _ in pairs] if in_pairs else own
    if not a or not b:
        return None
    x, y = means(a, study.metric), means(b, study.metric)
    level = arm.source not in DRAWS
    lower = not METRICS[study.metric].higher

    def rng(what: str) -> np.random.Generator:
        return common.generator(study.seed, arm.name, what)

    curves = [unit.curve for unit in b if unit.curve is not None and unit.curve.partner]
    return Effect(
        arm=arm,
        runs=y,
        baseline=x,
        paired=in_pairs,
        params=_identity(a, b, "params"),
        predictions=_identity(a, b, "predictions"),
        shift=shifts.shift(x, y, paired=in_pairs) if level else None,
        margin=equivalence.tost(x, y, paired=in_pairs, margin=margin) if level and margin else None,
        better=shifts.better(x, y, paired=in_pairs, lower_is_better=lower, rng=rng("better"))
        if level
        else None,
        spread=spread.spread(x, y, paired=in_pairs, rng=rng("spread")),
        conditional=conditional(a[0], b[0], study.metric),
        pair=(a[0].label, b[0].label),
        first_steps=tuple(curve.first_step for curve in curves),
        first_fields=tuple(curve.first_field for curve in curves if curve.first_step),
    )


def conditional(a: Unit, b: Unit, metric: str) -> subjects.Conditional | None:
    """Question (a) for two networks, over the subjects that both have a value for."""
    first, second = shared(a, b, metric)
    return subjects.conditional(first, second) if len(first) else None


def shared(a: Unit, b: Unit, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """A metric of two units, on the subjects that have it in both."""
    x = dict(zip(a.subjects, a.metrics.get(metric, np.zeros(0)), strict=False))
    y = dict(zip(b.subjects, b.metrics.get(metric, np.zeros(0)), strict=False))
    names = [n for n in x if n in y and not (np.isnan(x[n]) or np.isnan(y[n]))]
    return np.array([x[n] for n in names]), np.array([y[n] for n in names])


def _identity(a: Sequence[Unit], b: Sequence[Unit], what: str) -> identities.Identity:
    return identities.identity([u.digests[what] for u in a], [u.digests[what] for u in b])


def _corrected(effects: list[Effect]) -> list[Effect]:
    """The effects with p-values after Holm's correction, over the arms of either question."""
    shift = multiple.holm({e.arm.name: e.shift.p if e.shift else None for e in effects})
    wide = multiple.holm({e.arm.name: e.spread.p if e.spread else None for e in effects})
    return [replace(e, p_shift=shift[e.arm.name], p_spread=wide[e.arm.name]) for e in effects]


def _inferences(collected: Collected) -> list[Inference]:
    units = {(u.arm, u.label): u for u in collected.units if not u.part}
    metric = collected.study.metric
    found = []
    repeats = collected.of(INFER_BASELINE)
    if collected.study.arm(BASELINE).kind == "inference":  # folders without a plan
        repeats = collected.baseline
    for arm in collected.arms("inference"):
        own = collected.of(arm.name)
        # Without an inference under the baseline's flags, the network's own evaluation.
        _, name, label = ("", "", *own[0].reference.split("/"))[-3:]
        reference = repeats[0] if repeats else units.get((name, label))
        if reference is None:
            continue
        pairs = [shared(reference, unit, metric) for unit in own]
        # Runs that were judged on different subjects cannot be compared.
        if len({len(x) for x, _ in pairs}) != 1 or not len(pairs[0][0]):
            continue
        found.append(
            Inference(
                arm=arm,
                reference=reference,
                predictions=_identity([reference], own, "predictions"),
                changes=np.array([_change(x, y) for x, y in pairs]),
                conditional=conditional(reference, own[0], metric),
            )
        )
    return found


def _change(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Relative change of the metric; the change itself where the metric was 0."""
    return np.divide(y - x, x, out=y - x, where=x != 0)
