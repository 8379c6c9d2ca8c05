"""What a process finds around it decides neither about its exit code nor about its results."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from typing import Any

import pytest
from experiments_helpers import digests, environment
from helpers import ROOT
from micro_runs import micro
from programs_here import here

from mrjax.backend import startup
from mrjax.command import elsewhere
from mrjax.errors import UserError
from mrjax.train.signals import StopRequest

PROGRAM = """
import contextlib, os, sys, warnings
from mrjax import command

def act():
    file = open(sys.argv[1], "w")
    with contextlib.suppress(OSError):
        os.write(2, b"of XLA\\n")  # past Python, as compilers write
    for number in range(3000):
        print(f"line {number} \\u00e9 \\udcff")
    sys.stderr.write("\\u00e9 \\udcff\\n")
    warnings.warn("w", stacklevel=1)
    file.write("kept")
    file.close()
    return 7

sys.exit(command.exit_code(act))
"""
ASCII = "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"


def shell(command: str, **changes: str) -> subprocess.CompletedProcess:
    """Run a command of bash; the exit code is that of its first program."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PY": sys.executable, **changes}
    words = ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"]
    return subprocess.run(words, env=env, capture_output=True, text=True, errors="replace")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ">&-"),
        ("", "2>&-"),
        ("", "<&- >&- 2>&-"),
        ("", "| head -1"),
        ("", "2>&1 | head -1"),
        ("PYTHONUNBUFFERED=1", "2>&1 | true"),
        ("", ">/dev/full 2>/dev/full"),
        ("PYTHONIOENCODING=latin-1", ""),
        (ASCII, ""),
    ],
)
def test_no_stream_ends_a_program(before, after, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    out = tmp_path / "out"
    done = shell(f"{before} $PY {tmp_path / 'program.py'} {out} {after}")
    assert done.returncode == 7 and out.read_text() == "kept", done.stderr
    assert "Error" not in done.stderr and "Exception" not in done.stderr


def test_flags_are_utf8_in_every_locale(tmp_path):
    flags = tmp_path / "flags.txt"
    flags.write_text("--data_dir=K\u00f6ln\n--steps=x\n", encoding="utf-8")
    done = shell(f"{ASCII} $PY -m experiments.qsm --flagfile={flags}")
    assert done.returncode == 2 and done.stderr.startswith("error: --steps=x is not allowed")


def test_output_that_a_disk_refuses_is_not_lost_without_a_word(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = shell(f"$PY {tmp_path / 'program.py'} {tmp_path / 'out'} >/dev/full")
    assert "note: standard output cannot be written (No space left on device)" in done.stderr


def test_warnings_are_errors_only_where_a_command_says_so(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    arguments = f"{tmp_path / 'program.py'} {tmp_path / 'out'} >/dev/null"
    done = shell(f"$PY {arguments}", PYTHONWARNINGS="error")
    assert done.returncode == 7
    assert "note: PYTHONWARNINGS=error of the environment is not used\n" in done.stderr
    done = shell(f"$PY -W error::UserWarning {arguments}")
    assert done.returncode == 2
    assert done.stderr.endswith(
        "error: a warning was made an error (UserWarning: w); expected warnings to be shown; drop "
        "-W error\n"
    )


AROUND = {
    "JAX_DISABLE_JIT": "1",
    "JAX_ENABLE_X64": "0",
    "JAX_DEFAULT_DTYPE_BITS": "32",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_DEBUG_NANS": "1",
    "JAX_LOG_COMPILES": "not a switch",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_RANDOM_SEED_OFFSET": "7",
    "JAX_COMPILATION_CACHE_DIR": "/proc/none",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTHONHASHSEED": "3",
    "PYTHONIOENCODING": "ascii",
    "HOME": "/nonexistent",
    "TMPDIR": "/nonexistent",
    "MPLBACKEND": "TkAgg",
    "LC_ALL": "C",
}
GONE = (
    "error: the current folder has been removed; expected one that exists, which PyTorch's "
    "libraries need; change to another folder"
)
PROGRAMS = {"qsm": ("qsm", *micro("qsm")), "pytorch": ("pytorch", "--task=qsm", *micro("qsm"))}
"""The programs of the other tasks differ from these in nothing that stands around them."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_bits_of_a_run_are_those_of_any_other_surroundings(program, tmp_path):
    """All at once: variables, a folder that is gone, closed streams, an umask, a hang-up."""
    if program == "pytorch":
        pytest.importorskip("torch", reason="needs torch")
    experiment, *flags = PROGRAMS[program]
    here(experiment, *flags, f"--workdir={tmp_path / 'plain'}")
    gone, workdir = tmp_path / "gone", tmp_path / "around"
    words = f"$PY -m experiments.{experiment} {' '.join(flags)} --workdir={workdir}"
    script = f"mkdir -p {gone}; cd {gone}; rmdir {gone}; umask 077; trap '' HUP; {words} >&- <&-"
    plain = {k: v for k, v in environment().items() if k != "PYTHONWARNINGS"}
    path = f"{plain['PYTHONPATH']}{os.pathsep}{ROOT}"
    env = {**plain, **AROUND, "PYTHONPATH": path, "PY": sys.executable}
    started: dict[str, Any] = {"env": env, "capture_output": True, "text": True}
    done = subprocess.run(["bash", "-c", script], **started)
    if program == "pytorch":  # its libraries need a current folder, and end the process without
        assert (done.returncode, done.stderr.splitlines()[1:]) == (2, [GONE])
        done = subprocess.run(["bash", "-c", script.replace(f"rmdir {gone}", "true")], **started)
    assert done.returncode == 0, done.stderr
    assert digests(workdir) == digests(tmp_path / "plain")
    for name in AROUND:
        if name.startswith("JAX_") or name == "PYTHONWARNINGS":
            assert f"note: {name}={AROUND[name]} of the environment is " in done.stderr, name


def test_a_limit_of_the_size_of_files_is_one_line(tmp_path):
    words = f"$PY -m experiments.qsm {' '.join(micro('qsm'))} --workdir={tmp_path / 'w'}"
    done = shell(f"cd {ROOT}; ulimit -f 4; {words}", **environment())
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].endswith(
        "could not be written (File too large); what was finished is safe; raise the limit "
        "(ulimit -f) and repeat the command"
    )
    assert "Traceback" not in done.stderr and not (tmp_path / "w" / "result.json").exists()


def test_a_temporary_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(
        UserError, match=rf"temporary folder {tmp_path}/none cannot .*\(No such"
    ) as e:
        startup.read_flags_back()
    assert "set TMPDIR to a folder" in str(e.value)


def test_a_temporary_folder_that_is_full_is_named(tmp_path, monkeypatch):
    def full(**where):
        raise OSError(errno.ENOSPC, "No space left on device", where["dir"])

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(UserError, match=rf"temporary folder {tmp_path} cannot .*\(No space left"):
        startup.read_flags_back()
    assert not list(tmp_path.iterdir())


NOTEBOOK = """
import os, runpy, sys
before = os.getpid()
sys.argv = ["experiments/qsm.py", {flags}]
try:
    runpy.run_module("experiments.qsm", run_name="__main__", alter_sys={alter})
finally:
    print("kept", os.getpid() == before)
"""


@pytest.mark.parametrize("alter", [False, True])
def test_in_another_program_a_run_is_a_child(alter, tmp_path):
    path = tmp_path / "notebook.py"
    path.write_text(NOTEBOOK.format(flags="'--help'", alter=alter))
    done = shell(f"cd {tmp_path}; $PY {path}")
    assert done.returncode == 0 and done.stdout.startswith("usage: python -m experiments.qsm ")
    assert "\n  --help\n      Show this page\n" in done.stdout
    assert done.stdout.endswith("\nkept True\n")


def test_a_mistake_in_another_program_is_an_exit_code_of_it(tmp_path):
    done = shell('$PY -c "$CODE"', CODE=NOTEBOOK.format(flags="'--steps=x'", alter=False))
    assert done.returncode == 2 and done.stderr == ""
    error, kept = done.stdout.splitlines()
    assert error.startswith("error: --steps=x is not allowed") and kept == "kept True"


FLAGS = ["--steps=2", "--seed=1"]


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (["python", "-m", "experiments.qsm", *FLAGS], True),
        (["python", "-X", "utf8", "-mexperiments.qsm", *FLAGS], True),
        (["python", str(ROOT / "experiments" / "qsm.py"), *FLAGS], True),
        (["python", "-m", "cProfile", "-m", "experiments.qsm", *FLAGS], True),
        (["python", "-m", "ipykernel_launcher", "-f", "kernel.json"], False),
        (["python", "notebook.py", *FLAGS], False),
        (["python", "-c", "import runpy", *FLAGS], False),
        (["python"], False),
    ],
)
def test_a_process_is_a_programs_own_if_its_command_names_it(words, own, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", words)
    monkeypatch.setattr(sys, "argv", ["experiments/qsm.py", *FLAGS])
    assert elsewhere.is_own("experiments.qsm") == own


def test_a_closed_terminal_stops_a_run_as_sigterm_does_unless_it_is_ignored():
    for action, heard in ((signal.SIG_DFL, True), (signal.SIG_IGN, False)):
        before = signal.signal(signal.SIGHUP, action)
        try:
            with StopRequest() as stop:
                os.kill(os.getpid(), signal.SIGHUP)
            assert stop.signal == (signal.SIGHUP if heard else None)
        finally:
            signal.signal(signal.SIGHUP, before)
