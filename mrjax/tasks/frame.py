"""A run from its folder to its result, whatever the task.

The order is that of the run folder's contract: every mistake of the user is found before training
starts, evidence is written as it arises, result.json last. A task supplies a :class:`Job`.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from mrjax import config as configs
from mrjax.backend import Backend
from mrjax.runs import environment, result
from mrjax.runs.folder import RunFolder, open_run
from mrjax.tasks import evidence, records, trained
from mrjax.train import loop
from mrjax.train.sharding import HostBatch, place_batches
from mrjax.train.step import LossFunction, Project, State, make_step

Table = Mapping[str, Mapping[str, Sequence[float | None]]]


class Training(NamedTuple):
    """What is trained, and on what.

    Attributes:
        loss: (params, batch_stats, batch) -> (loss, new batch_stats).
        optimizer: the update rule.
        batches: step (from 0) to batch on the host; pure.
        project: what brings updated parameters back to the allowed ones; None: all are allowed.
    """

    loss: LossFunction
    optimizer: optax.GradientTransformation
    batches: Callable[[int], HostBatch]
    project: Project | None = None


class Judged(NamedTuple):
    """Predictions and what they are worth.

    Attributes:
        subjects: rows of all metrics.
        table: method -> metric -> one value a subject; the network's is called `network`.
        predictions: what the digest `predictions` is of: name -> array.
        extra: what else goes into result.json.
    """

    subjects: Sequence[str]
    table: Table
    predictions: Mapping[str, np.ndarray]
    extra: Mapping[str, Any] | None = None


class Job(NamedTuple):
    """One run, its inputs checked.

    Attributes:
        digests: sha256 of `init`, `order` and `data`.
        constants: what the network carries from its training subjects, as JSON.
        state: before the first step.
        training: None where a trained network only infers.
        infer: state after training -> whatever `judge` needs; timed.
        judge: (run folder, what `infer` returned) -> metrics; writes images and predictions.
    """

    digests: Mapping[str, str]
    constants: Mapping[str, Any]
    state: State
    training: Training | None
    infer: Callable[[State], Any]
    judge: Callable[[RunFolder, Any], Judged]


def run(
    experiment: str,
    config: configs.RunConfig,
    backend: Backend,
    flags_text: str,
    prepare: Callable[[], Job],
) -> int:
    """Train, evaluate and record one run, or go on with it.

    Args:
        experiment: the task's name.
        config: checked configuration.
        backend: what :func:`mrjax.backend.start` found.
        flags_text: the flags, for ``flags.txt``.
        prepare: loads or makes the inputs; not called for a run that is finished.

    Returns:
        Exit code: 0 when finished, 128 + n when signal n asked to stop.

    Raises:
        UserError: for files, shapes or a run folder that cannot be used.
        RunFailed: if training diverges.
    """
    clock = records.Clock()
    path = config.folder(experiment)
    job = None if RunFolder(path).finished else prepare()
    folder, status = open_run(
        path,
        flags_text=flags_text,
        config=configs.to_json(config),
        config_digest=configs.digest(config),
        environment=environment.capture(backend.facts(), records.CODE_ROOT),
        resume=config.resume,
        allow_mixed=config.allow_mixed,
    )
    with folder:
        if job is None or status == "finished":
            records.say(f"already finished: {path} (nothing was run)")
            return 0
        trained.keep_constants(folder, job.constants, job.digests)
        clock.lap("setup")
        outcome = _train(config, backend, job, folder, clock)
        if outcome.stopped_by:
            records.say(
                f"stopped by signal {outcome.stopped_by} after step {outcome.step}; "
                "the same command goes on from there"
            )
            return 128 + outcome.stopped_by
        found = job.infer(outcome.state)
        clock.lap("infer")
        judged = job.judge(folder, found)
        _record(experiment, config, backend, job, folder, outcome.state, judged, clock)
    if judged.table:
        sys.stdout.write(records.table(judged.table, judged.subjects) + "\n")
    sys.stdout.write(f"finished: {folder.path}\n")
    return 0


def _train(
    config: configs.RunConfig,
    backend: Backend,
    job: Job,
    folder: RunFolder,
    clock: records.Clock,
) -> loop.Outcome:
    training = job.training
    if training is None:
        return loop.Outcome(job.state, 0, None)
    place, batches = place_batches(backend.devices, training.batches)
    state = place(job.state)
    step = make_step(
        training.loss,
        training.optimizer,
        dynamic_scale=config.dtype == "float16",
        project=training.project,
    )
    compiled = jax.jit(step, donate_argnums=0).lower(state, batches(0)).compile()
    clock.lap("compile")
    outcome = loop.train(
        folder,
        compiled,
        state,
        batches,
        steps=config.steps,
        checkpoint_every=config.checkpoint_every,
    )
    clock.lap("train")
    return outcome


def _record(
    experiment: str,
    config: configs.RunConfig,
    backend: Backend,
    job: Job,
    folder: RunFolder,
    state: State,
    judged: Judged,
    clock: records.Clock,
) -> None:
    content = {
        "schema_version": result.SCHEMA_VERSION,
        "experiment": experiment,
        "framework": "jax",
        "level": backend.level,
        "steps": config.steps,
        "subjects": list(judged.subjects),
        "metrics": judged.table.get("network", {}),
        "baselines": {k: v for k, v in judged.table.items() if k != "network"},
        "digests": {**job.digests, **evidence.of_outputs(state, judged.predictions)},
        "seconds": clock.seconds,
        "memory_bytes": records.peak_memory(backend),
    }
    if judged.extra:
        content["extra"] = dict(judged.extra)
    result.write(folder.path, content)
