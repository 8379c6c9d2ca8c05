"""The one restart of a process, in its planned environment."""

import json
import os
import sys

import pytest

from mrjax import backend
from mrjax.backend import process
from mrjax.config import RunConfig


@pytest.fixture
def restarts(monkeypatch):
    """Catch restarts, and change the environment as they would."""
    caught = []

    def execve(path, argv, environ):
        caught.append((path, argv, environ))
        monkeypatch.setenv("MRJAX_RESTARTED", environ["MRJAX_RESTARTED"])

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.delenv("MRJAX_RESTARTED", raising=False)
    return caught


def refuse_to_probe(text, environ):
    raise AssertionError("probed")


def test_restart_happens_once_and_carries_the_notes(restarts, monkeypatch):
    monkeypatch.setattr(process, "probe", refuse_to_probe)  # nothing to probe
    monkeypatch.setenv("NPROC", "7")
    backend.reexec(RunConfig(cpu_threads=1))
    backend.reexec(RunConfig(cpu_threads=1))
    ((path, argv, environ),) = restarts
    assert (path, argv, environ["NPROC"]) == (sys.executable, sys.orig_argv, "1")
    assert "NPROC=7 of the environment is replaced by 1" in process.notes()


def test_restart_without_notes_happens_once_too(restarts, monkeypatch):
    for name in list(os.environ):
        if name.startswith("JAX_") or name in ("NPROC", "PJRT_NPROC"):
            monkeypatch.delenv(name)
    backend.reexec(RunConfig())
    assert process.notes() == []
    backend.reexec(RunConfig())
    assert len(restarts) == 1


def test_a_child_process_restarts_for_itself(restarts, monkeypatch):
    guard = json.dumps({"pid": os.getpid() + 1, "notes": []})
    monkeypatch.setenv("MRJAX_RESTARTED", guard)
    backend.reexec(RunConfig())
    assert len(restarts) == 1


def test_flags_are_probed_before_the_restart(restarts, monkeypatch):
    monkeypatch.setattr(process, "probe", refuse_to_probe)
    with pytest.raises(AssertionError, match="probed"):
        backend.reexec(RunConfig(xla_cpu_isa="AVX"))
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=d")
    with pytest.raises(AssertionError, match="probed"):
        backend.reexec(RunConfig())
    assert restarts == []
