"""A breast run: one fold in this process, or a cross-validation of many processes."""

import functools

from mrjax.backend import Backend
from mrjax.tasks.breast import crossval
from mrjax.tasks.breast.config import Config


def run(config: Config, backend: Backend | None, flags_text: str) -> int:
    """Do what the configuration asks for.

    Args:
        config: checked configuration.
        backend: what :func:`mrjax.backend.start` found; None for a cross-validation.
        flags_text: the flags, for ``flags.txt``.

    Returns:
        Exit code: 0 when finished, 128 + n when signal n asked to stop.

    Raises:
        UserError: for files, patients or a run folder that cannot be used.
        RunFailed: if training diverges.
    """
    if backend is None:
        return crossval.run(config, flags_text)
    from mrjax.tasks import frame
    from mrjax.tasks.breast import fold  # imports jax

    in_jax = functools.partial(fold.engine, backend.devices)
    prepare = functools.partial(fold.job, config, backend.platform, in_jax)
    return frame.run("breast", config, backend, flags_text, prepare)
