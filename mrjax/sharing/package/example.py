"""The test input of a package, made from keys, and what the network makes of it.

The input never comes from the maker's subjects, who may be patients. It is a small synthetic
subject of the task in the form in which the network gets it; both arrays are computed on a CPU.
"""

import dataclasses
import functools
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrjax import children
from mrjax.config import RunConfig
from mrjax.errors import RunFailed, UserError
from mrjax.sharing.package import variables
from mrjax.tasks import registry
from mrjax.tasks.package import layout, tensors

EDGE = 16
"""Least edge of the synthetic subject [voxels]."""
_REFUSED = 2
_NAMES = (layout.TEST_INPUT, layout.TEST_OUTPUT)


def made(run: Path, record: Mapping[str, Any]) -> dict[str, bytes]:
    """Make test input and output of a run's network in a process with the run's settings.

    Args:
        run: a finished run folder.
        record: content of ``environment.json`` of the package.

    Returns:
        Name in the package -> bytes of the file.

    Raises:
        UserError: the network cannot be applied here.
        RunFailed: it fails.
    """
    with tempfile.TemporaryDirectory(prefix="mrjax-package-") as folder:
        command = [sys.executable, "-m", "mrjax.sharing.package", str(run.absolute()), folder]
        ended = children.run(command, variables.environ(record))
        said = ended.last.removeprefix("error: ")
        if ended.code == _REFUSED:
            raise UserError(said)
        if ended.code:
            raise RunFailed(f"the test input of {run}: {said or f'exit code {ended.code}'}")
        return {name: Path(folder, Path(name).name).read_bytes() for name in _NAMES}


def make(run: Path, folder: Path) -> None:
    """Apply a run's network to the test input and write both; this process becomes a run's.

    Args:
        run: a finished run folder.
        folder: existing folder for the two files.

    Raises:
        UserError: the settings are of another version, or the framework is missing.
    """
    from mrjax.sharing.package import packed, source

    found = source.read(run)
    theirs = packed.configured(found.task, found.settings, str(run))
    config = small(theirs, run)
    config.check()
    inputs, output = _applied(config)
    named = (
        inputs if isinstance(inputs, Mapping) else {registry.TASKS[found.task].inputs[0]: inputs}
    )
    if output.dtype == np.complex128:  # which the format does not have, nor a run's predictions
        output = output.astype(np.complex64)
    for name, arrays in zip(_NAMES, (named, {layout.OUTPUT: output}), strict=True):
        (folder / Path(name).name).write_bytes(tensors.dump(arrays))


def small(config: RunConfig, run: Path) -> RunConfig:
    """Return the configuration of an inference with a run's network on one small subject."""
    values: dict[str, Any] = {
        "from_run": str(run), "steps": 0, "dataset": "synthetic", "data_dir": "", "unit": "",
        "accept": "", "resample": False, "xla_autotune": "auto", "xla_autotune_file": "",
        "platform": "cpu", "devices": 1, "device_index": 0, "processes": 1,
        "coordinator": "", "process_id": None, "n_test": 1, "n_train": 1,
        "fold": None, "n_patients": 1, "slices": 1, "field_strength": 0.0, "echo_time": 0.0,
        "maps": "acs", "preset": "demo", "perturb_init": 0, "repetition": 0,
        **dict.fromkeys((f"seed_{name}" for name in ("data", "noise", "mask", "fold")), 0),
        **registry.module(config.experiment, "config").smallest(config, EDGE),
    }  # fmt: skip
    known = {field.name for field in dataclasses.fields(config)}
    return dataclasses.replace(config, **{k: v for k, v in values.items() if k in known})


def _applied(config: Any) -> tuple[Any, np.ndarray]:
    """The first input that the network gets of the first subject, and its output."""
    from mrjax import backend

    if getattr(config, "task", ""):
        from mrjax.pytorch import startup

        started: Any = startup.start(config)
        engine = functools.partial(registry.twin(config.task).engine, started.device)
    else:
        backend.reexec(config)
        started = backend.start(config)
        engine = functools.partial(
            registry.module(config.experiment, "run").engine, started.devices
        )
    from mrjax.tasks import program

    job = program.job(config, "cpu", engine)
    state, seen = job.engine.start(), []

    def apply(inputs: Any) -> np.ndarray:
        seen.append((inputs, job.engine.predict(state, inputs)))
        return seen[-1][1]

    job.output(job.held_out[0], apply)
    return seen[0]
