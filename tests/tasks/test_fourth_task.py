"""A fourth network costs its own folder and one line of the registry: a stub shows it."""

import json
import subprocess
import sys

import pytest
from experiments_helpers import environment, refused
from helpers import ROOT

MAIN = ROOT / "tests" / "stub_task" / "main.py"

PLANNED = """
import sys; sys.path.insert(0, {folder!r})
import main; main.register()
sys.argv = ["study", "plan", "--experiment=stub", "--baseline=--preset=tiny",
            "--arm=ulp: --perturb_init=1", "--arm=order: --seed_order=100{{r}}", "--study={out}"]
import experiments.study
sys.exit(experiments.study.main(sys.argv))
"""


def run(*words: str) -> subprocess.CompletedProcess:
    env = environment() | {"PYTHONPATH": f"{ROOT / 'tests' / 'compiled'}:{ROOT}"}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


@pytest.mark.parametrize("numerics", ["native", "reproducible"])
def test_it_trains_for_two_steps_and_is_judged(numerics, tmp_path):
    flags = ["--preset=tiny", f"--numerics={numerics}", f"--workdir={tmp_path / 'run'}"]
    done = run(str(MAIN), *flags)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "run" / "result.json").read_text())
    assert found["experiment"] == "stub" and found["steps"] == 2
    assert len((tmp_path / "run" / "ledger.jsonl").read_text().splitlines()) == 2
    assert found["baselines"]["guess"]["nrmse"] == pytest.approx([1 / 3, 1 / 3])
    assert set(found["digests"]) == {"init", "order", "data", "params", "predictions"}


def test_its_mistakes_are_one_line():
    refused(run(str(MAIN), "--preset=huge"), "--preset=huge", "tiny")


def test_it_is_planned_in_a_study(tmp_path):
    text = PLANNED.format(folder=str(MAIN.parent), out=tmp_path / "study")
    done = run("-c", text)
    assert done.returncode == 0, done.stderr
    study = json.loads((tmp_path / "study" / "study.json").read_text())
    assert study["experiment"] == "stub" and study["metric"] == "nrmse"
    assert [arm["source"] for arm in study["arms"]] == ["baseline", "ulp", "order"]
