"""The work of ``experiments.baseline``; imports PyTorch and JAX only where the process computes."""

import functools
from typing import Any

from mrjax.baseline import startup
from mrjax.baseline.config import Breast, Qsm, VarNet


def run(config: Qsm | VarNet | Breast, backend: startup.Backend | None, flags_text: str) -> int:
    """Train, evaluate and record one run, or go on with it: see :func:`mrjax.tasks.frame.run`.

    Args:
        config: checked configuration of a task.
        backend: what `mrjax.baseline.startup.start` found; None for a cross-validation.
        flags_text: the flags, for ``flags.txt``.

    Returns:
        Exit code: 0 when finished, 128 + n when signal n asked to stop.

    Raises:
        UserError: for files, shapes or a run folder that cannot be used, or without PyTorch.
        RunFailed: if training diverges.
    """
    if backend is None:
        from mrjax.tasks.breast import crossval

        startup.require_torch()
        return crossval.run(_breast(config), flags_text)
    from mrjax.baseline import tasks
    from mrjax.tasks import frame

    job, engine_of = tasks.JOBS[config.task]
    prepare: Any = functools.partial(
        job, config, "cpu", functools.partial(engine_of, backend.device)
    )
    return frame.run(config.task, config, backend, flags_text, prepare)


def _breast(config: Any) -> Breast:
    assert isinstance(config, Breast), "only a cross-validation computes in other processes"
    return config
