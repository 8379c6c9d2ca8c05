"""The process that starts the members of a run: what it starts, shows, ends and says."""

import os
import signal
import sys
import time

import pytest

from mrjax.backend.team import ALONE, GONE, Team
from mrjax.command import together
from mrjax.config import RunConfig
from mrjax.errors import RunFailed, UserError

MEMBER = """
import os, signal, sys, time
index = next(a for a in sys.argv if a.startswith("--process_id=")).split("=")[1]
for act in sys.argv[1].split(";"):
    who, _, what = act.partition(":")
    if who == index:
        exec(what)
"""


def run(monkeypatch, capfd, acts: str, count: int = 2, **fields) -> tuple[int, str, str]:
    monkeypatch.setattr(together, "program", lambda: [sys.executable, "-c", MEMBER, acts])
    config = RunConfig(processes=count, batch_size=count, **fields)
    config.check()
    code = together.run(config, [], {"PATH": ""})
    return (code, *capfd.readouterr())


def test_process_0_is_heard_and_the_others_only_where_they_fail(monkeypatch, capfd):
    acts = (
        "0:print('table', flush=True);0:print('[Gloo] Rank 0');0:print('E1128 21:00:12.3 x')"
        ";0:print('*** Check failure stack trace: ***');0:print('    @     0x7f7517b00321  tsl::x')"
        ";1:print('not shown')"
    )
    assert run(monkeypatch, capfd, acts) == (0, "table\n", "")


def test_the_same_mistake_is_one_line(monkeypatch, capfd):
    acts = (
        "0:print('error: no such file');0:sys.exit(2);1:print('error: no such file');1:sys.exit(2)"
    )
    assert run(monkeypatch, capfd, acts) == (2, "", "error: no such file\n")


def test_the_cause_is_said_and_not_what_follows_from_it(monkeypatch, capfd):
    acts = f"0:print('error: {GONE}, so');0:sys.exit(1);1:print('error: disk full');1:sys.exit(1)"
    assert run(monkeypatch, capfd, acts) == (1, "", "error: disk full\n")


@pytest.mark.parametrize(
    ("acts", "who"),
    [
        ("0:os.kill(os.getpid(), 9);1:os.abort()", "process 0 was ended by SIGKILL"),
        (
            f"1:os.kill(os.getpid(), 9);0:print('error: {GONE}');0:sys.exit(1)",
            "process 1 was ended",
        ),
        ("0:os.abort();1:os.abort()", GONE),
    ],
)
def test_one_that_is_killed_ends_the_run_with_one_line(acts, who, monkeypatch, capfd):
    code, out, said = run(monkeypatch, capfd, acts)
    assert (code, out, said.count("\n")) == (1, "", 1)
    assert said.startswith(f"error: {who}") and "last checkpoint" in said


@pytest.mark.parametrize(
    ("fields", "environ"),
    [
        ({"coordinator": "a:1", "process_id": 2}, {}),
        ({}, {"SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "2", "SLURM_LOCALID": "0"}),
        ({}, {"OMPI_COMM_WORLD_SIZE": "3", "OMPI_COMM_WORLD_RANK": "2"}),
    ],
)
def test_one_that_was_started_alone_has_its_own_number(fields, environ, monkeypatch, capfd):
    dies = [sys.executable, "-c", "import os; print('  x', flush=True); os.kill(os.getpid(), 9)"]
    monkeypatch.setattr(together, "program", lambda: dies)
    config = RunConfig(processes=3, batch_size=3, **fields)
    assert together.run(config, [], {"PATH": "", **environ}) == 1
    out, said = capfd.readouterr()
    assert said.startswith("error: process 2 was ended by SIGKILL")
    assert not out  # process 0 is elsewhere


def test_one_that_hangs_is_killed_after_another_has_failed(monkeypatch, capfd):
    monkeypatch.setattr(together, "_GRACE", 0.5)
    begun = time.monotonic()
    code, _, said = run(monkeypatch, capfd, "0:time.sleep(100);1:sys.exit(3)")
    assert code == 3 and "error" in said and time.monotonic() - begun < 60


@pytest.mark.parametrize(
    ("fields", "environ", "flags"),
    [
        ({"coordinator": "a:1", "process_id": 1}, {}, [[]]),
        ({}, {"SLURM_STEP_NUM_TASKS": "2", "SLURM_LOCALID": "1"}, [["--device_index=1"]]),
        ({"platform": "cpu"}, {"SLURM_STEP_NUM_TASKS": "2", "SLURM_LOCALID": "1"}, [[]]),
        ({}, {"OMPI_COMM_WORLD_SIZE": "2"}, [[]]),
    ],
)
def test_who_is_started_elsewhere_is_not_started_here(fields, environ, flags):
    config = RunConfig(processes=2, batch_size=2, **fields)
    assert together._flags_of_members(config, environ) == flags


@pytest.mark.parametrize("environ", [{}, {"SLURM_STEP_NUM_TASKS": "1"}])
def test_all_are_started_here_each_with_devices_of_its_own(environ):
    config = RunConfig(processes=3, devices=2, batch_size=6, device_index=1)
    found = together._flags_of_members(config, environ)
    assert len({flags[0] for flags in found}) == 1
    assert [flags[1:] for flags in found] == [
        ["--process_id=0"],
        ["--process_id=1", "--device_index=3"],
        ["--process_id=2", "--device_index=5"],
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"processes": 3}, "--batch_size=2 does not divide among --processes=3"),
        ({"processes": 2, "devices": 2, "batch_size": 6}, "with --devices=2 each"),
        ({"processes": 2, "coordinator": "a:1"}, "--coordinator and --process_id"),
        ({"processes": 2, "process_id": 1}, "--coordinator and --process_id"),
        (
            {"processes": 2, "coordinator": "a:1", "process_id": 2},
            "--process_id=2 of --processes=2",
        ),
        ({"coordinator": "a:1", "process_id": 1}, "--process_id=1 of --processes=1"),
        ({"processes": 2, "coordinator": "a", "process_id": 1}, "--coordinator=a is no address"),
    ],
)
def test_flags_that_contradict_each_other(fields, message):
    with pytest.raises(UserError, match=message):
        RunConfig(**fields).check()


def test_a_process_alone_agrees_with_itself():
    assert ALONE.leads and ALONE.every(7) == [7]
    ALONE.check_same("settings", "a")
    ALONE.leave()
    with pytest.raises(ValueError, match="Gloo"), ALONE.together():
        raise ValueError("Gloo")


def test_only_a_lost_process_is_called_one():
    with pytest.raises(RunFailed, match=f"{GONE}, so process 1"), Team(1, 2).together():
        raise ValueError("UNKNOWN: Gloo all-reduce failed: Connection closed by peer")
    with pytest.raises(ValueError, match="shapes"), Team(1, 2).together():
        raise ValueError("shapes differ")


def test_a_signal_reaches_all(monkeypatch, capfd):
    heard = ";".join(f"{i}:signal.signal(15, lambda *a: sys.exit(143))" for i in (0, 1))
    acts = f"{heard};0:print('up', flush=True);0:time.sleep(50);1:time.sleep(50)"
    monkeypatch.setattr(together, "program", lambda: [sys.executable, "-c", MEMBER, acts])
    shown = sys.stdout.write

    def write(text):
        if "up" in text:
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGTERM)
        return shown(text)

    monkeypatch.setattr(sys.stdout, "write", write)
    assert together.run(RunConfig(processes=2), [], {"PATH": ""}) == 143
