"""The process that takes a step again as one training took it."""

from pathlib import Path
from typing import Any

import numpy as np

from mrjax import backend
from mrjax.config import RunConfig
from mrjax.diverge.retake import pytorch, record, sides
from mrjax.diverge.retake.replay import replayed
from mrjax.errors import UserError
from mrjax.tasks import registry


def take(folder: Path, step: int, out: Path, numbers: tuple[int, ...] = ()) -> None:
    """Take a step of a training again and write its record.

    Args:
        folder: the run folder.
        step: number of the step, from 1.
        out: folder of the record.
        numbers: operations to look at; none: as many as possible.

    Raises:
        UserError: the training cannot be repeated here.
        RunFailed: the steps before do not repeat the ledger.
    """
    side = sides.read(folder)
    if side is None or step not in side.lines():
        raise UserError(f"{folder} has no step {step} of mrjax; expected one; name another --step")
    with backend.told(side.config):
        if side.program == registry.PYTORCH:
            found, values = pytorch.taken(side, step)
        else:
            backend.reexec(side.config)
            found, values = _taken(side, side.config, backend.start(side.config), step, numbers)
    record.write(out, found, values)


def _taken(
    side: sides.Side, config: RunConfig, started: Any, step: int, numbers: tuple[int, ...]
) -> tuple[record.Record, dict[str, np.ndarray]]:
    from mrjax.diverge.retake import flat, taking
    from mrjax.tasks import program

    def engine_of(built: Any, inputs: Any) -> Any:
        return registry.module(side.program, "run").engine(started.devices, built, inputs)

    job = program.job(config, started.platform, engine_of)
    state, batch = before(side, config, job, step)
    import jax

    recorded = flat.flatten(job.engine.pure_step(config), state, batch)
    leaves, wanted = jax.tree.leaves((state, batch)), side.lines()[step]
    useful = taking.needed(recorded)
    if numbers:
        seen = taking.closer(recorded, leaves, wanted, [useful[n] for n in numbers])
        taken = taking.Taken("look", dict(wanted), seen, [])
    else:
        taken = taking.take(recorded, leaves, wanted)
    places = {number: place for place, number in enumerate(useful)}
    seen = {places[number]: values for number, values in taken.seen.items()}
    names = recorded.names()
    arrays = [*leaves, *recorded.constants]
    found = record.Record(
        step=step,
        framework="jax",
        how=taken.how,
        evidence={k: taken.evidence[k] for k in ("loss_hex", "params", "grads", "batch")},
        start=dict(job.digests),
        environment=side.differences(started.facts()),
        nodes=tuple(taking.nodes(recorded, useful)),
        seen={n: tuple(map(record.digest, values)) for n, values in seen.items()},
        inputs={names[i]: record.digest(np.asarray(a)) for i, a in enumerate(arrays)},
        blind=tuple(places[n] for n in taken.blind),
    )
    return found, {f"{n}_{i}": v for n, many in seen.items() for i, v in enumerate(many)}


def before(side: sides.Side, config: RunConfig, job: Any, step: int) -> tuple[Any, Any]:
    """Return the state before a step, and its batch.

    The steps since the newest checkpoint before it are taken again, and must repeat the ledger.
    """
    from mrjax.train import checkpoint
    from mrjax.train.sharding import place_batches

    place, placed = place_batches(job.engine.devices, job.batches)
    state = place(job.engine.start())
    done, state = checkpoint.latest(side.folder.checkpoints, state, step - 1) or (0, state)
    if done < step - 1:
        state = replayed(side, job.engine.begin(config, job.batches), state, done, step)
    return state, placed(step - 1)
