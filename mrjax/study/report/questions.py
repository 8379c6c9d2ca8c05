"""The three questions about training as tables; see `mrjax.study.report.words.QUESTIONS`."""

from typing import Any

from mrjax.study.report import names, tables
from mrjax.study.report.effects import Analysis, Effect
from mrjax.study.report.tables import Column, Table
from mrjax.study.statistics.spread import Sigma


def shift_table(analysis: Analysis) -> Table:
    """Question (b): does the source shift the mean of runs?"""
    study = analysis.study
    unit = names.change_label(study)
    form = "+.3g"
    columns = (
        Column("arm"), Column("source"), Column("runs (baseline + arm)"), Column("result"),
        Column(unit, form), Column("95 % interval"), Column("p", "p"), Column("p (Holm)", "p"),
        Column("effect size", "+.2f"), Column("equivalent within margin"),
        Column("power of that test", ".2f"), Column("runs needed for power 0.8"),
        Column("P(arm better)", ".2f"),
    )  # fmt: skip
    rows = []
    for effect in analysis.effects:
        found, near = effect.shift, effect.margin
        if found is None:
            continue
        ends = [
            None if end is None else names.change(study, end, found.baseline)
            for end in (found.low, found.high)
        ]
        tested, same = found.status == "tested", effect.identical
        rows.append((
            effect.arm.name, names.source(effect.arm.source),
            f"{found.n_baseline} + {found.n_arm}{', paired' if effect.paired else ''}",
            effect.verdict, names.change(study, found.difference, found.baseline),
            tables.interval(ends[0], ends[1], form) if tested else None, found.p, effect.p_shift,
            None if same else found.effect_unbiased, _equivalent(near.equivalent if near else None),
            *((None, None) if same or near is None else (near.power, near.needed)),
            effect.better.probability if effect.better and not same else None,
        ))  # fmt: skip
    return Table(
        "effect_training",
        f"(b) Does the source shift the mean? Change of {analysis.metric} against the "
        f"baseline; unit of analysis: mean of a run over subjects",
        columns,
        tuple(rows),
    )


def _equivalent(found: bool | None) -> str | None:
    return None if found is None else "yes" if found else "not shown"


def spread_table(analysis: Analysis) -> Table:
    """Question (c): does the source change the spread over runs?"""
    sigma = analysis.sigma
    columns = (
        Column("arm"), Column("source"), Column("runs"), Column("σ over runs", ".3g"),
        Column("95 % interval (χ²)"), Column("95 % interval (bootstrap)"),
        Column("ratio to baseline", ".2f"), Column("95 % interval of ratio"), Column("p", "p"),
        Column("p (Holm)", "p"), Column("p (Brown-Forsythe)", "p"), Column("test"),
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = []
    if sigma is not None:
        rows.append(("baseline", None, *_sigma(sigma), *[None] * 6))
    for effect in analysis.effects:
        found = effect.spread
        if found is None:
            continue
        test = found.test if found.status == "tested" else _no_test(effect)
        rows.append((
            effect.arm.name, names.source(effect.arm.source), *_sigma(found.arm), found.ratio,
            tables.interval(found.low, found.high, ".2f"), found.p, effect.p_spread,
            found.brown_forsythe_p, test,
        ))  # fmt: skip
    return Table(
        "spread_training",
        f"(c) Does the source change the spread over runs? Standard deviation σ of "
        f"{analysis.metric}; unit of analysis: mean of a run over subjects",
        columns,
        tuple(rows),
        bold=(0,) if sigma is not None else (),
    )


def _sigma(one: Sigma) -> tuple[Any, ...]:
    if not one.sd:
        return one.n, one.sd, None, None
    exact = tables.interval(one.low, one.high, ".3g")
    return one.n, one.sd, exact, tables.interval(one.bootstrap_low, one.bootstrap_high, ".3g")


def _no_test(effect: Effect) -> str:
    assert effect.spread is not None
    if effect.identical:
        return "none: identical, bit for bit"
    words = {
        "identical": "none: identical numbers, or no spread in either",
        "constant": "none: one of the two has no spread",
        "too few": "none: too few runs",
    }
    return words[effect.spread.status]


def conditional_table(analysis: Analysis) -> Table:
    """Question (a): do the first networks of arm and baseline differ?"""
    columns = (
        Column("arm"), Column("source"), Column("runs compared"), Column("subjects"),
        Column(f"change of {analysis.metric}", "+.3g"), Column("95 % interval"),
        Column("p (paired t)", "p"), Column("p (Wilcoxon)", "p"), Column("result"),
    )  # fmt: skip
    rows = []
    for effect in analysis.effects:
        found = effect.conditional
        if found is None:
            continue
        tested = found.status == "tested"
        words = {"tested": "tested", "too few": "too few subjects", "constant": "constant change"}
        rows.append((
            effect.arm.name, names.source(effect.arm.source), " and ".join(effect.pair), found.n,
            found.difference, tables.interval(found.low, found.high, "+.2g") if tested else None,
            found.p, found.wilcoxon_p, words.get(found.status, "identical"),
        ))  # fmt: skip
    return Table(
        "conditional_training",
        "(a) Do these two networks differ? Paired over subjects, conditional on these two "
        "trainings: no statement about the source",
        columns,
        tuple(rows),
    )
