"""Every comparison of a study, made once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mrjax.config.sources import DRAWS
from mrjax.runs.metrics import METRICS
from mrjax.study.gather.collected import Collected, Unit, means, paired
from mrjax.study.records import BASELINE, INFER_BASELINE, Arm, Study
from mrjax.study.report import names
from mrjax.study.report.effects import Analysis, Effect, Inference
from mrjax.study.statistics import common, equivalence, multiple, spread, subjects
from mrjax.study.statistics import identity as identities
from mrjax.study.statistics import means as shifts


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
    """Test question (a), whether two given networks differ, over the subjects with a value in both.

    Returns:
        The test; None if no subject has a value in both.
    """
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
