"""The report's findings in sentences, made from the records, and what the questions mean."""

from mrjax.study.gather.collected import Collected
from mrjax.study.report import identity, names, shares
from mrjax.study.report.effects import Analysis, Effect

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
