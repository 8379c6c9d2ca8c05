"""Children get the parent's signals, end with the parent, and report how they ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mrjax import children

WAIT = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(143)))
Path({ready!r}).write_text(str(__import__("os").getpid()))
time.sleep(60)
"""

PARENT = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which tests under nohup would ignore
from mrjax import children
ended = children.run([sys.executable, "-c", {child!r}])
print(ended.code, ended.last, ended.signal, flush=True)
"""


def test_code_and_last_line():
    code = "import sys; print('a'); print('  b '); print(); sys.exit(3)"
    seen: list[str] = []
    ended = children.run([sys.executable, "-c", code], on_line=seen.append)
    assert ended == children.Ended(3, "b", None)
    assert seen == ["a", "  b"]  # tables and help keep their columns


def test_environment_is_the_one_given():
    show = [sys.executable, "-c", "import os; print(os.environ.get('MRJAX_A'))"]
    assert children.run(show, {**os.environ, "MRJAX_A": "1"}).last == "1"
    assert children.run(show).last == "None"


def start(tmp_path) -> tuple[subprocess.Popen, int]:
    """A parent with a child that waits; the child's process number."""
    ready = tmp_path / "ready"
    parent = PARENT.format(child=WAIT.format(ready=str(ready)))
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (ready.exists() and ready.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return process, int(ready.read_text())


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_signal_goes_to_the_child_which_may_save(tmp_path):
    process, _ = start(tmp_path)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert out.split() == ["143", "saved", "15"]


def test_a_closed_terminal_ends_the_child_too(tmp_path):
    process, child = start(tmp_path)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=60)
    assert out.split() == [str(-signal.SIGHUP), str(int(signal.SIGHUP))] and not alive(child)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked for this")
def test_a_child_dies_with_a_killed_parent(tmp_path):
    process, child = start(tmp_path)
    assert alive(child)
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(child)


GROUP = """
import sys, threading
from mrjax import children
ended = []
with children.Group() as group:
    def work(child):
        ended.append(group.run([sys.executable, "-c", child]).code)
        ended.append(group.run([sys.executable, "-c", "print()"]).code)
    threads = [threading.Thread(target=work, args=(child,)) for child in {children!r}]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
print(sorted(ended), group.signal, flush=True)
"""


def test_a_signal_goes_to_all_children_of_threads_and_no_more_are_started(tmp_path):
    ready = [tmp_path / name for name in "abc"]
    code = GROUP.format(children=[WAIT.format(ready=str(path)) for path in ready])
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not all(p.exists() and p.read_text() for p in ready) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert out == "[-15, -15, -15, 143, 143, 143] 15\n"


def test_children_of_threads_without_a_signal():
    with children.Group() as group:
        assert group.run([sys.executable, "-c", "print(1)"]) == children.Ended(0, "1", None)
        assert group.run([sys.executable, "-c", "raise SystemExit(4)"]).code == 4


def test_after_a_signal_nothing_is_started(tmp_path):
    with children.Group() as group:
        group.signal = signal.SIGTERM
        ended = group.run(["touch", str(tmp_path / "file")])
    assert ended == children.Ended(-signal.SIGTERM, "", signal.SIGTERM)
    assert not (tmp_path / "file").exists()
