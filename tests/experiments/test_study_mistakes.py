"""Damaged runs and wrong words on the command line of studies: one line each, exit code 2."""

from pathlib import Path

import pytest
from experiments_helpers import refused
from programs_here import here
from study import synthetic_runs as made

from mrjax.study.gather.unplanned import load_roots


def study(action: str, path: Path, *words: str):
    return here("study", action, *words, f"--study={path}", check=False)


@pytest.fixture
def finished(tmp_path) -> Path:
    """Two arms, two runs each."""
    arms = [made.arm("init", "init"), made.arm("gpu", "device", problem="needs a GPU")]
    made.make(tmp_path / "s", made.study(arms, 2), steps=3)
    return tmp_path / "s"


def test_collect_names_what_it_leaves_out(finished):
    (finished / "runs/init/000/result.json").write_text("{")
    (finished / "runs/init/001/result.json").unlink()
    done = study("collect", finished)
    assert done.returncode == 0, done.stderr
    damaged, unfinished = [x for x in done.stdout.splitlines() if x.startswith("left out: ")]
    assert damaged.startswith("left out: init 000: ") and "remove or move this run" in damaged
    assert unfinished.startswith("left out: init 001: not finished")
    assert "not run: gpu: needs a GPU" in done.stdout
    for path in finished.glob("runs/baseline/*/result.json"):
        path.write_text("{")
    refused(study("collect", finished), "no finished run", "baseline 000", "remove or move")


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--metric=nrms"], ["--metric=nrms", "nrmse, psnr"]),
        (["--metric=dice"], ["--metric=dice is none of qsm", "hfen"]),
        (["--metric=hfen", "--experiment=varnet"], ["--metric=hfen", "ssim"]),
        (["--metric=nrms", "--command=x", "--experiment=x"], ["--metric=nrms", "dice"]),
        (["--margin=nan"], ["--margin=nan", "finite"]),
        (["--margin_kind=absolute"], ["--margin_kind=absolute without --margin"]),
    ],
)
def test_what_cannot_be_judged_is_not_planned(tmp_path, flags, words):
    refused(study("plan", tmp_path / "s", *flags), *words)


def test_what_cannot_be_judged_is_not_reported(finished, tmp_path):
    def roots(*flags: str):
        return study("collect", tmp_path / "r", str(finished / "runs"), *flags)

    refused(roots("--metric=nrms"), "nrms", "nrmse")
    refused(roots("--metric=dice"), "no run has the metric dice", "nrmse, ssim")
    refused(roots("--margin=inf"), "--margin=inf")
    refused(roots("--margin_kind=absolute"), "without --margin")
    assert roots("--metric=ssim").returncode == 0
    absolute = load_roots([finished / "runs"], margin=0.01, margin_kind="absolute").study
    assert (absolute.margin, absolute.margin_kind) == (0.01, "absolute")


def test_a_place_that_cannot_be_written_is_one_line(finished, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"\x80\xff")
    roots = str(finished / "runs")
    refused(study("collect", file / "x", roots), str(file), "Not a directory", "another path")
    refused(study("report", Path("/proc/x"), roots), "/proc/x", "another path")
    refused(study("plan", tmp_path / ("x" * 300)), "File name too long", "another path")
    refused(study("plan", tmp_path / "p", f"--flagfile={file}"), "--flagfile is no text")


def test_logs_that_are_a_file_are_one_line(finished):
    (finished / "runs/init/001/result.json").unlink()
    (finished / "logs").write_text("")
    refused(study("run", finished, "--allow_mixed"), "logs", "File exists", "another path")
    lines = (finished / "runs.jsonl").read_text().replace('"arm": "init"', '"arm": "inti"')
    (finished / "runs.jsonl").write_text(lines)
    refused(study("run", finished), "unknown arm inti", "plan the study again")


def test_a_certificate_from_the_command_line(finished, tmp_path):
    a, b = (finished / "runs" / "baseline" / label for label in ("000", "001"))
    done = here("study", "certificate", str(a), str(b), f"--study={tmp_path / 'out'}")
    assert "A and B are not identical: they part at step 1" in done.stdout
    assert (tmp_path / "out" / "certificate.tex").exists()
    refused(here("study", "certificate", str(a), check=False), "expected 2 to 26")
    refused(here("study", "certificate", str(a), str(tmp_path), check=False), "cannot be read")
    alone = ("certificate", str(a), str(b), "--study=/proc/none")
    refused(here("study", *alone, check=False), "/proc/none")
