"""`diverge` of mrjax's own runs, from command lines to the operation that is named."""

import json
import shutil

import pytest
from experiments_helpers import call, refused
from micro_runs import micro
from programs_here import here

BREAST = [*micro("breast"), "--fold=0", "--steps=3", "--checkpoint_every=1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Trainings that differ in nothing, in the form of convolutions, in a weight by one unit."""
    root = tmp_path_factory.mktemp("runs")
    flags = {"a": [], "same": ["--repetition=1"], "lax": ["--conv_form=lax"],
             "ulp": ["--perturb_init=1"]}  # fmt: skip
    for name, more in flags.items():
        here("breast", *BREAST, *more, f"--workdir={root / name}")
    return root


def test_equal_trainings(runs):
    said = here("network", "diverge", str(runs / "a"), str(runs / "same")).stdout
    assert said == "No difference at the 3 steps that both recorded, up to 3.\n"


def test_trainings_that_start_differently_take_nothing_again(runs):
    said = here("network", "diverge", str(runs / "a"), str(runs / "ulp")).stdout
    assert "They start differently: the initial weights differ." in said
    assert "--step=K" in said and "repeats its ledger" not in said


def test_a_step_that_no_ledger_has_is_one_line(runs):
    done = here("network", "diverge", str(runs / "a"), str(runs / "ulp"), "--step=9", check=False)
    refused(done, "--step=9", "at most 3")


def test_a_missing_interpreter_is_one_line(runs):
    flags = (str(runs / "a"), str(runs / "lax"), "--python_b=/none/python")
    refused(here("network", "diverge", *flags, check=False), "/none/python", "--python_b")


def test_another_programs_folder_is_compared_by_its_ledger(runs, tmp_path):
    copy = tmp_path / "foreign"
    copy.mkdir()
    shutil.copy(runs / "lax" / "ledger.jsonl", copy)
    said = here("network", "diverge", str(runs / "a"), str(copy)).stdout
    assert "trace_at" in said


def test_the_form_of_convolutions_is_named(runs, tmp_path):
    """Both sides in processes of their own; the step is the second, from its checkpoint."""
    out = tmp_path / "out"
    flags = (str(runs / "a"), str(runs / "lax"), f"--out={out}")
    said = call("network", "diverge", *flags).stdout
    assert said.count("repeats its ledger") == 2
    found = json.loads((out / "retake.json").read_text())
    assert found["kind"] == "operation" and found["differing"] > 0
    # The forms differ in the gradient of a kernel only, and in the update that follows from it.
    begins = found["operation"]["begins"]
    assert {one["phase"] for one in begins} == {"backward"}
    assert all(one["module"].endswith(("conv", "up0", "out")) for one in begins)
    first = {(one["phase"], one["module"]) for one in found["modules"] if one["differing"]}
    assert not {one for one in first if one[0] == "forward"}


def test_a_ledger_that_is_not_repeated_ends_in_one_line_and_no_operation(runs, tmp_path):
    for name in ("a", "lax"):
        shutil.copytree(runs / name, tmp_path / name)
    path = tmp_path / "a" / "ledger.jsonl"
    lines = [json.loads(line) for line in (runs / "a" / "ledger.jsonl").read_text().splitlines()]
    lines[0]["grads"] = "0" * 15 + "1"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = call("network", "diverge", str(tmp_path / "a"), str(tmp_path / "lax")).stdout
    assert "a does not repeat its ledger" in said and "The first operation" not in said
