"""A run from its folder to its result, for every task.

The order follows the contract of the run folder: every mistake of the user is found before training
starts, evidence is written as it arises, and result.json is written last. A task supplies a
:class:`Job`.
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from mrjax import config as configs
from mrjax.backend.team import Team
from mrjax.data.intake import Intake
from mrjax.errors import RunFailed
from mrjax.runs import code, result
from mrjax.runs.folder import RunFolder
from mrjax.tasks import evidence, records, registry, trained, unchanged
from mrjax.tasks.engine import Batches, Engine
from mrjax.train import loop, sharding

Table = Mapping[str, Mapping[str, Sequence[float | None]]]
_GO, _FINISHED = 0, 1


class Backend(Protocol):
    """The facts about a backend that a run records."""

    @property
    def level(self) -> str:
        """Level of reproducibility, one of `mrjax.backend.LEVELS`."""
        ...

    @property
    def team(self) -> Team:
        """The processes that train together."""
        ...

    def facts(self) -> dict[str, Any]:
        """The framework's part of environment.json, as JSON values."""
        ...


class Judged(NamedTuple):
    """Predictions and their metrics.

    Attributes:
        subjects: names of the rows of all metrics.
        table: method -> metric -> one value for each subject; the network's method is `network`.
        predictions: name -> array, the content of the digest `predictions`.
        extra: further content of result.json.
    """

    subjects: Sequence[str]
    table: Table
    predictions: Mapping[str, np.ndarray]
    extra: Mapping[str, Any] | None = None


class Job(Protocol):
    """One run with checked inputs."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Sha256 of `init`, `order` and `data`."""
        ...

    @property
    def constants(self) -> Mapping[str, Any]:
        """The constants that the network keeps from its training subjects, as JSON."""
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
        """Pure map from a step (from 0) to its batch on the host; None to infer only."""
        ...

    def warm_up(self, state: Any) -> None:
        """Apply the network once to an input of each shape.

        `infer` is then timed without what the first use of a shape costs.
        """
        ...

    def infer(self, state: Any) -> Any:
        """Return the network's outputs after training; this call is timed."""
        ...

    def classical(self) -> Any:
        """Return the outputs of the classical methods; this call is timed separately."""
        ...

    def judge(self, folder: RunFolder, networks: Any, others: Any) -> Judged:
        """Return metrics of what `infer` and `classical` returned; write images and predictions."""
        ...


def run(
    experiment: str,
    config: configs.RunConfig,
    backend: Backend,
    flags_text: str,
    prepare: Callable[[], Job],
) -> int:
    """Train, evaluate and record one run, or continue it.

    Args:
        experiment: name of the task.
        config: checked configuration.
        backend: result of the framework's start, which is `mrjax.backend.start` for JAX.
        flags_text: the flags, for ``flags.txt``.
        prepare: loads or makes the inputs; it is not called for a finished run.

    Returns:
        Exit code: 0 when finished, 128 + n when signal n asked to stop.

    Raises:
        UserError: files, shapes or the run folder cannot be used, or the run is finished and its
            files have changed since.
        RunFailed: training diverges, or the network's output is not finite.
    """
    with backend.team.together():
        if backend.team.leads:
            return _lead(experiment, config, backend, flags_text, prepare)
        return _follow(config, backend.team, prepare())


def _follow(config: configs.RunConfig, team: Team, job: Job) -> int:
    """Take the steps of a run that process 0 leads, and end with them."""
    if team.every(_GO)[0] == _FINISHED:
        return 0
    _check_same(config, team, job)
    assert job.batches is not None, "several processes train"
    ready = job.engine.begin(config, job.batches)
    loop.follow(
        ready.step,
        ready.state,
        ready.batches,
        steps=config.steps,
        kept=job.engine.kept,
        restored=job.engine.restored,
        team=team,
    )
    team.leave()
    return 0


def _check_same(config: configs.RunConfig, team: Team, job: Job) -> None:
    """Refuse processes that would not train the same network with the same data.

    Each process uses a GPU of its own, whose index may differ.
    """
    if team.count == 1:
        return
    settings = configs.digest(dataclasses.replace(config, device_index=0))
    team.check_same("settings", settings)
    team.check_same("code", code.state(records.CODE_ROOT)["sources"])
    team.check_same("inputs", repr(sorted(job.digests.items())))


def _lead(
    experiment: str,
    config: configs.RunConfig,
    backend: Backend,
    flags_text: str,
    prepare: Callable[[], Job],
) -> int:
    """Train, evaluate and record the run: all of it, or the part of process 0."""
    clock = records.Clock()
    path, team = config.folder(experiment), backend.team
    job = None if RunFolder(path).finished else prepare()
    folder, status = records.opened(path, config, flags_text, backend.facts())
    with folder:
        if job is None or status == "finished":
            team.every(_FINISHED)
            inputs = registry.module(experiment, "inputs")
            compared = unchanged.said(path, config, lambda: {"": inputs.data(config)})
            records.say(f"already finished: {path} (nothing was run{compared})")
            sys.stdout.write(records.outputs(path))
            return 0
        team.every(_GO)
        _check_same(config, team, job)
        for line in job.account.lines() if job.account else ():
            records.say(line)
        geometry = job.account.record().get("geometry") if job.account else None
        known = {**job.digests} | ({"geometry": geometry} if geometry else {})
        trained.keep_constants(folder, job.constants, known)
        clock.lap("setup")
        outcome = _train(config, job, folder, clock, team)
        if outcome.stopped_by:
            return records.stopped(outcome.stopped_by, f" after step {outcome.step}")
        judged = _judge(job, folder, outcome.state, clock)
        content = _content(experiment, config, backend, job, judged, clock)
        of_outputs = evidence.of_outputs(job.engine.kept(outcome.state), judged.predictions)
        result.write(folder.path, content | {"digests": {**job.digests, **of_outputs}})
    if judged.table:
        sys.stdout.write(records.table(judged.table, judged.subjects) + "\n")
    sys.stdout.write(f"{records.outputs(path)}finished: {folder.path}\n")
    return 0


def check_finite(predictions: Mapping[str, np.ndarray]) -> None:
    """Refuse an output that is not finite.

    Args:
        predictions: subject -> output of the network.

    Raises:
        RunFailed: a value is NaN or infinite.
    """
    for name, output in predictions.items():
        wrong = output.size - np.count_nonzero(np.isfinite(output))
        if wrong:
            raise RunFailed(
                f"the network's output for {name} is not finite in {wrong} of {output.size} "
                "values; no result is written; check the weights and the scale of the data"
            )


def _train(
    config: configs.RunConfig, job: Job, folder: RunFolder, clock: records.Clock, team: Team
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
        team=team,
    )
    clock.lap("train")
    if team.count > 1:
        outcome = outcome._replace(state=sharding.here(outcome.state))
    team.leave()
    return outcome


def _judge(job: Job, folder: RunFolder, state: Any, clock: records.Clock) -> Judged:
    """Apply the network and the classical methods, which are timed separately."""
    job.warm_up(state)
    clock.lap("compile")
    outputs = job.infer(state)
    clock.lap("infer")
    others = job.classical()
    clock.lap("classical")
    judged = job.judge(folder, outputs, others)
    check_finite(judged.predictions)
    return judged


def _content(
    experiment: str,
    config: configs.RunConfig,
    backend: Backend,
    job: Job,
    judged: Judged,
    clock: records.Clock,
) -> dict[str, Any]:
    """Return the content of result.json without its digests."""
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
