"""The program of a task in PyTorch; imports PyTorch and JAX only if this process computes."""

import functools
from typing import Any

from mrjax.config import RunConfig
from mrjax.pytorch import startup
from mrjax.tasks import program, registry


def run(config: RunConfig, backend: startup.Backend | None, flags_text: str) -> int:
    """Train, evaluate and record one run, or continue it; see :func:`mrjax.tasks.frame.run`.

    Args:
        config: checked configuration of a task, with PyTorch's switches.
        backend: from `mrjax.pytorch.startup.start`; None for a run of runs, which computes nothing
            itself.
        flags_text: the flags, for ``flags.txt``.

    Returns:
        Exit code: 0 when finished, 128 + n when signal n asked to stop.

    Raises:
        UserError: files, shapes or a run folder cannot be used, or PyTorch is missing.
        RunFailed: training diverges.
    """
    name = config.experiment
    if backend is None:
        startup.require_torch()
        return registry.whole(name).run(config, flags_text)
    from mrjax.tasks import frame  # imports jax

    engine_of: Any = functools.partial(registry.twin(name).engine, backend.device)
    prepare = functools.partial(program.job, config, "cpu", engine_of)
    return frame.run(name, config, backend, flags_text, prepare)
