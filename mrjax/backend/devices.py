"""The devices on which JAX starts, and the warnings that it logs on the way."""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from mrjax.config import RunConfig
from mrjax.errors import UserError

_ADVICE = 'for a GPU install "mrjax[cuda]" and a driver, or use --platform=cpu'


def bring_up(config: RunConfig) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """Let JAX start its devices.

    JAX does not treat a CUDA plugin that cannot start as an error: it logs a traceback and goes on
    without GPUs. Here the reason becomes one line.

    Args:
        config: the configuration of the run.

    Returns:
        The requested number of devices (of each process, in their order), of the requested
        platform, whose `platform` is "cpu" or "gpu"; and the warnings of JAX, one line each.

    Raises:
        UserError: there are no such devices, or there is no CPU beside them.
    """
    import jax

    with _listening() as said:
        try:
            found = jax.devices()
            jax.devices("cpu")
        except (RuntimeError, AssertionError) as error:  # JAX_PLATFORMS=cuda raises the latter
            reason = [*said, *str(error).splitlines(), "no reason given"][0]
            raise UserError(
                f"JAX does not start with JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')} "
                f"({reason}); expected a CPU, where weights are drawn, and any GPU beside it; "
                f"{_ADVICE}"
            ) from error
    return _asked_for(config, found, said), tuple(f"JAX says: {line}" for line in said)


def _asked_for(config: RunConfig, found: Sequence[Any], said: Sequence[str]) -> tuple[Any, ...]:
    platform = found[0].platform
    if platform not in ("cpu", "gpu") or config.platform not in ("auto", platform):
        reason = f" ({said[0]})" if said else ""
        raise UserError(
            f"--platform={config.platform} but JAX runs on {platform}{reason}; expected a device "
            f"of that kind; {_ADVICE}"
        )
    chosen: list[Any] = []
    for own in _by_process(config, found):
        if len(own) < config.devices:
            raise UserError(
                f"--devices={config.devices} but only {len(own)} {platform} device(s) are there; "
                "expected at most that many; lower --devices"
            )
        chosen += own[: config.devices]
    return tuple(chosen)


def _by_process(config: RunConfig, found: Sequence[Any]) -> list[list[Any]]:
    """Return the devices of each process of the run."""
    if config.processes == 1:
        return [list(found)]
    return [[d for d in found if d.process_index == i] for i in range(config.processes)]


class _Lines(logging.Handler):
    """Keeps log messages, with the reason of an exception instead of its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        reason = f" ({record.exc_info[1]})" if record.exc_info else ""
        self.lines.append(" ".join(f"{record.getMessage()}{reason}".split())[:280])


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect the messages that JAX logs; they do not reach standard error."""
    logger, handler = logging.getLogger("jax"), _Lines()
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.propagate = before
