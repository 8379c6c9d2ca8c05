"""`diverge` of mrjax's own runs, from command lines to the operation that is named."""

import dataclasses
import json
import shutil

import pytest
from experiments_helpers import call, refused
from micro_runs import micro
from programs_here import here

from mrjax.diverge.retake import command, layers, record, sides
from mrjax.diverge.retake.again import Again

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


@pytest.fixture(scope="module")
def parted(runs, tmp_path_factory):
    """What is said of two forms of convolution, and the folder of the page.

    Both sides are processes of their own; the step is the second, from its checkpoint.
    """
    out = tmp_path_factory.mktemp("out") / "page"
    flags = (str(runs / "a"), str(runs / "lax"), f"--out={out}")
    return call("network", "diverge", *flags).stdout, out


def test_the_form_of_convolutions_is_named(parted):
    said, out = parted
    assert said.count("repeats its ledger") == 2
    found = json.loads((out / "retake.json").read_text())
    assert found["kind"] == "operation" and found["differing"] > 0
    # The forms differ in the gradient of a kernel only, and in the update that follows from it.
    begins = found["operation"]["begins"]
    assert {one["phase"] for one in begins} == {"backward"}
    assert all(one["module"].endswith(("conv", "up0", "out")) for one in begins)
    first = {(one["phase"], one["module"]) for one in found["modules"] if one["differing"]}
    assert not {one for one in first if one[0] == "forward"}


def test_the_page_shows_the_step_and_how_the_difference_grows(parted):
    said, out = parted
    assert said.splitlines()[-1] == f"Page: {out / 'diverge.html'}"
    text = (out / "diverge.html").read_text()
    found = json.loads((out / "retake.json").read_text())
    assert all(one in text for one in ("repeats its ledger", found["operation"]["op"], "2 of "))
    assert (out / "growth.png").exists() and (out / "growth.pdf").exists()
    later = {one["step"]: one["parameters"] for one in found["later"]}
    assert list(later) == list(range(found["step"], 4)) and later[3]["relative"] > 0
    traced = json.loads((out / "diverge.json").read_text())["traced"][0]
    assert traced["operation"]["number"] == found["operation"]["place"]
    assert traced["distance"]["ulp"] == found["operation"]["distance"]["ulp"]


def test_the_twin_in_pytorch_agrees_layer_by_layer(runs, parted):
    """The step of PyTorch is taken in this process, that of JAX was taken for the page."""
    pytest.importorskip("torch", reason="needs torch, the twin's framework")
    from mrjax.diverge.retake import pytorch

    here("pytorch", "--task=breast", *BREAST, f"--workdir={runs / 'torch'}")
    ours, folder = record.read(parted[1] / "a"), runs / "torch_step"
    twin = sides.read(runs / "torch")
    assert twin is not None
    record.write(folder, *pytorch.taken(twin, ours.step))
    theirs = record.read(folder)
    assert theirs.how == "all"
    found = layers.compare(ours, theirs, [parted[1] / "a", folder])
    assert {one.phase for one in found} == {"forward", "backward"}
    seen = [one for one in found if one.distance is not None]
    assert len(seen) > len(found) / 2 and all(one.agrees for one in seen)


def test_a_ledger_that_is_not_repeated_names_no_operation(runs, parted, monkeypatch, tmp_path):
    taken = {name: record.read(parted[1] / name) for name in "ab"}
    taken["a"] = dataclasses.replace(taken["a"], how="")
    monkeypatch.setattr(Again, "taken", lambda self: taken[self.out.name])
    both = command.known(runs / "a", runs / "lax")
    assert both is not None
    said = "\n".join(command.run(*both, command.Asked(out=str(tmp_path / "out"))))
    assert "a does not repeat its ledger" in said and "lax repeats its ledger" in said
    assert "The first" not in said and not (tmp_path / "out" / "retake.json").exists()


def test_a_folder_that_cannot_be_made_is_one_line(runs, tmp_path):
    (tmp_path / "file").touch()
    flags = (str(runs / "a"), str(runs / "lax"), f"--out={tmp_path / 'file' / 'page'}")
    refused(here("network", "diverge", *flags, check=False), "--out=", "choose another")
