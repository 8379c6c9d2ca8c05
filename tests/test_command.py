"""The command line from outside: a small experiment, started as users start one."""

import dataclasses
import errno
import functools
import os
import re
import subprocess
import sys

import pytest
from absl import flags
from helpers import ROOT

from mrjax import command
from mrjax.command import experiments, parsing
from mrjax.config import RunConfig, option
from mrjax.errors import RunFailed, UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    width: int = option(8, "Filters of the first level", unit="filters", minimum=1)
    end: str = option("well", "How the run ends", choices=("well", "failed"))


PRESETS = {"demo": {"steps": 300}, "tiny": {"steps": 20}}

EXPERIMENT = '''
"""A small experiment.

Second paragraph of its description.
"""
from mrjax import command
from test_command import PRESETS, Config

if __name__ == "__main__":
    command.main(Config, PRESETS, "small.work:run")
'''

WORK = """
import os
from pathlib import Path
import jax
from mrjax.errors import RunFailed

def run(config, backend, flags_text):
    if config.end == "failed":
        raise RunFailed("loss is not finite at step 17")
    Path(os.environ["FLAGS_OUT"]).write_text(flags_text)
    dtype = jax.numpy.ones(1).dtype
    print(config.steps, config.width, backend.level, os.environ["JAX_ENABLE_X64"], dtype)
    return 7 if config.width == 77 else 0
"""


@pytest.fixture
def start(tmp_path):
    """Starts the small experiment with some flags; JAX's variables are for it to set."""
    package = tmp_path / "small"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "main.py").write_text(EXPERIMENT)
    (package / "work.py").write_text(WORK)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_FLAGS"))}
    environ = {
        **inherited,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        "FLAGS_OUT": str(tmp_path / "flags.txt"),
    }

    def run(*argv, **variables):
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "small.main", *argv],
            cwd=tmp_path, env={**environ, **variables}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_a_run(start, tmp_path):
    done = start("--preset=tiny", "--width=3", "--xla_deterministic")
    assert (done.stdout, done.returncode) == ("20 3 run_to_run 1 float64\n", 0), done.stderr
    assert done.stderr == "note: --xla_deterministic has no effect on a cpu\n"
    (tmp_path / "flags.txt").rename(tmp_path / "again.txt")
    again = start(f"--flagfile={tmp_path / 'again.txt'}")
    assert again.stdout == done.stdout
    assert (tmp_path / "again.txt").read_text().splitlines()[2:] == (
        tmp_path / "flags.txt"
    ).read_text().splitlines()[2:]


def test_a_run_that_fails(start):
    done = start("--end=failed")
    error = "error: loss is not finite at step 17\n"
    assert (done.returncode, done.stderr, done.stdout) == (1, error, "")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("a\n  break; expected one; do so"), 2, "error: a break; expected one; do so\n"),
        (RunFailed("NaN"), 1, "error: NaN\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "step_00000004.npz"),
            1,
            "error: step_00000004.npz could not be written (No space left on device); what was "
            "finished is safe; make room and repeat the command\n",
        ),
    ],
)
def test_every_end_is_one_line_and_a_code(capsys, error, code, line):
    def action():
        raise error

    assert command.exit_code(action) == code
    assert capsys.readouterr() == ("", line)


def test_what_is_neither_is_a_defect_and_keeps_its_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError):
        command.exit_code(lambda: 1 // 0)
    with pytest.raises(FileNotFoundError):
        command.exit_code(lambda: len((tmp_path / "absent").read_text()))


def test_a_flagfile_that_is_no_text(tmp_path):
    path = tmp_path / "flags"
    path.write_bytes(b"--seed=\xff\xfe")
    with pytest.raises(UserError, match="not text"):
        command.parse(Config, PRESETS, [f"--flagfile={path}"])


def test_help_lists_every_flag_with_default_and_unit(start):
    done = start("--help")
    assert done.returncode == 0 and done.stderr == ""
    page = done.stdout
    assert page.startswith(
        "usage: python -m small.main [--flag=value ...]\n\nA small experiment.\n"
    )
    for field in dataclasses.fields(RunConfig):
        assert re.search(rf"^  --(\[no\])?{field.name}\b", page, re.MULTILINE), field.name
    assert "  --steps=INTEGER\n      Training steps [steps] (default 300; tiny 20)\n" in page
    assert "  --end=well|failed\n" in page and "--[no]resume\n" in page
    assert "--sweep=NAME=VALUE" in page and "--flagfile=FILE" in page
    assert max(map(len, page.splitlines())) <= 100


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--stpes=3"], "unknown flag --stpes; expected a flag .*; did you mean --steps\\?"),
        (["--qqqqqq"], "unknown flag --qqqqqq; expected a flag .*; see --help"),
        (["--dtype=float8"], "--dtype=float8 is not allowed; expected one of float32, bfloat16.*"),
        (["--steps=abc"], "--steps=abc is not allowed; expected an integer; see --help"),
        (["--learning_rate=x"], "--learning_rate=x is not allowed; expected a number; .*"),
        (["--resume=maybe"], "--resume=maybe is not allowed; expected true or false; .*"),
        (["--help=maybe"], ".*--help=maybe.*; expected another value; see --help"),
        (["--steps"], "Missing value for flag --steps; expected .*"),
        (["--flagfile=/no/file"], "Unable to open flagfile: .*/no/file.*; expected .*"),
        (["--xla_deterministic", "true"], "'true' is not a flag; expected --flag=value; .*"),
        (["--steps=0"], "--steps=0 is not allowed; expected at least 1; see --help"),
        (["--preset=paper"], "--preset=paper is not a preset .*; expected one of demo, tiny; .*"),
        (["--xla_autotune=on", "--xla_deterministic"], "--xla_autotune=on contradicts .*"),
        (["--numerics=reproducible", "--dtype=float16"], "--dtype=float16 with --numerics=.*"),
        (["--sweep=stpes=1,2"], "--sweep=stpes: unknown flag .* did you mean --steps\\?"),
        (["--sweep=steps"], "--sweep=steps has no values; .*"),
        (["--sweep=dtype=float32,float8"], "--sweep, run dtype=float8: --dtype=float8 is not .*"),
        (["--sweep=workdir=a,b", "--workdir=c"], "--sweep=workdir contradicts --workdir=c; .*"),
    ],
)
def test_mistakes_end_in_one_line_and_exit_code_2(capsys, monkeypatch, argv, line):
    monkeypatch.setattr(os, "execve", None)  # a mistake that passes must not restart pytest
    code = command.exit_code(lambda: experiments.act(Config, PRESETS, "never:run", argv, ""))
    out, error = capsys.readouterr()
    assert (code, out) == (2, "")
    assert re.fullmatch(f"error: {line}\n", error), error


def test_a_mistake_from_outside(start):
    done = start("--stpes=3")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1
    assert done.stderr.endswith("did you mean --steps?\n")


@pytest.mark.parametrize(
    ("argv", "flags", "line"),
    [
        (["--xla_deterministic"], "--xla_gpu_deterministic_ops=false", ".*contradicts.*"),
        ([], "--xla_gpu_autotune_level=0", ".*contradicts.*--xla_autotune only.*"),
        ([], "--xla_bogus=1", "this jaxlib does not know --xla_bogus=1 in XLA_FLAGS; expected .*"),
    ],
)
def test_xla_flags_that_cannot_be(start, argv, flags, line):
    done = start(*argv, XLA_FLAGS=flags)
    assert done.returncode == 2 and re.fullmatch(f"error: {line}\n", done.stderr), done.stderr


def test_gpu_that_is_absent(start):
    done = start("--platform=gpu", CUDA_VISIBLE_DEVICES="99")
    *notes, error = done.stderr.splitlines()
    assert done.returncode == 2 and all(note.startswith("note: ") for note in notes)
    without = "--platform=gpu but JAX runs on cpu|JAX does not start with .*"
    assert re.fullmatch(f"error: ({without}).*; expected .*", error)


def test_sweep_runs_every_combination(start, tmp_path):
    (tmp_path / "common.txt").write_text("# from a file\n--preset=tiny\n--sweep=width=3,77\n")
    done = start(f"--flagfile={tmp_path / 'common.txt'}", "--workdir=w", "--steps=5")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "[1/2] width=3: 5 3 not_guaranteed 1 float64",
        "[2/2] width=77: 5 77 not_guaranteed 1 float64",
        "1 of 2 runs failed: width=77 (exit code 7)",
    ]
    assert "--steps=5\n" in (tmp_path / "flags.txt").read_text()


def test_errors_without_a_known_field_keep_absls_words():
    text = "flag --sweep=3: bad"
    assert parsing.illegal(RunConfig, text).startswith(f"{text}; expected another value")


def test_a_flag_chooses_what_can_be_asked_for(tmp_path):
    known = {"small": (Config, PRESETS), "plain": (RunConfig, {})}
    chosen = functools.partial(parsing.chosen, "task", known, RunConfig)
    assert chosen(["--width", "3", "--task=small"]) == (Config, PRESETS)
    (tmp_path / "flags").write_text("# as a run leaves them\n--width=3\n--task=plain\n")
    assert chosen([f"--flagfile={tmp_path / 'flags'}"]) == (RunConfig, {})
    assert chosen(["--help"]) == (RunConfig, {}) and chosen(["-h", "--task=small"])[0] is Config
    with pytest.raises(UserError, match="--task is not given; expected one of small, plain; add "):
        chosen(["--width=3"])
    with pytest.raises(UserError, match="--task=big is not allowed; expected one of small, plain"):
        chosen(["--task=big"])


def a_tool() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_integer("n", 1, "A number", flag_values=values)
    return values


@pytest.mark.parametrize(
    ("argv", "words", "code", "said"),
    [
        (["--n=3", "x", "y"], ("A", "B"), 7, "n 3 x y\n"),
        ([], (), 7, "n 1\n"),
        (["x"], (), 2, "error: unknown argument x; expected flags only; write --flag=value\n"),
        (["x"], ("A", "B"), 2, "error: 1 arguments beside the flags; expected A B; see --help\n"),
        (["--m=3"], (), 2, "error: unknown flag --m; expected a flag of this experiment; see .*\n"),
    ],
)
def test_a_program_that_is_no_training(capsys, argv, words, code, said):
    def action(values, *rest):
        print("n", values.n, *rest)
        return 7

    with pytest.raises(SystemExit) as ended:
        command.tool(a_tool(), action, "What it does.", argv, words)
    out, error = capsys.readouterr()
    assert ended.value.code == code and re.fullmatch(said, out + error), out + error


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_the_help_of_a_program_that_is_no_training(capsys, word):
    with pytest.raises(SystemExit) as ended:
        command.tool(a_tool(), lambda values: 1, "What it does.", [word])
    page = capsys.readouterr().out
    assert ended.value.code == 0 and page.startswith("What it does.\n") and "--n: A number" in page
