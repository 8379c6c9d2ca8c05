"""The comparison in sentences, made from the records."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mrjax.study.compare import settings, speed
from mrjax.study.compare.distances import ALL, APART, Distances
from mrjax.study.compare.sides import DRAWN, Sides
from mrjax.study.gather.collected import Unit
from mrjax.study.records import BASELINE
from mrjax.study.report import names, tables
from mrjax.study.report.effects import Analysis, Effect


def about(sides: Sides) -> list[str]:
    """What is compared, and whether it is fair."""
    sets = zip("AB", (sides.a, sides.b), (BASELINE, sides.arm), strict=True)
    found = [_set(sides, *one) for one in sets]
    n = len(sides.pairs)
    each = [f"{names.DIGESTS[name]} in {sides.equal[name]} of {n}" for name in DRAWN]
    if not sides.shared:
        found.append(
            f"Not all of the {n} pairs share init, order, data: {', '.join(each)}. So the runs "
            "are not compared as pairs, and what they start from is part of the difference."
        )
    else:
        found.append(
            f"{n} of {n} pairs share init, order, data: the digests of initial weights, order of "
            "examples and data are equal strings, and runs of equal label are compared as pairs."
        )
    if sides.settings:
        found.append(
            f"A and B are two methods, since settings differ: {settings.sentence(sides.settings)}. "
            "What is found below is their effect as much as that of how the two compute."
        )
    elif sides.fair:
        found.append("All settings of the method are equal: what differs is how the two compute.")
    return found


def _set(sides: Sides, letter: str, path: str, arm: str) -> str:
    units = sides.collected.of(arm)
    frameworks = ", ".join(sorted({unit.result["framework"] for unit in units}))
    runs = len({unit.label for unit in units})
    return (
        f"{letter}, called {arm} in tables and figures: {runs} runs in {path} ({frameworks}), "
        f"{len(sides.pairs)} of {len(units)} with a partner."
    )


def findings(sides: Sides, analysis: Analysis, distances: Distances) -> list[str]:
    """The results, bit-identity first."""
    effect = analysis.effects[0]
    found = [_identity(sides), *_parting(effect), _shift(analysis, effect)]
    found += [_spread(effect), *_conditional(effect, analysis)]
    return [*found, *_weights(distances), *_speed(sides)]


def _identity(sides: Sides) -> str:
    n = len(sides.pairs)
    return (
        f"Bit for bit: trained weights are equal in {sides.equal['params']} of {n} pairs, outputs "
        f"in {sides.equal['predictions']}."
    )


def _parting(effect: Effect) -> list[str]:
    """When the ledgers part, where there are ledgers."""
    if not effect.first_steps:
        return []
    apart = [step for step in effect.first_steps if step]
    if not apart:
        return [f"The ledgers of all {len(effect.first_steps)} pairs agree in every step."]
    first, last = min(apart), max(apart)
    when = f"in step {first}" if first == last else f"between steps {first} and {last}"
    fields = Counter(names.FIELDS.get(name, name) for name in effect.first_fields)
    what = ", ".join(f"{name} ({count})" for name, count in sorted(fields.items()))
    return [
        f"{len(apart)} of {len(effect.first_steps)} pairs part {when}; what differs there first: "
        f"{what}."
    ]


def _shift(analysis: Analysis, effect: Effect) -> str:
    found, a, b = effect.shift, effect.baseline.mean(), effect.runs.mean()
    start = f"(b) Mean {analysis.metric} of runs: {a:.4g} in A, {b:.4g} in B"
    if found is None and not effect.identical:
        source = names.source(effect.arm.source)
        return f"{start}; not tested, because what differs ({source}) is a draw, not a level."
    if found is None:
        return f"{start}: {effect.verdict}."
    if found.status != "tested":
        return f"{start} ({found.n_baseline} and {found.n_arm} runs): {effect.verdict}."
    return (
        f"{start}; {change(analysis, effect)}, p {_p(found.p)} ({found.test}, {found.n_baseline} "
        f"and {found.n_arm} runs): {effect.verdict}. {equivalence(analysis, effect)}"
    )


def change(analysis: Analysis, effect: Effect) -> str:
    """Change of the mean of runs with its interval, where one was tested."""
    study, found = analysis.study, effect.shift
    assert found is not None and found.low is not None and found.high is not None
    middle, low, high = (
        names.change(study, value, found.baseline)
        for value in (found.difference, found.low, found.high)
    )
    unit = " %" if study.margin_kind == "relative" else ""
    return f"change {middle:+.3g}{unit} (95 % interval {low:+.3g} to {high:+.3g}{unit})"


def equivalence(analysis: Analysis, effect: Effect) -> str:
    """What two one-sided tests say, with their power."""
    study, near = analysis.study, effect.margin
    if near is None or near.equivalent is None or near.power is None:
        return "Equivalence was not tested."
    needed = near.needed if near.needed is not None else "more than a million"
    return (
        f"Equivalence within the margin ({names.margin(study, near.margin)}): "
        f"{'shown' if near.equivalent else 'not shown'}; "
        f"power of that test {near.power:.2f}, runs needed for 0.8: {needed}."
    )


def _spread(effect: Effect) -> str:
    found = effect.spread
    if found is None or found.baseline.sd is None or found.arm.sd is None:
        return "(c) Too few runs to speak of a spread."
    start = (
        f"(c) Standard deviation over runs: {found.baseline.sd:.3g} in A, {found.arm.sd:.3g} in B"
    )
    if found.status != "tested":
        return f"{start}; not tested ({found.status})."
    return f"{start}, {ratio(effect)}, p {_p(found.p)} ({found.test})."


def ratio(effect: Effect) -> str:
    """Return the ratio of the spreads with its interval; the effect must have a spread."""
    found = effect.spread
    assert found is not None
    return (
        f"ratio {found.ratio:.2f} (95 % interval {tables.interval(found.low, found.high, '.2f')})"
    )


def _conditional(effect: Effect, analysis: Analysis) -> list[str]:
    found = effect.conditional
    if found is None or found.p is None:
        return []
    return [
        f"(a) The networks of run {effect.pair[0]} differ by {found.difference:+.3g} "
        f"{analysis.metric} over {found.n} subjects (paired t-test p {_p(found.p)}, Wilcoxon p "
        f"{_p(found.wilcoxon_p)}): conditional on these two trainings."
    ]


def _weights(distances: Distances) -> list[str]:
    if not distances.pairs:
        return ["Weights were not compared: no checkpoints of equal steps."]
    step = distances.steps[-1]
    values, scale = distances.of(ALL, step), distances.scale(ALL)
    if not values:
        return []
    beside = f"; between successive runs of A it is {scale:.2g}" if scale else ""
    apart = [
        f"{kind} {np.median(distances.of(kind, step)):.2g}"
        for kind in APART
        if distances.of(kind, step)
    ]
    tail = f" Without a true gradient, and apart: {', '.join(apart)}." if apart else ""
    return [
        f"Normalised L2 distance of all weights with a gradient after step {step}: "
        f"{np.median(values):.2g} (median of pairs){beside}.{tail}"
    ]


def _speed(sides: Sides) -> list[str]:
    units = [sides.collected.of(arm) for arm in (BASELINE, sides.arm)]
    found, reserved = [], speed.reservation(sides)
    a, b = (medians(side) for side in units)
    if a and b:
        found.append(
            f"A training step (median, without the first) takes {a:.3g} ms in A and {b:.3g} ms in "
            f"B, {b / a:.2f} times as long."
            + (f" That ratio is not meaningful: {reserved}." if reserved else "")
        )
    a, b = (memory(side) for side in units)
    if a and b:
        found.append(
            f"Peak memory: {a / 1e6:.0f} MB in A, {b / 1e6:.0f} MB in B (medians over runs). "
            f"{_measures(units)}"
        )
    return found


def _measures(sides: Sequence[Sequence[Unit]]) -> str:
    """What was counted as memory on either side."""
    a, b = (" or ".join(sorted({_measure(unit) for unit in side})) for side in sides)
    return f"In A and B, memory is {a}." if a == b else f"In A, memory is {a}; in B, {b}."


def _measure(unit: Unit) -> str:
    framework, platform = unit.result["framework"], unit.environment["platform"]
    if framework not in ("jax", "pytorch") or platform not in ("cpu", "gpu"):
        return "what its program recorded"
    if platform == "gpu":
        return "what the framework's allocator had in use on the GPU, without that of libraries"
    # With PyTorch, too, JAX draws initial weights and the order of examples.
    return f"that of the whole process{', JAX in it' if framework == 'pytorch' else ''}"


def medians(units: Sequence[Unit]) -> float | None:
    """Median over runs of the median duration of a step [ms]."""
    return _median([speed.median_step(unit) for unit in units])


def memory(units: Sequence[Unit]) -> float | None:
    """Median over runs of the peak memory [bytes]."""
    return _median([unit.result["memory_bytes"] for unit in units])


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _p(p: float | None) -> str:
    text = tables.show(p, "p")
    return text if text.startswith("<") else f"= {text}"
