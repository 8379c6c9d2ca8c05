"""The program of a task in JAX: the part of ``python -m experiments.NAME`` after JAX's start."""

import functools
from collections.abc import Callable
from typing import Any

from mrjax.config import RunConfig
from mrjax.tasks import registry


def run(config: RunConfig, backend: Any, flags_text: str) -> int:
    """Train, evaluate and record the run of a configuration, or continue it.

    Args:
        config: checked configuration of a task.
        backend: result of `mrjax.backend.start`; None for a run that only starts other runs.
        flags_text: the flags, for ``flags.txt``.

    Returns:
        Exit code: 0 when finished, 128 + n when signal n asked to stop.

    Raises:
        UserError: files, subjects or a run folder cannot be used.
        RunFailed: training diverges.
    """
    if backend is None:
        return registry.whole(config.experiment).run(config, flags_text)
    from mrjax.tasks import frame  # imports jax

    task = registry.module(config.experiment, "run")
    in_jax = functools.partial(task.engine, backend.devices)
    prepare = functools.partial(job, config, backend.platform, in_jax)
    return frame.run(config.experiment, config, backend, flags_text, prepare)


def job(config: RunConfig, platform: str, engine_of: Callable[[Any, Any], Any]) -> Any:
    """Return the `mrjax.tasks.frame.Job` of a run, with loaded and checked inputs.

    Args:
        config: checked configuration of a task.
        platform: ``cpu`` or ``gpu``, where JAX computes.
        engine_of: (model, inputs) -> the network in its framework.

    Raises:
        UserError: subjects or a network cannot be used.
    """
    task = registry.module(config.experiment, "run")
    built = task.model.build(config, platform)
    inputs = registry.module(config.experiment, "inputs").prepare(config, built)
    return task.Job(config, inputs, engine_of(built, inputs))
