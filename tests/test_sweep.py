"""Combinations, their names and their processes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mrjax import sweep
from mrjax.errors import UserError


def test_expand_is_the_cartesian_product_with_the_last_flag_fastest():
    assert sweep.expand(["seed_init=0:2", "xla_deterministic=true,false"]) == [
        {"seed_init": "0", "xla_deterministic": "true"},
        {"seed_init": "0", "xla_deterministic": "false"},
        {"seed_init": "1", "xla_deterministic": "true"},
        {"seed_init": "1", "xla_deterministic": "false"},
    ]


@pytest.mark.parametrize(
    ("specification", "values"),
    [
        ("a=5", ["5"]),
        ("a=0:3,7", ["0", "1", "2", "7"]),
        ("a=-1:1", ["-1", "0"]),
        ("a=,AVX", ["", "AVX"]),
        ("a=x=y,host:80", ["x=y", "host:80"]),
        ("a=", [""]),
    ],
)
def test_values(specification, values):
    assert [combination["a"] for combination in sweep.expand([specification])] == values


@pytest.mark.parametrize(
    ("specifications", "match"),
    [
        (["seed"], "--sweep=seed has no values; expected"),
        (["=1"], "--sweep==1 has no values; expected"),
        (["a=1", "a=2"], "--sweep names a twice; expected"),
        (["a=1:1"], "--sweep=a=1:1 is an empty range; expected"),
        (["a=0:3,2"], "--sweep=a=0:3,2 repeats 2; expected"),
    ],
)
def test_specifications_that_cannot_be_meant(specifications, match):
    with pytest.raises(UserError, match=match):
        sweep.expand(specifications)


def test_label_is_the_name_of_one_folder():
    assert sweep.label({"a": "1", "b": "x"}) == "a=1,b=x"
    assert "/" not in sweep.label({"data_dir": "/a/b"})
    assert sweep.label({"d": "a/b"}) != sweep.label({"d": "a_b"})


def test_arguments_of_a_run():
    assert sweep.arguments({"a": "1", "b": ""}) == ["--a=1", "--b="]
    assert sweep.arguments({"a": "1"}, "w") == ["--a=1", "--workdir=w/a=1"]


RUN = """
import json, os, sys
from pathlib import Path
with Path(os.environ["SWEEP_LOG"]).open("a") as log:
    log.write(json.dumps([os.getpid(), *sys.argv[1:]]) + "\\n")
print("first line")
if "--a=1" in sys.argv:
    sys.exit("broken")
print("done", sys.argv[-1], end="\\n\\n")
"""


def test_every_run_is_a_process_and_failures_do_not_stop_the_others(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("SWEEP_LOG", str(tmp_path / "log"))
    script = tmp_path / "run.py"
    script.write_text(RUN)
    combinations = sweep.expand(["a=0:3"])
    code = sweep.run([sys.executable, str(script)], ["--common=x"], combinations, "w")
    started = [json.loads(line) for line in Path(tmp_path / "log").read_text().splitlines()]
    assert [argv for _, *argv in started] == [
        ["--common=x", f"--a={i}", f"--workdir=w/a={i}"] for i in range(3)
    ]
    assert len({pid for pid, *_ in started}) == 3
    assert code == 1
    assert capfd.readouterr().out.splitlines() == [
        "[1/3] a=0: done --workdir=w/a=0",
        "[2/3] a=1: broken",
        "[3/3] a=2: done --workdir=w/a=2",
        "1 of 3 runs failed: a=1 (exit code 1)",
    ]


def test_all_good_is_exit_code_0(capfd):
    assert sweep.run([sys.executable, "-c", ""], [], [{"a": "0"}]) == 0
    assert capfd.readouterr().out == "[1/1] a=0: (no output)\n"


WAITING = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: sys.exit("saved"))
Path(sys.argv[-1].partition("=")[2]).mkdir(parents=True)
time.sleep(60)
"""


def test_a_signal_reaches_the_run_and_ends_the_sweep(tmp_path):
    script, folder = tmp_path / "run.py", tmp_path / "w"
    script.write_text(WAITING)
    code = (
        "import sys; from mrjax import sweep; sys.exit(sweep.run("
        f"[sys.executable, {str(script)!r}], [], [{{'a': '0'}}, {{'a': '1'}}], {str(folder)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "a=0").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert out.splitlines() == ["[1/2] a=0: saved"]
    assert process.returncode == 128 + signal.SIGTERM
    assert not (folder / "a=1").exists()
