"""What a test may change of its process and the next one would meet.

A program sets environment variables and PyTorch's switches for its whole process, which for a test
is everyone's; a test may seed a generator, update a setting of JAX or change the folder. Which
tests share a process differs from one run of the suite to the next, so that what one of them leaves
behind fails another now and then.

Only what costs next to nothing is put back: everything here takes about a millisecond a test.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

SIGNALS = ("SIGHUP", "SIGINT", "SIGTERM", "SIGALRM", "SIGCHLD", "SIGUSR1", "SIGUSR2")


class State(NamedTuple):
    """A part of the process that a module keeps.

    Attributes:
        module: its name; where it is not imported there is nothing to put back.
        read: (module) -> the state.
        write: (module, state that was read) -> None.
    """

    module: str
    read: Callable[[ModuleType], Any]
    write: Callable[[ModuleType, Any], None]


@contextlib.contextmanager
def left_as_found() -> Iterator[None]:
    """Put environment variables, PyTorch's switches and all of `STATES` back at the end."""
    with variables(), switches_of_torch(), states():
        yield


@contextlib.contextmanager
def states() -> Iterator[None]:
    """All of `STATES`."""
    before = [
        (state, sys.modules[state.module], state.read(sys.modules[state.module]))
        for state in STATES
        if state.module in sys.modules
    ]
    try:
        yield
    finally:
        for state, module, value in before:
            state.write(module, value)


@contextlib.contextmanager
def variables() -> Iterator[None]:
    """Those of the environment; one that did not change is not written, for other threads read."""
    environ = os.environ
    before = dict(environ)
    try:
        yield
    finally:
        for name in environ.keys() - before.keys():
            del environ[name]
        for name, value in before.items():
            if environ.get(name) != value:
                environ[name] = value


@contextlib.contextmanager
def switches_of_torch() -> Iterator[None]:
    """Those that PyTorch keeps for the whole process, if it is imported."""
    if "torch" not in sys.modules:
        yield
        return
    import torch

    cudnn, matrix = torch.backends.cudnn, torch.backends.cuda.matmul
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    switches = cudnn.benchmark, cudnn.deterministic
    precisions = matrix.fp32_precision, cudnn.conv.fp32_precision
    try:
        yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
        cudnn.benchmark, cudnn.deterministic = switches
        matrix.fp32_precision, cudnn.conv.fp32_precision = precisions


def _umask(module: ModuleType) -> int:
    """It can only be read by setting another one."""
    found = module.umask(0o077)
    module.umask(found)
    return found


def _handlers(module: ModuleType) -> dict[int, Any]:
    """Those that Python knows, of the signals that are used here or might be."""
    numbers = [getattr(module, name) for name in SIGNALS if hasattr(module, name)]
    found = {number: module.getsignal(number) for number in numbers}
    return {number: handler for number, handler in found.items() if handler is not None}


def _set_handlers(module: ModuleType, before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if module.getsignal(number) is not handler:
            module.signal(number, handler)


def _set_locale(module: ModuleType, before: str) -> None:
    if module.setlocale(module.LC_ALL) != before:
        module.setlocale(module.LC_ALL, before)


def _loggers(module: ModuleType) -> tuple:
    root = module.getLogger()
    return list(root.handlers), root.level, root.manager.disable


def _set_loggers(module: ModuleType, before: tuple) -> None:
    root = module.getLogger()
    root.handlers[:], level, root.manager.disable = before
    if root.level != level:
        root.setLevel(level)


def _set_settings(module: ModuleType, before: dict[str, Any]) -> None:
    """Only those that changed: some of JAX's cannot be set once it is up."""
    now = module.config.values
    for name, value in before.items():
        if now[name] is not value and now[name] != value:
            module.config.update(name, value)


def _parameters(module: ModuleType) -> dict[str, Any]:
    """Past the slow methods of matplotlib's own kind of dictionary."""
    return dict(dict.items(module.rcParams))


def _set_parameters(module: ModuleType, before: dict[str, Any]) -> None:
    now = _parameters(module)
    changed = {name: value for name, value in before.items() if now[name] is not value}
    dict.update(module.rcParams, changed)


def _drawn(module: ModuleType) -> tuple:
    """State of numpy's own generator, its 624 words as bytes."""
    kind, words, *rest = module.random.get_state()
    return kind, words.tobytes(), *rest


def _set_drawn(module: ModuleType, before: tuple) -> None:
    if _drawn(module) != before:
        kind, words, *rest = before
        module.random.set_state((kind, module.frombuffer(words, module.uint32), *rest))


def _close_others(module: ModuleType, before: list[int]) -> None:
    for number in set(module.get_fignums()) - set(before):
        module.close(number)


def _set_path(module: ModuleType, before: tuple) -> None:
    module.path[:], module.argv, module.excepthook = before


STATES = (
    State("os", lambda m: m.getcwd(), lambda m, folder: m.chdir(folder)),
    State("os", _umask, lambda m, mask: m.umask(mask)),
    State("sys", lambda m: (list(m.path), list(m.argv), m.excepthook), _set_path),
    State("signal", _handlers, _set_handlers),
    State("locale", lambda m: m.setlocale(m.LC_ALL), _set_locale),
    State("logging", _loggers, _set_loggers),
    State("random", lambda m: m.getstate(), lambda m, state: m.setstate(state)),
    State("numpy", _drawn, _set_drawn),
    State("numpy", lambda m: m.geterr(), lambda m, errors: m.seterr(**errors)),
    State(
        "numpy", lambda m: m.get_printoptions(), lambda m, options: m.set_printoptions(**options)
    ),
    State("jax", lambda m: m.config.values, _set_settings),
    State(
        "matplotlib", lambda m: dict.copy(m.rcParams), lambda m, old: dict.update(m.rcParams, old)
    ),
    State("matplotlib.pyplot", lambda m: m.get_fignums(), _close_others),
    State("torch", lambda m: m.get_rng_state(), lambda m, state: m.set_rng_state(state)),
    State("torch", lambda m: m.get_default_dtype(), lambda m, dtype: m.set_default_dtype(dtype)),
    State("torch", lambda m: m.is_grad_enabled(), lambda m, grad: m.set_grad_enabled(grad)),
)
