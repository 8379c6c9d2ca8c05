"""Experiments as a user runs them: in processes of their own, from files to files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from compiled import quickly
from helpers import ROOT

SECONDS = 300


def environment(xla_flags: str = "", anew: bool = False, figures: bool = False) -> dict[str, str]:
    """This process's environment, without what would reach JAX but XLA_FLAGS.

    Args:
        xla_flags: value of XLA_FLAGS.
        anew: compile every program, as users' runs do, with all optimisations, instead of taking
            what another program under test has compiled (tests/compiled).
        figures: draw them; else they are empty files.
    """
    found = {k: v for k, v in os.environ.items() if not k.startswith(("XLA_", "JAX_"))}
    if anew:
        found.pop(quickly.FOLDER, None)
    if not figures:
        found[quickly.NO_FIGURES] = "1"
    path = [str(ROOT / "tests" / "compiled"), *filter(None, [found.get("PYTHONPATH")])]
    return {**found, "XLA_FLAGS": xla_flags, "PYTHONPATH": os.pathsep.join(path)}


def call(
    experiment: str,
    *flags: str,
    check: bool = True,
    xla_flags: str = "",
    anew: bool = False,
    figures: bool = False,
) -> subprocess.CompletedProcess:
    """Run ``python -m experiments.<experiment>``; a failure shows what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{experiment}", *flags],
        cwd=ROOT,
        env=environment(xla_flags, anew, figures),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


def start(experiment: str, *flags: str, stderr: int = subprocess.PIPE) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", f"experiments.{experiment}", *flags],
        cwd=ROOT,
        env=environment(),
        stderr=stderr,
        text=True,
    )


def wait_for(sign: Callable[[], bool]) -> None:
    """Return when a started process has given its sign; fail when it gives none."""
    deadline = time.monotonic() + SECONDS
    while not sign():
        assert time.monotonic() < deadline, "the process gave no sign"
        time.sleep(0.02)


def kill(experiment: str, *flags: str, sign: Callable[[], bool], after: float = 0) -> int:
    """Kill -9 an experiment `after` seconds from its sign.

    Returns:
        Its return code: -9, or 0 where it had ended before.
    """
    process = start(experiment, *flags, stderr=subprocess.DEVNULL)
    wait_for(lambda: sign() or process.poll() is not None)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    return process.wait()


ABSENT = """
import runpy, sys
sys.modules["torch"] = None
sys.argv = [{experiment!r}, *{argv!r}]
sys.orig_argv = [sys.executable, "-m", "experiments.{experiment}", *{argv!r}]
runpy.run_module("experiments.{experiment}", run_name="__main__")
"""


def without_torch(experiment: str, *argv: str) -> subprocess.CompletedProcess:
    """Run an experiment where PyTorch is not installed."""
    command = [sys.executable, "-c", ABSENT.format(experiment=experiment, argv=argv)]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)


def result(workdir: Path) -> dict:
    return json.loads((workdir / "result.json").read_text())


def digests(workdir: Path) -> dict[str, str]:
    return result(workdir)["digests"]


def changed(before: Path, after: Path) -> set[str]:
    """Names of the digests in which two finished runs differ."""
    ours, theirs = digests(before), digests(after)
    assert ours.keys() == theirs.keys()
    return {name for name in ours if ours[name] != theirs[name]}


def refused(done: subprocess.CompletedProcess, *words: str) -> None:
    """One line, code 2, no traceback, all words in it."""
    assert done.returncode == 2, done.stderr
    told = ("note:", "data:")  # notes, and the account of the data
    lines = [line for line in done.stderr.splitlines() if not line.startswith(told)]
    assert len(lines) == 1 and lines[0].startswith("error:"), done.stderr
    for word in words:
        assert word in lines[0]
