"""The process in which the network of a package is applied, or trained, again.

It judges nothing: it leaves what it computed in files, which the parent compares.
"""

import functools
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from mrjax import backend
from mrjax.config import RunConfig
from mrjax.diverge.retake import replay
from mrjax.errors import UserError
from mrjax.runs import atomic, environment, ledger
from mrjax.sharing import package as packages
from mrjax.sharing.package import variables
from mrjax.sharing.verify import settings
from mrjax.tasks import registry

ENVIRONMENT = "environment.json"
"""The environment of the process; written first."""
OUTPUT = "output.npy"
LEDGER = "ledger.jsonl"
RETRAINED = "retrained.json"


def infer(folder: Path, out: Path) -> None:
    """Apply the network to the package's test input and write the output.

    Raises:
        UserError: the network cannot be applied here.
    """
    package = packages.read(folder)
    config = settings.applied(package)
    with backend.told(config):
        started, device = _start(package, config, out)
        engine = _engine(package, config, started, device)
        found = engine.predict(engine.start(), _input(package.test_inputs))
    with atomic.replacement(out / OUTPUT) as path, path.open("wb") as file:
        np.save(file, np.asarray(found), allow_pickle=False)


def retrain(folder: Path, out: Path, steps: int, data_dir: str) -> None:
    """Take the first steps of the training again; after all of them infer, too.

    The training stops at the first step that differs from the package's ledger: every later step
    would differ in everything.

    Args:
        folder: the package.
        out: folder for the ledger and the outcome.
        steps: number of steps.
        data_dir: folder of the training data; "" for synthetic subjects.

    Raises:
        UserError: the training cannot be repeated here.
    """
    package = packages.read(folder)
    config = settings.configuration(package, data_dir=data_dir)
    with backend.told(config):
        started, device = _start(package, config, out)
        from mrjax.tasks import program

        engine_of = functools.partial(_module(package).engine, device)
        job = program.job(config, started.platform, engine_of)
        outcome = {"digests": dict(job.digests)}
        atomic.write_json(out / RETRAINED, outcome)
        state, parted = _steps(package, config, job, out, steps)
        if steps == config.steps and not parted:
            outcome["digests"] |= _results(job, state)
        atomic.write_json(out / RETRAINED, outcome)


def _start(package: Any, config: RunConfig, out: Path) -> tuple[Any, Any]:
    """Start the framework; return what it says of itself, and its devices as an engine wants."""
    if settings.in_pytorch(package):
        if importlib.util.find_spec("torch") is None:
            raise UserError("the package is of PyTorch, which is not installed; expected torch; "
                            "pip install torch==2.13.0")  # fmt: skip
        from mrjax.pytorch import startup

        twin: Any = config
        started = startup.start(twin)
        device: Any = started.device
    else:
        backend.reexec(config)
        started = backend.start(config)
        device = started.devices
    here = environment.capture(started.facts(), variables.ROOT)
    atomic.write_json(out / ENVIRONMENT, here)
    return started, device


def _module(package: Any) -> Any:
    """Return the module with the engine of a package's task and framework."""
    if settings.in_pytorch(package):
        return registry.twin(package.task)
    return registry.module(package.task, "run")


def _engine(package: Any, config: RunConfig, started: Any, device: Any) -> Any:
    """Return the trained network in its framework; no subject is made or read for it."""
    from mrjax.data.pipeline import Normalisation

    platform = "cpu" if settings.in_pytorch(package) else started.platform
    built = registry.module(package.task, "model").build(config, platform)
    numbers = package.constants.get("normalisation")
    kept = SimpleNamespace(normalisation=Normalisation(**numbers) if numbers else None)
    inputs = SimpleNamespace(train=(), examples=None, initial=package.weights, constants=kept)
    return _module(package).engine(device, built, inputs)


def _input(arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the input as a predictor takes it: one array, or several by their names."""
    return next(iter(arrays.values())) if len(arrays) == 1 else dict(arrays)


def _steps(package: Any, config: RunConfig, job: Any, out: Path, steps: int) -> tuple[Any, bool]:
    """Take the steps; return the last state, and whether a step differs from the ledger."""
    from mrjax.train.progress import Progress

    ready = job.engine.begin(config, job.batches)
    state = ready.state
    theirs = {line["step"]: line for line in package.ledger}
    with ledger.Ledger(out / LEDGER) as lines, Progress(0, steps) as progress:
        for step in range(1, steps + 1):
            state, evidence = ready.step(state, ready.batches(step - 1))
            loss = float(evidence.loss)
            digests = (int(getattr(evidence, name)) for name in ("params", "grads", "batch"))
            lines.append(step, loss, *digests)
            progress.update(step, loss)
            if step not in theirs or not replay.same(replay.of(evidence), theirs[step]):
                return state, True
    return state, False


def _results(job: Any, state: Any) -> dict[str, str]:
    """Return the digests of the network and of its predictions for all held-out subjects."""
    from mrjax.tasks import evidence

    outputs = job.infer(state)
    named = {one.name: found for one, found in zip(job.inputs.test, outputs, strict=True)}
    return evidence.of_outputs(job.engine.kept(state), named)
