"""Take a step of a training in PyTorch again, with what its modules return."""

import functools
from typing import Any

import numpy as np

from mrjax.diverge.retake import record
from mrjax.diverge.retake.layers import GRADIENT, OUTPUT
from mrjax.diverge.retake.record import Node, Record
from mrjax.diverge.retake.replay import of, replayed, same
from mrjax.diverge.retake.sides import Side
from mrjax.tasks import registry


def taken(side: Side, step: int) -> tuple[Record, dict[str, np.ndarray]]:
    """Return the record of a step, and the values in it.

    Args:
        side: a training in PyTorch.
        step: number of the step, from 1.
    """
    from mrjax.pytorch import layers, startup
    from mrjax.tasks import program

    config: Any = side.config
    started = startup.start(config)
    engine_of = functools.partial(registry.twin(config.task).engine, started.device)
    job = program.job(config, "cpu", engine_of)
    ready = job.engine.begin(config, job.batches)
    state = _before(side, job.engine, ready, step)
    batch = ready.batches(step - 1)
    evidence, outputs, gradients = layers.observed(state.network, ready.step, state, batch)
    lines = [("forward", OUTPUT, *one) for one in outputs.items()]
    lines += [("backward", GRADIENT, *one) for one in gradients.items()]
    found = of(evidence)
    faithful = same(found, side.lines()[step])
    content = Record(
        step=step,
        framework=registry.PYTORCH,
        how="all" if faithful else "",
        evidence=found,
        start=dict(job.digests),
        environment=side.differences(started.facts()),
        nodes=tuple(
            Node(phase, path, kind, "", (_type(array),), ()) for phase, kind, path, array in lines
        ),
        seen={place: (record.digest(one[3]),) for place, one in enumerate(lines)},
    )
    return content, {f"{place}_0": one[3] for place, one in enumerate(lines)}


def _before(side: Side, engine: Any, ready: Any, step: int) -> Any:
    """Return the state before a step."""
    from mrjax.train import checkpoint

    state = ready.state
    found = checkpoint.latest(side.folder.checkpoints, engine.kept(state), step - 1)
    if found:
        state = engine.restored(state, found[1])
    return replayed(side, ready, state, found[0] if found else 0, step)


def _type(array: np.ndarray) -> str:
    return f"{array.dtype}[{','.join(map(str, array.shape))}]"
