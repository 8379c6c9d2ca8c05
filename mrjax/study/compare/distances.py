"""How far the weights of pairs of runs lie apart, by kind of leaf and step.

Biases of convolutions before batch normalisation have no true gradient: the normalisation takes
out whatever is added before it, so what drives them is rounding error alone, which Adam scales to
full steps. Running means follow these biases. Both say nothing about the network. Running variances
are moved by no gradient either, but they follow the kernels and the network's output depends on
them: where they lie apart, the networks do. All three are kept apart from what a gradient moves.
"""

import itertools
import statistics as middle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mrjax.study.compare.sides import Sides
from mrjax.study.gather import checkpoints
from mrjax.study.gather.collected import Unit
from mrjax.study.statistics import images as statistics

ALL = "all with a gradient"
APART = ("running means", "running variances", "biases before normalisation")
"""Kinds that no true gradient moves; of these only the running variances change the output."""

_KINDS = {
    "kernel": "convolution kernels",
    "transposed_kernel": "convolution kernels",
    "bias": "biases",
    "scale": "normalisation scale and shift",
    "rbf": "activation functions",
    "data_weight": "data weights",
    "mean": "running means",
    "var": "running variances",
}

Leaves = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Distance:
    """Weights of one kind in one pair of runs, after one step.

    Attributes:
        kind: of the leaves, as people read it.
        step: updates done.
        n: numbers compared.
        value: normalised L2 distance; None where either side is zero.
    """

    kind: str
    step: int
    n: int
    value: float | None


@dataclass(frozen=True, kw_only=True)
class Distances:
    """All distances between two sets of runs.

    Attributes:
        pairs: of runs with equal labels, at every step of which both have a checkpoint.
        between: of successive runs of A, at their last checkpoints: the scale of two trainings.
        remark: what was left out and why, "" if nothing.
    """

    pairs: tuple[Distance, ...]
    between: tuple[Distance, ...]
    remark: str

    @property
    def kinds(self) -> list[str]:
        """Kinds that occur, those without a gradient last."""
        found = dict.fromkeys(one.kind for one in self.pairs)
        order = (ALL, *dict.fromkeys(_KINDS.values()), *found)
        present = [kind for kind in dict.fromkeys(order) if kind in found and kind not in APART]
        return [*present, *(kind for kind in APART if kind in found)]

    @property
    def steps(self) -> list[int]:
        """Steps compared, ascending."""
        return sorted({one.step for one in self.pairs})

    def of(self, kind: str, step: int) -> list[float]:
        """Distances of a kind after a step, one for each pair."""
        return _values(one for one in self.pairs if (one.kind, one.step) == (kind, step))

    def scale(self, kind: str) -> float | None:
        """Median distance between successive runs of A."""
        found = _values(one for one in self.between if one.kind == kind)
        return middle.median(found) if found else None


def _values(found: Iterable[Distance]) -> list[float]:
    return [one.value for one in found if one.value is not None]


def compute(sides: Sides) -> Distances:
    """Compare the checkpoints of all pairs."""
    found: list[Distance] = []
    left_out: dict[str, list[str]] = {}
    for a, b in sides.pairs:
        try:
            found += _pair(a, b)
        except ValueError as error:
            left_out.setdefault(str(error), []).append(f"{a.label} {a.part}".strip())
    first = [a for a, _ in sides.pairs]
    between: list[Distance] = []
    for a, b in itertools.pairwise(first):
        try:
            between += _pair(a, b, last=True)
        except ValueError:  # named above, as part of a pair
            continue
    reasons = "; ".join(f"{', '.join(runs)}: {why}" for why, runs in left_out.items())
    remark = f"Left out: {reasons}." if left_out else ""
    return Distances(pairs=tuple(found), between=tuple(between), remark=remark)


def _pair(a: Unit, b: Unit, *, last: bool = False) -> Iterator[Distance]:
    """Distances of two runs at the steps both have kept."""
    files = checkpoints.find(a), checkpoints.find(b)
    steps = sorted(files[0].keys() & files[1].keys())
    if not steps:
        raise ValueError("no checkpoint of the same step in both")
    for step in steps[-1:] if last else steps:
        yield from _apart(step, *(_read(side[step]) for side in files))


def _read(path: Path) -> Leaves:
    found = checkpoints.read(path, checkpoints.PARAMS, checkpoints.STATISTICS)
    if found is None:
        raise ValueError(f"{path.name} is damaged")
    return found


def _apart(step: int, a: Leaves, b: Leaves) -> Iterator[Distance]:
    if {n: x.shape for n, x in a.items()} != {n: x.shape for n, x in b.items()}:
        raise ValueError("the networks have different weights")
    groups: dict[str, list[str]] = {}
    for name in a:
        found = kind(name, a)
        if found is not None:
            groups.setdefault(found, []).append(name)
    groups[ALL] = [n for k, names in groups.items() if k not in APART for n in names]
    for word, names in groups.items():
        one = statistics.weights({n: a[n] for n in names}, {n: b[n] for n in names})
        yield Distance(kind=word, step=step, n=one.n, value=one.normalised_l2)


def kind(name: str, names: Iterable[str]) -> str | None:
    """Kind of a leaf; None for what only counts steps.

    Args:
        name: of the leaf, ``params/down0_0/conv/bias``.
        names: of all leaves of the network.
    """
    *path, last = name.split("/")
    if last == "bias" and path[-1] == "norm":
        return _KINDS["scale"]
    sibling = "/".join([*path[:-1], "norm", ""])
    if last == "bias" and path[-1] == "conv" and any(n.startswith(sibling) for n in names):
        return APART[-1]
    if last == "weight" and path[0] == "batch_stats":
        return None  # of the running averages: the same function of the step in all
    return _KINDS.get(last, last)
