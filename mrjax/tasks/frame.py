"""A run from its folder to its result, whatever the task.

The order is that of the run folder's contract: every mistake of the user is found before training
starts, evidence is written as it arises, result.json last. A task supplies a :class:`Job`.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from mrjax import config as configs
from mrjax.data.intake import Intake
from mrjax.errors import RunFailed
from mrjax.runs import environment, result
from mrjax.runs.folder import RunFolder, open_run
from mrjax.tasks import evidence, records, trained
from mrjax.tasks.engine import Batches, Engine
from mrjax.train import loop

Table = Mapping[str, Mapping[str, Sequence[float | None]]]


class Backend(Protocol):
    """What a run is computed on, as far as its record goes."""

    @property
    def level(self) -> str:
        """Level of reproducibility, one of `mrjax.backend.LEVELS`."""
        ...

    def facts(self) -> dict[str, Any]:
        """The framework's part of environment.json, as JSON values."""
        ...


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


class Job(Protocol):
    """One run, its inputs checked."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Sha256 of `init`, `order` and `data`."""
        ...

    @property
    def constants(self) -> Mapping[str, Any]:
        """What the network carries from its training subjects, as JSON."""
        ...

    @property
    def account(self) -> Intake | None:
        """What was found, used and left out of the data; None where no account was kept."""
        ...

    @property
    def engine(self) -> Engine:
        """The network in its framework."""
        ...

    @property
    def batches(self) -> Batches | None:
        """Step (from 0) to batch on the host, pure; None where a network only infers."""
        ...

    def warm_up(self, state: Any) -> None:
        """Apply the network once to an input of each shape.

        What libraries do once for a shape is then not in the time of `infer`.
        """
        ...

    def infer(self, state: Any) -> Any:
        """Return the network's outputs after training; timed."""
        ...

    def classical(self) -> Any:
        """Return the outputs of the other methods; timed apart."""
        ...

    def judge(self, folder: RunFolder, networks: Any, others: Any) -> Judged:
        """Return metrics of what `infer` and `classical` returned; write images, predictions."""
        ...


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
        backend: what the framework's start found, `mrjax.backend.start` for JAX.
        flags_text: the flags, for ``flags.txt``.
        prepare: loads or makes the inputs; not called for a run that is finished.

    Returns:
        Exit code: 0 when finished, 128 + n when signal n asked to stop.

    Raises:
        UserError: for files, shapes or a run folder that cannot be used.
        RunFailed: if training diverges, or the network's output is not finite.
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
        for line in job.account.lines() if job.account else ():
            records.say(line)
        trained.keep_constants(folder, job.constants, job.digests)
        clock.lap("setup")
        outcome = _train(config, job, folder, clock)
        if outcome.stopped_by:
            return _stopped(outcome.stopped_by, outcome.step)
        judged = _judge(job, folder, outcome.state, clock)
        content = _content(experiment, config, backend, job, judged, clock)
        of_outputs = evidence.of_outputs(job.engine.kept(outcome.state), judged.predictions)
        result.write(folder.path, content | {"digests": {**job.digests, **of_outputs}})
    if judged.table:
        sys.stdout.write(records.table(judged.table, judged.subjects) + "\n")
    sys.stdout.write(f"finished: {folder.path}\n")
    return 0


def _stopped(signal: int, step: int) -> int:
    records.say(
        f"stopped by signal {signal} after step {step}; the same command goes on from there"
    )
    return 128 + signal


def _check_finite(predictions: Mapping[str, np.ndarray]) -> None:
    """Refuse to give a digest to an output that is no number."""
    for name, output in predictions.items():
        wrong = output.size - np.count_nonzero(np.isfinite(output))
        if wrong:
            raise RunFailed(
                f"the network's output for {name} is not finite in {wrong} of {output.size} "
                "values; no result is written; check the weights and the scale of the data"
            )


def _train(
    config: configs.RunConfig, job: Job, folder: RunFolder, clock: records.Clock
) -> loop.Outcome:
    engine = job.engine
    if job.batches is None:
        return loop.Outcome(engine.start(), 0, None)
    ready = engine.begin(config, job.batches)
    clock.lap("compile")
    outcome = loop.train(
        folder,
        ready.step,
        ready.state,
        ready.batches,
        steps=config.steps,
        checkpoint_every=config.checkpoint_every,
        keep_checkpoints=config.keep_checkpoints,
        kept=engine.kept,
        restored=engine.restored,
        names=ready.names,
    )
    clock.lap("train")
    return outcome


def _judge(job: Job, folder: RunFolder, state: Any, clock: records.Clock) -> Judged:
    """Apply the network and the other methods, each in a time of its own."""
    job.warm_up(state)
    clock.lap("compile")
    outputs = job.infer(state)
    clock.lap("infer")
    others = job.classical()
    clock.lap("classical")
    judged = job.judge(folder, outputs, others)
    _check_finite(judged.predictions)
    return judged


def _content(
    experiment: str,
    config: configs.RunConfig,
    backend: Backend,
    job: Job,
    judged: Judged,
    clock: records.Clock,
) -> dict[str, Any]:
    """The result but for its digests."""
    content = {
        "schema_version": result.SCHEMA_VERSION,
        "experiment": experiment,
        "framework": job.engine.framework,
        "level": backend.level,
        "steps": config.steps,
        "subjects": list(judged.subjects),
        "metrics": judged.table.get("network", {}),
        "baselines": {k: v for k, v in judged.table.items() if k != "network"},
        "seconds": clock.seconds,
        "memory_bytes": job.engine.peak_memory(),
    }
    optional = {
        "extra": judged.extra and dict(judged.extra),
        "load": clock.load(),
        "data": job.account and job.account.record(),
    }
    return content | {name: value for name, value in optional.items() if value}
