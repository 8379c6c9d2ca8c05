"""Paragraphs for the methods section of a paper, made from the records alone."""

from collections.abc import Sequence

from mrjax.config.sources import DRAWS
from mrjax.study.gather.collected import Unit
from mrjax.study.report import names
from mrjax.study.report.effects import Analysis
from mrjax.study.statistics import common


def paragraphs(analysis: Analysis) -> list[str]:
    """How the runs were made, where, and how they were compared."""
    return [_design(analysis), _surroundings(analysis.collected.units), _statistics(analysis)]


def _design(analysis: Analysis) -> str:
    collected = analysis.collected
    study, units = collected.study, collected.units
    counts = sorted({unit.result["steps"] for unit in units if unit.result["steps"]})
    steps = f" Trainings took {names.listed(map(str, counts))} steps." if counts else ""
    runs, arms = len({u.folder for u in units}), len({u.arm for u in units})
    subjects = sorted({len(unit.subjects) for unit in units})
    judged = "to".join(f" {n} " for n in dict.fromkeys((subjects[0], subjects[-1])))
    return (
        f"Study {study.name}: {_count(runs, 'run')} of {_count(arms, 'arm')} were collected. "
        f"{_plan(analysis)}{steps} Runs were judged on{judged}held-out subjects by "
        f"{analysis.metric}."
    )


def _plan(analysis: Analysis) -> str:
    """How the runs came about, as far as that is known."""
    study = analysis.study
    if not study.platform:
        pairs = "Runs of equal name were" if study.pairing else "Runs were not"
        return f"They are run folders without a plan. {pairs} compared in pairs."
    program = study.command or f"python -m experiments.{study.experiment}"
    sentences = [
        f"Each run was a process of its own ({' '.join([program, *study.baseline])}, and what the "
        "table of sources says of its arm).",
        *(_levels(analysis) if analysis.collected.baseline else ()),
    ]
    if study.cross:
        levels = ", ".join(f"{name} ({len(values)})" for name, values in study.cross.items())
        sentences.append(f"Crossed factors with number of levels: {levels}.")
    return " ".join([*sentences, f"The order of execution was random (seed {study.seed})."])


def _levels(analysis: Analysis) -> list[str]:
    """How many replicates the arms have, and what these share."""
    study = analysis.study
    pairing = (
        "replicate r of every arm was trained with the same seeds of initialisation and order, "
        "unless the arm sets them"
        if study.pairing == "seed"
        else "all seeds were equal in all runs, so only repetition distinguishes replicates"
    )
    return [f"Up to {_count(study.replicates, 'replicate')} an arm; {pairing}."]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _surroundings(units: Sequence[Unit]) -> str:
    def each(name: str, what: str = "") -> str:
        values = sorted({u.environment[name] for u in units} - {""})
        more = "; and more" if len(values) > 6 else ""
        return "; ".join(values[:6]) + more or f"{what}not recorded"

    levels = names.listed(sorted({u.result["level"].replace("_", " ") for u in units}))
    hosts = len({u.environment["host"] for u in units} - {""})
    code = sorted({u.environment["commit"][:10] for u in units} - {""})
    changed = any(u.environment["diff"] for u in units)
    return (
        f"Frameworks: {names.listed(sorted({u.result['framework'] for u in units}))} with "
        f"{each('versions', 'versions ')} under Python {each('python')}. Devices: {each('device')} "
        f"(CPU {each('cpu')}, {each('threads')} threads) on "
        f"{_count(hosts, 'host')}. XLA flags as the "
        f"backend saw them: {each('flags')}. Level of determinism: {levels}. Code: commit "
        f"{names.listed(code) or 'not recorded'}{' with uncommitted changes' if changed else ''}."
    )


def _statistics(analysis: Analysis) -> str:
    study = analysis.study
    start = (
        "Bit-identity was decided by sha256 digests of weights and outputs before any test. Unit "
        "of analysis: the mean of a run over its subjects."
    )
    end = f"Intervals by resampling have {common.RESAMPLES} draws, seeded by the study."
    if study.cross:
        start += (
            " Variance over runs was divided among the crossed factors by analysis of variance of "
            "the balanced design with random effects (method of moments; negative estimates are "
            "reported as 0), with generalised confidence intervals."
        )
    if not analysis.effects:
        return f"{start} {end}"
    tested = [e for e in analysis.effects if e.shift is not None and e.shift.p is not None]
    draws = ", ".join(names.source(name) for name in DRAWS)
    mean, scatter = _tests(analysis)
    return (
        f"{start} Identical arms were not tested. Shifts of the mean: {mean}, effect sizes "
        f"without small-sample bias; equivalence: {_margin(analysis)}; spread: "
        f"standard deviations over runs with chi-square intervals, {scatter}, and the "
        "Brown-Forsythe test. Not tested for a shift, because their levels are draws: "
        f"{draws}. All tests but those of equivalence are two-sided, all at the level of "
        f"{common.ALPHA:g}; p-values of {_count(len(tested), 'shift')} were "
        "corrected by Holm's method over arms, those of spreads likewise. Comparisons of two "
        "networks over subjects (paired t-test, Wilcoxon) are conditional on these two "
        f"trainings. {end}"
    )


def _tests(analysis: Analysis) -> tuple[str, str]:
    """Tests of mean and spread that were made: whether runs made pairs is known arm by arm."""
    words = {
        True: ("paired t-tests over runs", "Pitman and Morgan's test for pairs"),
        False: ("Welch's t-test over runs", "the F test of variances"),
    }
    kinds = {effect.paired for effect in analysis.effects}
    made = [both for kind, both in words.items() if kind in kinds]
    mean, scatter = (" or, for arms without pairs, ".join(each) for each in zip(*made, strict=True))
    return mean, scatter


def _margin(analysis: Analysis) -> str:
    if analysis.margin is None:
        return "not tested, for want of a margin"
    return (
        f"two one-sided t-tests with a margin of {names.margin(analysis.study, analysis.margin)} "
        f"({analysis.metric}), with the power at no true difference"
    )
