"""Experiments as a user runs them: in processes of their own, from files to files."""

import json
import os
import subprocess
import sys
from pathlib import Path

from helpers import ROOT

SECONDS = 300


def environment() -> dict[str, str]:
    """This process's environment without what would reach JAX."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("XLA_", "JAX_"))}


def call(experiment: str, *flags: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run ``python -m experiments.<experiment>``; a failure shows what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{experiment}", *flags],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


ABSENT = """
import runpy, sys
sys.modules["torch"] = None
sys.argv = [{experiment!r}, *{argv!r}]
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


def refused(done: subprocess.CompletedProcess, *words: str) -> None:
    """One line, code 2, no traceback, all words in it."""
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1 and lines[0].startswith("error:"), done.stderr
    for word in words:
        assert word in lines[0]
