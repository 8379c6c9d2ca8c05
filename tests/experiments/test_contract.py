"""What every program keeps to, as a user runs it: in processes of its own, some of them killed."""

import json
import random
import subprocess
from pathlib import Path

import pytest
from experiments_helpers import call, changed, digests, kill, refused, result
from micro_runs import FOLDS, micro
from programs_here import child_here, here

from mrjax import children
from mrjax.runs import ledger
from mrjax.runs.digests import fingerprint, hex64
from mrjax.train import checkpoint

JAX = ("qsm", "varnet", "breast", "e2e")
COMMANDS = {
    "qsm": ("qsm", *micro("qsm"), "--n_test=1"),
    "varnet": ("varnet", *micro("varnet"), "--n_test=1"),
    "breast": ("breast", *micro("breast")),
    "e2e": ("e2e", *micro("e2e"), "--n_test=1"),
    "pytorch": ("pytorch", "--task=qsm", *micro("qsm"), "--n_test=1"),
}
"""Program -> its command line, with few figures to draw; that of breast is several trainings."""
REPEATABLE = {**dict.fromkeys(JAX, "--xla_deterministic"), "pytorch": "--deterministic_algorithms"}
SWITCHES = {
    **dict.fromkeys(JAX, "xla_gpu_deterministic_ops"),
    "pytorch": "deterministic_algorithms",
}
KILLED_AFTER = {
    "qsm": "ledger.jsonl",
    "varnet": "checkpoints/*.npz",
    "e2e": "checkpoints/*.npz",
    "breast": f"{FOLDS[0]}/ledger.jsonl",
    "pytorch": "ledger.jsonl",
}
"""Program -> the file with which a moment begins that is worth to be killed at."""


@pytest.fixture(scope="module", params=COMMANDS)
def program(request) -> str:
    if request.param == "pytorch":
        pytest.importorskip("torch", reason="needs torch, the framework of the program")
    return request.param


@pytest.fixture(scope="module")
def command(program) -> tuple[str, ...]:
    """The command line of a run that promises to be repeatable."""
    return (*COMMANDS[program], REPEATABLE[program])


@pytest.fixture(scope="module")
def base(program, command, tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp(program) / "base"
    call(*command, f"--workdir={workdir}", figures=True)
    return workdir


def trainings(workdir: Path) -> list[Path]:
    """Folders of all trainings of a run."""
    return [workdir / name for name in result(workdir).get("children", [""])]


def contents(folder: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found
    return found


def assert_same_bits(found: Path, expected: Path) -> None:
    """Digests, metrics, ledgers and the files of all predictions."""
    assert digests(found) == digests(expected)
    assert result(found)["metrics"] == result(expected)["metrics"]
    pairs = zip(trainings(found), trainings(expected), strict=True)
    for ours, theirs in pairs:
        assert (ours / "ledger.jsonl").read_bytes() == (theirs / "ledger.jsonl").read_bytes()
        assert contents(ours / "predictions") == contents(theirs / "predictions")


def ended_with(done: subprocess.CompletedProcess, run: Path) -> bool:
    """Whether the last lines are the digests of a run's network and predictions."""
    lines = [line for line in done.stdout.splitlines() if not line.startswith("finished: ")]
    words = [tuple(line.split()) for line in lines[-2:]]
    found = digests(run)
    return words == [("network", found["params"]), ("predictions", found["predictions"])]


def test_a_repeatable_run_says_so_and_by_what(program, base):
    assert all(path.stat().st_size > 5e3 for path in base.rglob("*.png"))
    for folder in {base, *trainings(base)}:
        assert list((folder / "images").glob("*.png"))
        assert result(folder)["level"] == "run_to_run"
        backend = json.loads((folder / "environment.json").read_text())["backend"]
        assert SWITCHES[program] in json.dumps(backend)
        assert program != "pytorch" or backend["switches"]["deterministic_algorithms"]


def test_killed_at_random_a_run_continues_bit_for_bit(program, command, base, tmp_path):
    """First inside a training, then whenever."""
    workdir = tmp_path / "killed"
    flags = (*command, f"--workdir={workdir}")
    sign = lambda: any(workdir.glob(KILLED_AFTER[program]))  # noqa: E731
    moment = random.Random(0)
    codes = [kill(*flags, sign=sign, after=moment.uniform(0, 0.2)) for _ in range(2)]
    assert codes[0] == -9
    call(*flags)
    assert_same_bits(workdir, base)


def test_a_finished_run_returns_at_once_and_says_so(program, base, tmp_path, monkeypatch):
    """With the same flags, and with the flags it has written; here the bits are the same."""
    monkeypatch.setattr(children, "run", child_here)
    workdir = tmp_path / "finished"
    flags = (*COMMANDS[program], *[REPEATABLE[program]] * (program == "pytorch"))
    assert ended_with(here(*flags, f"--workdir={workdir}"), base)
    assert_same_bits(workdir, base)
    before = {path: path.stat().st_mtime_ns for path in workdir.rglob("*")}
    written = (COMMANDS[program][0], f"--flagfile={workdir / 'flags.txt'}")
    for words in (flags, written):
        done = here(*words, f"--workdir={workdir}")
        assert "already finished" in done.stderr
        assert ended_with(done, base)
    assert {path: path.stat().st_mtime_ns for path in workdir.rglob("*")} == before


def test_the_ledger_ends_with_the_digest_of_the_saved_weights(base):
    for folder in trainings(base):
        step, leaves = checkpoint.newest(folder / "checkpoints")
        kept = {k: v for k, v in leaves.items() if k.startswith(("params/", "batch_stats/"))}
        last = list(ledger.read(folder / "ledger.jsonl"))[-1]
        assert (last["step"], last["params"]) == (step, hex64(fingerprint(kept)))


def test_a_trained_network_infers_the_same_images_again(program, base, tmp_path):
    """Trained in a process of its own, applied here."""
    command = (*COMMANDS[program], *["--fold=0"] * (program == "breast"))
    origin, workdir = trainings(base)[0], tmp_path / "inference"
    here(*command, "--steps=0", f"--from_run={origin}", f"--workdir={workdir}")
    for name in ("params", "predictions"):
        assert digests(workdir)[name] == digests(origin)[name]
    asked = ("--steps=0", "--width=4", f"--from_run={origin}", f"--workdir={tmp_path / 'w'}")
    refused(here(*command, *asked, check=False), "width 2", "--width=2")


SMALLER = {"varnet": ("--stages=1", "--window=3"), "breast": ("--fold=0",)}
"""What makes the trainings smaller that are compiled with all optimisations."""


@pytest.mark.parametrize("task", SMALLER)
def test_only_the_network_depends_on_the_instruction_set(task, tmp_path):
    """The instruction set stands in for the model of the device: the positive control.

    Compiled as by users, since most of the compiler's use of the instruction set is optimisation.
    The study of test_study.py shows the same of QSM.
    """
    command = (*COMMANDS[task], REPEATABLE[task], *SMALLER[task])
    first, again, elsewhere = (tmp_path / name for name in ("first", "again", "elsewhere"))
    call(*command, f"--workdir={first}", anew=True)
    call(*command, "--xla_cpu_isa=SSE4_2", f"--workdir={elsewhere}", anew=True)
    if task == "varnet":  # once is enough: the other tests repeat what is compiled quickly
        call(*command, f"--workdir={again}", anew=True)
        assert_same_bits(again, first)
    assert changed(first, elsewhere) == {"params", "predictions"}
