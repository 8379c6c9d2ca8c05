"""A check whose parts are short programs: an error in one part affects this part only."""

import json
import signal
import threading
import time

import check_runs
import pytest

from mrjax.check import command, parts
from mrjax.check.parts import Part
from mrjax.errors import UserError

HANG = "import subprocess, sys, time; subprocess.Popen(['sleep', '600']); time.sleep(600)"
SLEEP = "import time; time.sleep(600)"
CRASH = "import os; print('the last words', flush=True); os.kill(os.getpid(), 11)"
NO_TORCH = "import sys; sys.modules['torch'] = None\nimport torch"
RECORD = json.dumps({"task": "peak", "tflops": {"float32": 2.0}})
STEP = json.dumps(
    {"task": "qsm", "variant": "jax_float32", "step_s": 0.5, "flops": 5e11, "memory_bytes": 1,
     "compile_s": 1.0}
)  # fmt: skip


def training(name: str, pair: str = "", slow: bool = False) -> Part:
    return Part("repeat", name, "qsm", (), task="qsm", pair=pair, slow=slow)


def timed(name: str) -> Part:
    return Part("speed", name, "bench", (), alone=True, trains=False)


@pytest.fixture
def check(monkeypatch, tmp_path, capsys):
    """Run a check of parts, each with a program; its exit code, report and output."""

    def run(programs, **asked):
        """`programs`: part -> text, or what `check_runs.program` takes."""
        monkeypatch.setattr(parts, "parts", lambda *_: list(programs))

        def words(part, runs, platform):
            wanted = programs[part]
            text = (
                wanted
                if isinstance(wanted, str)
                else check_runs.program(runs / part.name, **wanted)
            )
            return ["-c", text]

        monkeypatch.setattr(parts, "command", words)
        code = command.run(command.Asked("cpu", tmp_path, **asked))
        return code, json.loads((tmp_path / "check.json").read_text()), capsys.readouterr().out

    return run


def statuses(content):
    return {row["name"]: row["status"] for row in content["rows"]}


def test_all_is_well(check):
    code, content, text = check(
        {training("a", "pair"): {}, training("b", "pair"): {}, timed("peak"): f"print('{RECORD}')",
         timed("step"): f"print('{STEP}')"}
    )  # fmt: skip
    assert code == 0 and content["passed"] and not content["problems"]
    assert content["repeats"]["pair"]["verdict"] == "identical"
    assert content["speed"][1]["share_of_peak"] == 0.5
    assert "identical" in text and "50.0 % of the measured matrix peak" in text
    assert content["machine"]["machine"] == "a processor"


@pytest.mark.parametrize(
    ("program", "status", "words"),
    [
        (CRASH, "failed", "the last words"),
        (NO_TORCH, "failed", "torch"),
        ("import sys; sys.exit('error: no such thing')", "failed", "no such thing"),
        ("print('finished')", "failed", "finish the run first"),
    ],
)
def test_a_fault_costs_one_part_and_leaves_the_end_of_its_log(program, status, words, check):
    code, content, text = check({training("bad"): program, training("good"): {}})
    assert code == 1 and not content["passed"]
    assert statuses(content) == {"bad": status, "good": "finished"}
    (row,) = (row for row in content["rows"] if row["name"] == "bad")
    assert words in json.dumps(row) and words in text
    assert content["problems"] == ["bad: failed"]


def test_a_measurement_without_a_record_has_failed(check):
    code, content, _ = check(
        {timed("empty"): "print('no record')", timed("peak"): f"print('{RECORD}')"}
    )
    assert code == 1 and statuses(content) == {"empty": "failed", "peak": "finished"}


def test_what_hangs_is_stopped_with_what_it_started(check, monkeypatch):
    began = time.monotonic()
    monkeypatch.setattr(parts, "PATIENCE", {"cpu": (60.0, 3.0)})
    code, content, _ = check({training("bad", slow=True): HANG, training("good"): {}})
    assert code == 1 and statuses(content) == {"bad": "stopped", "good": "finished"}
    assert time.monotonic() - began < 60


def test_what_runs_when_the_time_is_up_is_stopped_after_some_grace(check, monkeypatch):
    monkeypatch.setattr(command, "GRACE", -10.0)
    code, content, text = check({training("a"): HANG, training("b"): {}}, budget=13.0)
    assert code == 1 and statuses(content) == {"a": "stopped", "b": "not run"}
    assert "b, not run: no time was left" in text


def test_a_signal_ends_the_check_and_keeps_what_is_known(check):
    main = threading.main_thread().ident
    later = threading.Timer(3.0, lambda: signal.pthread_kill(main, signal.SIGTERM))
    later.start()
    code, content, _ = check({training("good"): {}, training("long"): SLEEP, training("after"): {}})
    assert code == 128 + signal.SIGTERM
    found = statuses(content)
    assert found["good"] == "finished" and found["long"] == "failed" and found["after"] == "not run"


def test_the_report_is_complete_after_every_part(check, monkeypatch, tmp_path):
    seen = []
    add = command.report.Report.add

    def watch(self, row, log=()):
        add(self, row, log)
        seen.append(statuses(json.loads((tmp_path / "check.json").read_text())))

    monkeypatch.setattr(command.report.Report, "add", watch)
    check({training("a"): {}, training("b"): CRASH}, slots=1)
    assert seen == [{"a": "finished"}, {"a": "finished", "b": "failed"}]


def test_logs_are_kept_and_run_folders_are_not(check, tmp_path):
    check({training("a"): {}})
    assert "===== a: finished" in (tmp_path / "logs.txt").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {
        "check.json",
        "evidence.jsonl",
        "logs.txt",
    }
    (line,) = (tmp_path / "evidence.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert kept["name"] == "a" and kept["ledger"][2]["step"] == 3
    assert kept["environment"]["cpu"]["model"] == "a processor"


def test_what_was_found_before_a_crash_is_kept(check):
    crash = f"print('{STEP}', flush=True); import os; os.kill(os.getpid(), 11)"
    code, content, _ = check({timed("step"): crash})
    assert code == 1 and content["speed"][0]["step_s"] == 0.5
    assert statuses(content) == {"step": "failed"}


def test_a_device_that_does_not_count_its_memory(check):
    code, _, text = check(
        {timed("step"): f"print('{STEP}')".replace('"memory_bytes": 1', '"memory_bytes": null')}
    )
    assert code == 0 and "500.00 ms a step" in text


def test_a_report_that_cannot_be_written_does_not_pass_and_is_shown(check, monkeypatch):
    add, lost = command.report.Report._write, []

    def once(self, row, log):
        if row["name"] == "a" and not lost:
            lost.append(row)
            raise OSError(28, "No space left on device")
        add(self, row, log)

    monkeypatch.setattr(command.report.Report, "_write", once)
    code, content, text = check({training("a"): {}, training("b"): {}}, slots=1)
    assert code == 1 and "No space left" in text and "a, finished" in text
    assert statuses(content) == {"a": "finished", "b": "finished"}
    assert content["problems"] == ["parts of the report could not be written"]


def test_a_child_that_heeds_no_signal_is_killed_after_some_grace(check, monkeypatch):
    monkeypatch.setattr(command, "GRACE", 4.0)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    main = threading.main_thread().ident
    threading.Timer(3.0, lambda: signal.pthread_kill(main, signal.SIGTERM)).start()
    code, content, _ = check({training("long"): deaf})
    assert code == 128 + signal.SIGTERM and statuses(content) == {"long": "failed"}


def test_a_second_report_does_not_replace_the_first(check, tmp_path):
    check({training("a"): {}})
    with pytest.raises(UserError, match="holds a report already"):
        command.run(command.Asked("cpu", tmp_path))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"sections": ["speeed"]}, "speeed"),
        ({"sections": []}, "digests,repeat,speed"),
        ({"tasks": ["knee"]}, "knee"),
        ({"tasks": ["qsm", "qsm"]}, "each once"),
    ],
)
def test_mistakes(asked, words, tmp_path):
    with pytest.raises(UserError, match=words):
        command.run(command.Asked("cpu", tmp_path, **asked))
