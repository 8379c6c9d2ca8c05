"""The report's prose, made from the records: what was found, how, and what the questions mean."""

from collections.abc import Sequence

from mrjax.config.sources import DRAWS
from mrjax.study.gather.collected import Collected, Unit
from mrjax.study.report import identity, names, shares
from mrjax.study.report.effects import Analysis, Effect
from mrjax.study.statistics import common

QUESTIONS = (
    (
        "(a) Do these two networks differ?",
        "Two trained networks are compared subject by subject (paired t-test, Wilcoxon). The "
        "answer holds for these two networks only: it is conditional on these two trainings. Two "
        "trainings that differ in nothing but chance also give two different networks, and with "
        "enough subjects this test finds that. It is the test of the papers this study follows, "
        "and it says nothing about a source. It is the right question in inference, where the "
        "network is given.",
    ),
    (
        "(b) Does the source shift the mean?",
        "The unit is a training: each run gives one number, its mean over subjects, and n is the "
        "number of runs. A difference is called shifted if its p-value stays below 0.05 after "
        "Holm's correction over all arms. To find no difference is not to show that there is "
        "none: two one-sided tests (TOST) say whether the mean lies within the margin of "
        "equivalence, and the power of that test says how likely this design was to show it. "
        "Where neither holds, the result is undecided.",
    ),
    (
        "(c) Does the source change the spread over runs?",
        "The standard deviation over runs is what a reader who trains the network again must "
        "expect. Initial weights, mini-batch order and mere repetition are draws, not levels: "
        "there is no mean effect of a seed, so they have this question only.",
    ),
)


def findings(analysis: Analysis) -> list[str]:
    """The results in sentences, identical arms first."""
    study, effects = analysis.study, analysis.effects
    found = []
    sigma = analysis.sigma
    if sigma is not None and sigma.identical:
        found.append(f"All {sigma.n} runs of the baseline have the same mean {analysis.metric}.")
    elif sigma is not None and sigma.sd is not None:
        found.append(
            f"Over {sigma.n} runs of the baseline, {analysis.metric} is {sigma.mean:.4g} with "
            f"a standard deviation of {sigma.sd:.2g} (95 % interval {sigma.low:.2g} to "
            f"{sigma.high:.2g}), {100 * sigma.sd / abs(sigma.mean):.2g} % of it."
        )
    verdicts = {
        "identical, bit for bit": "Identical to the baseline, bit for bit, in every pair of runs",
        "identical numbers": "Not identical, but with the same means of runs",
        "the same change in every run": "Changes every run by the same amount",
        "shifted": "Shifts the mean (p < 0.05 after Holm)",
        "shifted, within the margin": "Shifts the mean (p < 0.05 after Holm), but by less than "
        "the margin of equivalence",
        "equivalent within the margin": "Not identical, but shown equivalent within the margin",
        "undecided": "Undecided: neither a shift nor equivalence could be shown with this many "
        "runs",
        "too few runs": "Too few runs to say",
    }
    groups = {text: [e for e in effects if e.verdict == v] for v, text in verdicts.items()}
    found += [f"{text}: {names.listed(e.arm.name for e in g)}." for text, g in groups.items() if g]
    wider = [_ratio(effect) for effect in effects if effect.wider]
    if wider:
        found.append(f"Changes the spread over runs (p < 0.05 after Holm): {names.listed(wider)}.")
    for identical, word in ((True, "is identical"), (False, "differs")):
        some = [one.arm.name for one in analysis.inferences if one.identical == identical]
        if some:
            found.append(f"Inference with a trained network {word} under: {names.listed(some)}.")
    found += _crossed(analysis.collected)
    missing = [arm.name for arm in study.arms if arm.problem]
    if missing:
        found.append(f"Not run here (reasons below): {names.listed(missing)}.")
    return found


def _ratio(effect: Effect) -> str:
    """An arm whose spread differs, and how much: a test of many pairs finds any difference."""
    assert effect.spread is not None
    return f"{effect.arm.name} ({effect.spread.ratio:.3g} times the baseline's)"


def _crossed(collected: Collected) -> list[str]:
    """What a crossed design found."""
    repeated, same = identity.repeats(collected)
    found = []
    if repeated:
        found.append(
            f"Trainings repeated with equal seeds gave the same network, bit for bit, in {same} of "
            f"{repeated} combinations of seeds."
        )
    divided = shares.compute(collected)
    if isinstance(divided, str):
        return found
    parts = (
        f"{one.name} {100 * one.share:.0f} % ({100 * one.low:.0f} to {100 * one.high:.0f} %)"
        for one in divided.components
    )
    return [*found, f"Shares of the variance over runs, with 95 % intervals: {', '.join(parts)}."]


def methods(analysis: Analysis) -> list[str]:
    """Paragraphs for the methods section of a paper, from the records alone."""
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
