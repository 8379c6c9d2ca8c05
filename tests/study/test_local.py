"""Runs on this machine: slots, order, failures, and a launcher that is stopped or killed."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from helpers import ROOT
from programs_here import here

from mrjax.study import records
from mrjax.study.launch import local, programs, resources
from mrjax.study.launch.progress import Failure, Progress, duration
from mrjax.study.launch.queue import Queue
from mrjax.study.launch.slurm import LONGEST_ARRAY, Cluster, _stages, _Submission
from mrjax.study.records import Arm, Run, Study

FOREIGN = str(ROOT / "experiments" / "recipes" / "foreign_example.py")


def study(*arms: Arm, command: str = "") -> Study:
    first = Arm(name="baseline", source="baseline", flags=(), kind="training")
    return Study(
        name="s", experiment="qsm", baseline=(), arms=(first, *arms), replicates=1,
        pairing="seed", cross={}, seed=0, platform="cpu", metric="nrmse", margin=0.02,
        margin_kind="relative", command=command,
    )  # fmt: skip


def run(name: str, arm: str = "baseline", requires: str = "", argv: tuple[str, ...] = ()) -> Run:
    workdir = f"runs/{arm}/{name}"
    return Run(
        arm=arm, label=name, replicate=0, factors={}, argv=argv, workdir=workdir, requires=requires
    )


# commands


def test_our_programs():
    found = programs.command("/s", study(), run("000", argv=("--from_run={study}/runs/b",)))
    assert found == [
        sys.executable, "-m", "experiments.qsm", "--from_run=/s/runs/b",
        "--workdir=/s/runs/baseline/000",
    ]  # fmt: skip
    assert "--allow_mixed" in programs.command("/s", study(), run("000"), allow_mixed=True)


def test_foreign_programs_and_other_interpreters():
    other = Arm(name="o", source="software", flags=(), kind="training", python="/py")
    assert programs.command("/s", study(other), run("0", "o"))[0] == "/py"
    assert programs.command("/s", study(other), run("0"), python="/node")[0] == "/node"
    template = "{python} 'a b' {flags} -o {workdir}/x"
    found = programs.command("/s", study(command=template), run("0", argv=("--c=d e", "--f")))
    assert found == [sys.executable, "a b", "--c=d e", "--f", "-o", "/s/runs/baseline/0/x"]
    assert "--allow_mixed" not in programs.command(
        "/s", study(command="x"), run("0"), allow_mixed=True
    )


def test_the_environment_of_a_slot(monkeypatch):
    monkeypatch.setattr(local, "visible_gpus", lambda: ("3", "5"))
    get = lambda kind, slot, slots: local.environment({"A": "1"}, kind, slot, slots)  # noqa: E731
    three = local.Slots(number=3)
    assert [get("gpu", i, three)["CUDA_VISIBLE_DEVICES"] for i in range(3)] == ["3", "5", "3"]
    # Two runs that share a GPU must not each take most of its memory.
    shared = "XLA_PYTHON_CLIENT_PREALLOCATE"
    assert get("gpu", 0, three)[shared] == "false"
    assert shared not in get("gpu", 0, local.Slots(number=2))
    assert get("gpu", 0, local.Slots()) == {"A": "1"}
    assert get("cpu", 0, three) == {"A": "1"}
    assert get("cpu", 0, local.Slots(compiled="/s/c")) == {"A": "1", "MRJAX_COMPILED": "/s/c"}
    assert local.environment({"MRJAX_COMPILED": "/other"}, "cpu", 0, three) == {}
    assert get("cpu", 0, local.Slots(cpu_threads=1)) == {
        "A": "1", "NPROC": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip


# queue and progress


def test_a_queue_gives_out_what_can_start():
    done: set[str] = set()
    first, second, third = run("1"), run("2", requires="runs/baseline/1"), run("3")
    queue = Queue([second, first, third], done.__contains__)
    assert queue.take() is first
    assert queue.take() is third
    taken: list[Run | None] = []
    thread = threading.Thread(target=lambda: taken.append(queue.take()))
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    done.add(first.workdir)
    queue.give_back(first)
    thread.join(10)
    assert taken == [second]


def test_what_waits_for_a_failed_run_is_left():
    first, second = run("1"), run("2", requires="runs/baseline/1")
    queue = Queue([first, second], lambda workdir: False)
    assert queue.take() is first
    queue.give_back(first)
    assert queue.take() is None
    assert queue.left() == [Failure(second, "waits for runs/baseline/1")]


def test_progress_says_how_long_the_rest_takes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    out = io.StringIO()
    progress = Progress(3, out)
    now[0] = 600.0
    progress.ended(run("0"), "done")
    assert out.getvalue() == "[1/3] baseline 0: done, about 20 min left\n"
    assert [duration(s) for s in (99, 100, 3599, 3600, 7500)] == [
        "99 s", "2 min", "1 h 00 min", "1 h 00 min", "2 h 05 min",
    ]  # fmt: skip


# a whole study of short foreign runs


def command(action: str, path: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "experiments.study", action, f"--study={path}", *flags]


def call(action: str, path: Path, *flags: str, code: int = 0) -> str:
    """Without a process of its own, which only a launcher needs that gets a signal."""
    done = here("study", action, f"--study={path}", *flags, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


RECIPE = (
    "--experiment=deblur",
    f"--command={{python}} {FOREIGN}",
    "--arm=init: --seed_order=0 --seed_init={r}",
    "--infer_arm=infer_f32: --dtype=float32",
    "--replicates=2",
)


def planned(path: Path, pause: float, *flags: str) -> Path:
    call("plan", path, *RECIPE, f"--baseline=--steps=40 --pause={pause}", *flags)
    return path


def results(path: Path) -> bytes:
    call("collect", path)
    return (path / "results.csv").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    path = planned(tmp_path_factory.mktemp("whole") / "s", 0.01)
    said = call("run", path, "--slots=3")
    assert "[8/8]" in said and "all 8 runs are finished" in said
    return path


def test_a_finished_study_is_not_done_again(whole):
    before = {p: p.stat().st_mtime_ns for p in whole.rglob("*")}
    assert call("run", whole) == "nothing to do: all 8 runs are finished\n"
    assert {p: p.stat().st_mtime_ns for p in whole.rglob("*")} == before


def test_each_run_has_a_log_with_its_host_and_slot(whole):
    logs = sorted((whole / "logs").iterdir())
    assert [p.name for p in logs] == sorted(Path(r.log).name for r in records.read_runs(whole))
    heads = [p.read_text().splitlines()[0] for p in logs]
    assert all(f" host {os.uname().nodename} slot " in head for head in heads)
    assert len({head.rpartition(" ")[2] for head in heads}) > 1
    assert "mean NRMSE" in logs[0].read_text()


def test_runs_from_elsewhere_are_collected_without_a_plan(whole, tmp_path):
    call("collect", tmp_path / "out", str(whole / "runs"), "--baseline=init")
    rows = (tmp_path / "out" / "results.csv").read_text().splitlines()
    assert len(rows) == len(results(whole).decode().splitlines()) == 8 * 8 + 1


def test_failures_are_listed_while_others_go_on(tmp_path):
    path = planned(tmp_path / "s", 0, "--arm=bad: --learning_rate=1e9")
    said = call("run", path, "--slots=2", code=1)
    assert "2 of 10 runs are not finished" in said
    assert "bad 001: exit code 1: error: the loss is not finite" in said.splitlines()[-1]
    assert "8 of 10 runs are finished" in (status := call("status", path))
    assert "bad 000: error: the loss is not finite" in status
    assert "[2/2] bad" in call("run", path, code=1)


def test_a_program_that_is_not_there(tmp_path):
    path = tmp_path / "s"
    call("plan", path, "--experiment=x", "--command=/no/such/program", "--replicates=1")
    assert "/no/such/program: No such file" in call("run", path, code=1).splitlines()[-1]


def start(path: Path) -> subprocess.Popen:
    """A launcher, some of whose runs are under way."""
    process = subprocess.Popen(
        command("run", path, "--slots=2"), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    wait_for(lambda: len(list(path.glob("runs/*/*/ledger.jsonl"))) >= 2)
    return process


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children_of(path: Path) -> list[int]:
    """Processes that train for a study."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        ours = any(word.startswith(f"--workdir={path}/runs/") for word in words)
        if ours and "--steps=0" not in words:
            found.append(int(entry.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_killed_launchers_and_runs_leave_nothing_that_differs(whole, tmp_path):
    path = planned(tmp_path / "s", 0.06)
    process = start(path)
    wait_for(lambda: len(children_of(path)) == 2)
    process.kill()
    process.communicate()
    wait_for(lambda: not children_of(path))
    process = start(path)
    wait_for(lambda: bool(children_of(path)))
    os.kill(children_of(path)[0], signal.SIGKILL)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "exit code -9" in out
    assert "runs are finished" in call("run", path, "--slots=2")
    assert results(path) == results(whole)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_stopped_launcher_stops_its_runs(tmp_path):
    path = planned(tmp_path / "s", 0.05)
    process = start(path)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "stopped by signal 15" in out.splitlines()[-1]
    assert not children_of(path)


def test_two_launchers_do_not_share_a_study(tmp_path):
    path = planned(tmp_path / "s", 0.05)
    process = start(path)
    try:
        done = subprocess.run(command("run", path), cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2 and "being written by process" in done.stderr
    finally:
        process.terminate()
        process.communicate()


# what Slurm is given


def test_resources():
    found = resources.parse(["far: --partition=x --gres=gpu:1 python=/p"])
    assert set(found) == {"default", "far"}
    assert found["far"].options == ("--partition=x", "--gres=gpu:1") and found["far"].python == "/p"
    for bad in ("x", "a: gpu", "a: --array=0-3", "a: --output=f", "a: --x='y"):
        with pytest.raises(resources.UserError, match="expected"):
            resources.parse([bad])


def test_arrays_are_short_and_throttled_together(tmp_path, monkeypatch):
    given: list[list[str]] = []

    def submit(options, script):
        given.append(list(options))
        return str(len(given))

    monkeypatch.setattr("mrjax.study.launch.scheduler.submit", submit)
    runs = [run(f"{i:04d}") for i in range(LONGEST_ARRAY + 1)]
    cluster = Cluster(resources=resources.parse([]), throttle=7)
    submission = _Submission(tmp_path, study(), cluster)
    assert list(submission.submit(runs, {})) == [
        ("1", LONGEST_ARRAY, "default"),
        ("2", 1, "default"),
    ]
    assert "--array=0-999%7" in given[0] and "--array=0-0%7" in given[1]
    assert not any("dependency" in option for option in given[0])
    assert "--dependency=afterany:1" in given[1]
    lines = (tmp_path / "slurm" / "000_default.txt").read_text().splitlines()
    assert len(lines) == LONGEST_ARRAY and lines[3].split("\t")[0].endswith("runs/baseline/0003")


def test_stages_follow_requirements():
    a, b, c, d = run("a"), run("b", requires="runs/baseline/a"), run("c"), run("d", requires="x")
    assert list(_stages([b, a, c, d])) == [[a, c, d], [b]]
    loop = run("e", requires="runs/baseline/e")
    assert list(_stages([loop])) == [[loop]]
