"""The process of a program: its own, or a child of another one, such as a notebook's kernel.

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
    """Prepare a program's own process, or run the program in a child process of another one.

    An interrupt of a notebook's cell goes to the child, which saves its state and ends.

    Args:
        module: as in `is_own`.

    Returns:
        Whether the caller should do the work; False where a child has done it.

    Raises:
        SystemExit: the child has failed, with its exit code.
    """
    if is_own(module):
        _speak_utf8()
        return True
    # Installed packages are found anyway; named here they would hide modules of Python.
    own = "" if _ROOT.endswith("-packages") else _ROOT
    path = os.pathsep.join(filter(None, [own, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", module, *sys.argv[1:]]
    ended = children.run(command, {**os.environ, "PYTHONPATH": path}, _show)
    if ended.code:
        raise SystemExit(ended.code if ended.code > 0 else 128 - ended.code)
    return False


def _speak_utf8() -> None:
    """Start again in Python's UTF-8 mode where a locale makes names and flag files something else.

    Otherwise the run folder and the flags of a run would depend on the terminal's language.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONUTF8": "1"})


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
