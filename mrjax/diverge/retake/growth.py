"""How the difference of two trainings grows over the steps after the one taken again."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mrjax.diverge.retake import values
from mrjax.diverge.retake.sides import Side
from mrjax.diverge.retake.values import Distance

_PARAMETERS = "params/"


@dataclasses.dataclass(frozen=True)
class Step:
    """How far two trainings are apart at a step.

    Attributes:
        step: its number.
        loss: absolute difference of the losses.
        parameters: distance of all parameters after the step; None where a checkpoint is missing.
    """

    step: int
    loss: float
    parameters: Distance | None


def after(a: Side, b: Side, step: int) -> list[Step]:
    """Return the differences from a step on, at the steps that both ledgers have.

    Parameters are read from checkpoints, of many at steps whose distance doubles.
    """
    lines = a.lines(), b.lines()
    apart = _parameters(a, b, step)
    return [
        Step(s, abs(_loss(lines[0][s]) - _loss(lines[1][s])), apart.get(s))
        for s in lines[0]
        if s in lines[1] and s >= step
    ]


def _loss(line: Any) -> float:
    return float.fromhex(line["loss_hex"])


def _parameters(a: Side, b: Side, step: int) -> dict[int, Distance]:
    from mrjax.train import checkpoint

    folders = a.folder.checkpoints, b.folder.checkpoints
    both = set(checkpoint.steps(folders[0])) & set(checkpoint.steps(folders[1]))
    shared = sorted(number for number in both if number >= step)
    found = {}
    for number in (shared[place] for place in doubling(len(shared))):
        read = [checkpoint.newest(folder, number) for folder in folders]
        leaves = [_flat(one[1]) for one in read if one and one[0] == number]
        if len(leaves) == 2 and leaves[0].shape == leaves[1].shape:
            found[number] = values.distance(leaves[0], leaves[1])
    return found


def _flat(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return all parameters one after the other."""
    names = sorted(name for name in arrays if name.startswith(_PARAMETERS))
    return np.concatenate([np.zeros(0, np.float32), *(arrays[name].ravel() for name in names)])


def text(steps: Sequence[Step]) -> Iterator[str]:
    """Say how losses and parameters part, at steps whose distance doubles."""
    if steps and not any(one.loss for one in steps):
        yield f"The losses are equal at all {len(steps)} steps from there on."
    elif steps:
        shown = [steps[place] for place in doubling(len(steps))]
        told = ", ".join(f"step {one.step}: {one.loss:.2g}" for one in shown)
        yield f"Difference of the losses: {told}."
    known = [(one.step, one.parameters) for one in steps if one.parameters]
    if known:
        told = ", ".join(f"step {number}: {apart.relative:.2g}" for number, apart in known)
        yield f"Difference of the parameters after a step, relative to their norm: {told}."
    elif steps:
        yield (
            "How the parameters part is not known, since no step from there on has a checkpoint "
            "in both folders; to learn it, repeat the runs with --keep_checkpoints=0 and a small "
            "--checkpoint_every."
        )


def doubling(count: int) -> list[int]:
    """Return the places 0, 1, 3, 7, ... below a count, and the last one."""
    places = [0] if count else []
    while places and places[-1] * 2 + 1 < count:
        places.append(places[-1] * 2 + 1)
    return sorted({*places, *([count - 1] if count else [])})
