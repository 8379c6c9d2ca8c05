"""What a command line says about a study beside its arms: crossed factors, metric, margin."""

import math
import re
from typing import NamedTuple

from mrjax.errors import UserError
from mrjax.runs.metrics import METRICS
from mrjax.tasks.registry import TASKS

_FACTOR = re.compile(r"(\w+)=(\d+):(\d+)")


class Judged(NamedTuple):
    """What is judged, and how small a difference is called equivalent.

    Attributes:
        metric: such as "nrmse".
        margin: of equivalence.
        margin_kind: "relative" to the baseline's mean, or "absolute".
    """

    metric: str
    margin: float
    margin_kind: str


def judged(experiment: str, metric: str | None, margin: float | None, kind: str | None) -> Judged:
    """Metric and margin, with the defaults of a task where nothing is asked for.

    Args:
        experiment: the task.
        metric: asked for, None or "" for the default.
        margin: likewise, None for the default: 0.01 Dice, or 2 % of the baseline's mean.
        kind: likewise.

    Raises:
        UserError: the task has no such metric, or the margin is no margin.
    """
    # A foreign program may have any metric.
    known = TASKS[experiment].metrics if experiment in TASKS else tuple(METRICS)
    metric = metric or known[0]
    if metric not in known:
        raise UserError(
            f"--metric={metric} is none of {experiment}; expected one of {', '.join(known)}; "
            "choose one of them"
        )
    if margin is not None and not math.isfinite(margin):
        raise UserError(f"--margin={margin} is no margin; expected a finite number; choose one")
    default = Judged(metric, METRICS[metric].margin, METRICS[metric].margin_kind)
    if margin is None and kind not in (None, default.margin_kind):
        raise UserError(
            f"--margin_kind={kind} without --margin; expected both, because the usual margin of "
            f"{metric} is {default.margin_kind}; add --margin"
        )
    return Judged(metric, default.margin if margin is None else margin, kind or default.margin_kind)


def cross(text: str) -> dict[str, tuple[int, ...]]:
    """Read crossed factors, ``seed_init=0:5,seed_order=0:5``; the end of a range is left out.

    Raises:
        UserError: one cannot be read, is empty or given twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    for part in filter(None, text.strip().strip("\"'").split(",")):
        match = _FACTOR.fullmatch(part.strip())
        if not match or int(match[2]) >= int(match[3]) or match[1] in found:
            raise UserError(
                f"--cross={text}: {part!r} is no factor; expected NAME=FROM:END, each name once; "
                "write --cross=seed_init=0:5,seed_order=0:5"
            )
        found[match[1]] = tuple(range(int(match[2]), int(match[3])))
    return found
