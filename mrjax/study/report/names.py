"""Words for what the records call by short names."""

from collections.abc import Iterable, Mapping

from mrjax.config import sources
from mrjax.runs.metrics import METRICS
from mrjax.study.records import Arm, Study

SOURCES = {
    **{name: source.words for name, source in sources.SOURCES.items()},
    "baseline": "baseline",
    "crossed": "crossed design",
    sources.OTHER: "other",
}

DIGESTS = {
    "init": "initial weights",
    "order": "order of examples",
    "data": "data",
    "params": "trained weights",
    "predictions": "outputs",
}

FIELDS = {"loss_hex": "loss", "grads": "gradients", "params": "parameters", "end": "length"}
"""Words for what differs first between two ledgers; others keep their names."""

CLASSICAL = {
    "tkd": "TKD",
    "l2": "L2 regularisation",
    "zero_filled": "zero-filled",
    "cg_sense": "CG-SENSE",
    "threshold": "threshold",
}


def source(name: str) -> str:
    """A source in the words of the field."""
    return SOURCES.get(name, name)


def metric(name: str) -> str:
    """A metric, with its unit where it has one."""
    return METRICS[name].words if name in METRICS else name


def change_label(study: Study) -> str:
    """Axis label of a change against the baseline, with its unit."""
    if study.margin_kind == "relative":
        return f"change of {metric(study.metric)} [% of baseline]"
    return f"change of {metric(study.metric)}"


def change(study: Study, value: float, baseline: float) -> float:
    """A difference in the metric's unit as a change in the unit of `change_label`."""
    if study.margin_kind != "relative":
        return value
    return 100 * value / baseline if baseline else float("nan")


def margin(study: Study, value: float) -> str:
    """A margin of equivalence in the metric's unit, and the share of the baseline that it is."""
    relative = study.margin_kind == "relative"
    share = f"{100 * study.margin:g} % of the baseline's mean, " if relative else ""
    return f"{share}{value:.3g}"


def listed(words: Iterable[str], most: int = 12) -> str:
    """The first `most` words of a list, joined by commas, and how many more the list has."""
    each = list(words)
    more = f" and {len(each) - most} more" if len(each) > most else ""
    return ", ".join(each[:most]) + more


def by_source(arms: Iterable[Arm]) -> Mapping[str, list[Arm]]:
    """Arms grouped by source, in the order of the sources' list, then of the plan."""
    groups: dict[str, list[Arm]] = {name: [] for name in SOURCES}
    for arm in arms:
        groups.setdefault(arm.source, []).append(arm)
    return {name: group for name, group in groups.items() if group}
