"""Experiments in this process: all that a command line leads to, but for two starts of Python.

A user's run plans an environment, starts itself again in it and imports JAX there, which takes
longer than a small training. Here the second start is this process, in which JAX is up already.
Nothing is taken on trust: a run reads back what JAX and XLA run with, so one that needs XLA flags,
devices or another framework's settings of its own is refused here. Such a run, one that is killed,
and one of each kind for the whole way, belong into a process: `experiments_helpers.call`. Figures,
which take longer to draw than these networks to train, are empty files unless they are asked for.
"""

import contextlib
import io
import os
import runpy
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from unittest import mock

from as_found import switches_of_torch
from compiled import quickly
from experiments_helpers import environment
from helpers import ROOT
from matplotlib.figure import Figure

from mrjax import children


class _Restart(BaseException):
    """Raised where a run would start its process again."""

    def __init__(self, path: str, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        super().__init__(path, argv)
        self.environ = dict(environ)


def here(
    experiment: str,
    *flags: str,
    check: bool = True,
    merged: bool = False,
    figures: bool = False,
) -> subprocess.CompletedProcess:
    """Run ``experiments.<experiment>`` in this process.

    Args:
        experiment: name of the program.
        *flags: its command line.
        check: fail, and show what the program wrote, if its exit code is not 0.
        merged: both streams are one, as a program that starts others reads them.
        figures: draw them.

    Returns:
        What `subprocess.run` would return.
    """
    words = [sys.executable, "-m", f"experiments.{experiment}", *flags]
    output = io.StringIO()
    errors = output if merged else io.StringIO()
    savefig = Figure.savefig if figures else quickly.empty
    drawn = mock.patch.object(Figure, "savefig", savefig)
    with _as_a_program(words, output, errors), drawn:
        code = _exit_code(words[2])
    done = subprocess.CompletedProcess(words, code, output.getvalue(), errors.getvalue())
    if check:
        assert done.returncode == 0, done.stderr
    return done


@contextlib.contextmanager
def _as_a_program(words: Sequence[str], output: io.StringIO, errors: io.StringIO) -> Iterator[None]:
    """What a program may change of its process is put back at its end."""
    environ = environment()
    environ.pop("MRJAX_RESTARTED", None)  # of a program that has started this one
    with contextlib.ExitStack() as stack:
        for change in (
            mock.patch.object(sys, "argv", words[2:]),
            mock.patch.object(sys, "orig_argv", words),
            mock.patch.dict(os.environ, environ, clear=True),
            mock.patch.object(os, "execve", _restart),
            contextlib.chdir(ROOT),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
            quickly.everything(),
            switches_of_torch(),
        ):
            stack.enter_context(change)
        yield


def _restart(path: str, argv: Sequence[str], environ: Mapping[str, str]) -> None:
    raise _Restart(path, argv, environ)


def _exit_code(module: str) -> int:
    """Run the program, a second time in its environment if it asks for that."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*found in sys.modules.*")
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except _Restart as again:
        os.environ.clear()
        os.environ.update(again.environ)
        precision = again.environ["JAX_DEFAULT_MATMUL_PRECISION"]
        with quickly.everything({"jax_default_matmul_precision": precision}):
            return _exit_code(module)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return end.code or 0
    return 0


def child_here(
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> children.Ended:
    """In place of `mrjax.children.run`: the runs of a sweep or a cross-validation, in this process.

    Args:
        command: ``python -m experiments.NAME`` with this Python, and flags.
        environ: not given by the programs that are tested so.
        on_line: called with each line that is not blank, at the end.
    """
    python, option, module, *flags = command
    assert (python, option, environ) == (sys.executable, "-m", None)
    done = here(module.removeprefix("experiments."), *flags, check=False, merged=True)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    for line in lines if on_line else []:
        on_line(line)
    return children.Ended(done.returncode, lines[-1] if lines else "", None)
