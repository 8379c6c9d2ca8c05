"""One file through a trained network: checks, reading, inference, writing.

This module imports JAX only once the process has started again in the environment of the run.
"""

import importlib
import itertools
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

from mrjax import backend
from mrjax.errors import UserError
from mrjax.sharing.predict import files, networks
from mrjax.sharing.predict.files import Asked
from mrjax.tasks import registry

_EVERYWHERE = ("input", "output", "overwrite", "accept", *networks.MACHINE)
"""Flags that every task knows."""


def run(folder: Path, flags: Mapping[str, Any]) -> int:
    """Apply the network of a folder to one file.

    Args:
        folder: run folder or package of the network.
        flags: flag -> value, of those that were given; `input` and `output` are among them.

    Returns:
        Exit code 0.

    Raises:
        UserError: a flag, a file or the network cannot be used.
        RunFailed: the network's output is not finite, or memory is too small.
    """
    network = networks.read(folder)
    takes = _takes(network.task)
    trained_on = str(network.settings.get("dataset", ""))
    asked = Asked(Path(flags["input"]), Path(flags["output"]), flags, trained_on)
    _check_flags(network.task, takes, flags)
    files.check(asked, takes.ENDINGS)
    machine = {name: flags[name] for name in networks.MACHINE if name in flags}
    own = {"accept": flags.get("accept", ""), "data_dir": str(asked.input.parent)}
    config = networks.configuration(network, {**own, **machine, **takes.settings(asked)})
    with backend.told(config):
        backend.reexec(config)
        started = backend.start(config)
        for note in started.notes:
            sys.stderr.write(f"note: {note}\n")
        _go(config, started, asked, takes.ENDINGS)
    sys.stdout.write(f"written: {asked.output}\n")
    return 0


def _takes(task: str) -> ModuleType:
    """The flags of a task."""
    try:
        return importlib.import_module(f"mrjax.sharing.predict.flags.{task}")
    except ModuleNotFoundError as error:
        raise UserError(
            f"networks of the task {task} cannot be applied to single files; expected a task that "
            f"knows how; use python -m experiments.{task} --steps=0 --from_run=DIR"
        ) from error


def _check_flags(task: str, takes: ModuleType, flags: Mapping[str, Any]) -> None:
    strange = sorted(set(flags) - {*_EVERYWHERE, *takes.FLAGS})
    if strange:
        known = ", ".join(f"--{name}" for name in takes.FLAGS)
        raise UserError(
            f"--{strange[0]} has no effect on a network of {task}; expected flags among {known}; "
            "drop it"
        )


def _go(config: Any, started: backend.Backend, asked: Asked, endings: Sequence[str]) -> None:
    """Read the input, apply the network, write the output."""
    from mrjax.data.intake import Intake  # these import numpy and jax
    from mrjax.tasks import frame, records
    from mrjax.tasks.job import SubjectJob

    room = importlib.import_module(f"mrjax.sharing.predict.{config.experiment}")
    task = registry.module(config.experiment, "run")
    built = task.model.build(config, started.platform)
    account = Intake.insisting(config.accept)
    inputs = room.prepare(asked, config, built, account)
    for line in account.lines()[1:]:  # the first one counts subjects
        records.say(line)
    options = {"planes": asked.flags["tile"]} if "tile" in asked.flags else {}
    engine = task.engine(started.devices, built, inputs, **options)
    job: SubjectJob = task.Job(config, inputs, engine)
    outputs = _infer(job, room.applications(inputs))
    frame.check_finite(dict(zip((one.name for one in inputs.test), outputs, strict=True)))
    with files.whole(asked.output, endings) as path:
        room.write(path, asked, inputs, outputs)


def _infer(job: Any, applications: int) -> list[Any]:
    """Return the network's output for each subject, and show how far it is.

    A network that is applied once shows itself how far it is, if that takes long.
    """
    from mrjax.train.progress import Progress

    state, done = job.engine.start(), itertools.count(1)
    with Progress(0, applications, unit="slice") if applications > 1 else nullcontext() as shown:

        def apply(one: Any) -> Any:
            found = job.engine.predict(state, one)
            if shown is not None:
                shown.update(next(done))
            return found

        return [job.output(one, apply) for one in job.held_out]
