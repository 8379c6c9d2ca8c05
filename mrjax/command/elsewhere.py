"""Programs that are started inside another one, such as a notebook's kernel.

A run needs a process of its own: its environment must be set before JAX is imported, so the process
starts itself again (`mrjax.backend.reexec`). In a notebook that would replace the kernel and lose
everything in it. There the program runs in a child process, whose lines are shown.
"""

import os
import sys
from pathlib import Path

import mrjax
from mrjax import children

_ROOT = str(Path(mrjax.__file__).parents[1])


def is_own(module: str) -> bool:
    """Whether this process was started to run a program, and for nothing else.

    Args:
        module: name of the program's module, such as ``experiments.qsm``.
    """
    before = len(sys.orig_argv) - len(sys.argv) + 1
    if before < 2 or sys.orig_argv[before:] != sys.argv[1:]:
        return False
    program = sys.orig_argv[before - 1]
    file = Path(_ROOT, *module.split(".")).with_suffix(".py")
    return program.removeprefix("-m") == module or _same(program, file)


def _same(one: str, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 Path.samefile raises for odd paths
    except (OSError, ValueError):
        return False


def alone(module: str) -> bool:
    """Run a program in a child process if this process is not its own.

    An interrupt of a notebook's cell goes to the child, which saves its state and ends.

    Args:
        module: as in `is_own`.

    Returns:
        Whether the caller should do the work; False where a child has done it.

    Raises:
        SystemExit: the child has failed, with its exit code.
    """
    if is_own(module):
        return True
    path = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", module, *sys.argv[1:]]
    ended = children.run(command, {**os.environ, "PYTHONPATH": path}, _show)
    if ended.code:
        raise SystemExit(ended.code if ended.code > 0 else 128 - ended.code)
    return False


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
