"""Errors of compilers and devices about flags, files or a full memory, explained in one line.

XLA and PyTorch raise the same exception for a user's mistake and for a defect of their own, so the
text has to tell which it is. An error that is not known here keeps its traceback.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mrjax.config import RunConfig
from mrjax.errors import RunFailed, UserError


class _Known(NamedTuple):
    """A known error.

    Attributes:
        text: pattern of the error's text.
        meaning: explanation for the user; ``{said}`` stands for the line with the pattern.
        counts: whether the explanation holds for a run's configuration.
        kind: the exception to raise instead.
    """

    text: str
    meaning: str
    counts: Callable[[RunConfig], bool] = lambda config: True
    kind: type[Exception] = UserError


def _frozen(config: RunConfig) -> bool:
    return config.xla_autotune == "frozen"


def _untuned(config: RunConfig) -> bool:
    return config.xla_deterministic or config.xla_autotune == "off"


def _torch_deterministic(config: RunConfig) -> bool:
    names = ("deterministic_algorithms", "cudnn_deterministic")
    return any(getattr(config, name, False) for name in names)


_KNOWN = (
    _Known(
        "out of memory|failed to allocate|can't allocate memory",
        "the device has too little memory ({said}); expected as much as the activations of a "
        "training step, or of a whole image, need; lower --batch_size or --width, or free the "
        "device",
        kind=RunFailed,
    ),
    _Known(
        "autotune results (string|file)|version mismatch in autotune results",
        "--xla_autotune_file={file} cannot be read ({said}); expected the choices that this "
        "version of jax stored; store them anew with --xla_autotune=on",
        _frozen,
    ),
    _Known(
        "no cached config found|aot autotuning results are required",
        "--xla_autotune_file={file} lacks the choice for an operation ({said}); expected those of "
        "a run with the same flags, jax and kind of GPU; store them anew with --xla_autotune=on",
        _frozen,
    ),
    _Known(
        "no supported configs? found|no valid engine configs|no supported engine for the graph"
        "|no execution plans support the graph",
        "XLA has no kernel for an operation ({said}); expected one without timing under "
        "--xla_deterministic or --xla_autotune=off; drop that flag, or change --dtype",
        _untuned,
    ),
    _Known(
        "does not have a deterministic implementation",
        "PyTorch has no deterministic form of an operation ({said}); expected one under "
        "--deterministic_algorithms; drop it, or use --cudnn_deterministic alone",
        _torch_deterministic,
    ),
    _Known(
        "unable to find an engine to execute this computation",
        "cuDNN has no algorithm for a convolution ({said}); expected a deterministic one under "
        "--cudnn_deterministic or --deterministic_algorithms; drop these, or change --dtype",
        _torch_deterministic,
    ),
)


def explained(error: BaseException, config: RunConfig) -> Exception | None:
    """Explain in one line what an error of a compiler or device means for the user.

    Args:
        error: the exception that was raised.
        config: the configuration of the run.

    Returns:
        The exception to raise instead; None where the error is not known.
    """
    for known in _KNOWN if isinstance(error, RuntimeError) else ():
        if known.counts(config) and (said := _line(known.text, str(error))):
            return known.kind(known.meaning.format(said=said, file=config.xla_autotune_file))
    return None


def _line(pattern: str, text: str) -> str:
    """Return the first line of a text that has the pattern, shortened; "" if there is none."""
    lines = [line for line in text.splitlines() if re.search(pattern, line, re.IGNORECASE)]
    return lines[0].strip()[:160] if lines else ""


@contextlib.contextmanager
def told(config: RunConfig) -> Iterator[None]:
    """Turn known errors of compilers and devices into one line, as `explained` does.

    Args:
        config: the configuration of the run.

    Raises:
        UserError: a flag or a file is wrong.
        RunFailed: there is too little memory.
    """
    try:
        yield
    except RuntimeError as error:
        found = explained(error, config)
        if found is None:
            raise
        raise found from error
