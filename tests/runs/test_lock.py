import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest
from helpers import ROOT

from mrjax.errors import UserError
from mrjax.runs.lock import Lock

HOLDER = """
import sys, time
from mrjax.runs.lock import Lock
lock = Lock(sys.argv[1])
print("held", flush=True)
time.sleep(600)
"""


def test_one_holder_at_a_time(tmp_path):
    path = tmp_path / ".lock"
    lock = Lock(path)
    with pytest.raises(UserError, match=f"being written by process {os.getpid()}; expected"):
        Lock(path)
    lock.release()
    lock.release()
    Lock(path).release()


def test_a_killed_process_leaves_no_lock(tmp_path):
    path = tmp_path / ".lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match=f"process {child.pid}; "):
            Lock(path)
        os.kill(child.pid, signal.SIGKILL)
    Lock(path).release()


def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    Lock(tmp_path / ".lock").release()
