"""`python -m experiments.study` as a user runs it, with our own programs."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from experiments_helpers import call, changed, digests, refused
from helpers import ROOT
from programs_here import here

from mrjax.study import command
from mrjax.study.records import read_runs, read_study

RECIPES = sorted((ROOT / "experiments" / "recipes").glob("*.flags"))
MICRO = (
    "--preset=tiny --steps=2 --width=2 --levels=1 --volume=16 --patch=8 --n_train=2 --n_test=2 "
    "--batch_size=2 --conv_form=lax"
)
"""The form of convolutions that compiles sooner: these runs are compiled with all optimisations."""


def plan(path: Path, *flags: str) -> int:
    """The exit code of ``plan``, in this process: nothing of it needs one of its own."""
    return command.run(["plan", f"--study={path}", *flags], "")


def test_help_names_all_actions():
    said = call("study", "--help").stdout
    for word in ("plan", "run", "status", "collect", "report", "compare", "--infer_arm"):
        assert word in said


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_can_be_planned_and_say_what_they_are(recipe, tmp_path):
    assert plan(tmp_path, f"--flagfile={recipe}", "--elsewhere") == 0
    planned = read_study(tmp_path)
    assert planned.name == recipe.stem and read_runs(tmp_path)
    head = recipe.read_text().split("\n\n")[0]
    for word in ("What:", "Command:", "Hardware:", "Hours:", "Expected:"):
        assert f"# {word}" in head
    assert str(recipe.relative_to(ROOT)) in head or f"--recipe={recipe.stem}" in head


def test_recipes_of_the_papers_know_their_sources(tmp_path):
    flags = (f"--flagfile={ROOT}/experiments/recipes/oh2022_qsm.flags", "--elsewhere")
    assert plan(tmp_path / "gpu", *flags, "--platform=gpu") == 0
    arms = read_study(tmp_path / "gpu").arms
    assert not [arm.name for arm in arms if arm.problem]
    found = {arm.source for arm in arms}
    assert {"autotune", "deterministic", "dtype", "order", "init", "precision"} <= found
    frozen = [run for run in read_runs(tmp_path / "gpu") if run.arm == "frozen"]
    assert {run.requires for run in frozen} == {"runs/tuned/000"}
    assert plan(tmp_path / "cpu", *flags, "--platform=cpu") == 0
    idle = {arm.name for arm in read_study(tmp_path / "cpu").arms if arm.problem}
    assert {"autotune_off", "frozen", "deterministic", "tf32", "infer_autotune_off"} <= idle
    flags = f"--flagfile={ROOT}/experiments/recipes/variance_shares.flags"
    assert plan(tmp_path / "shares", flags) == 0
    assert len(read_runs(tmp_path / "shares")) == 5 * 5 * 2


@pytest.mark.parametrize("task", ["qsm", "varnet", "breast"])
def test_recipes_of_frameworks_pair_jax_and_pytorch(task, tmp_path):
    for end, replicates in (("", 10), ("_demo", 3)):
        flags = f"--flagfile={ROOT}/experiments/recipes/framework_{task}{end}.flags"
        assert plan(tmp_path / end, flags, "--elsewhere", "--platform=cpu") == 0
        planned, runs = read_study(tmp_path / end), read_runs(tmp_path / end)
        assert planned.arm("pytorch").command.endswith(f"experiments.pytorch --task={task}")
        pairs = [{run.argv for run in runs if run.replicate == r} for r in range(replicates)]
        assert len(runs) == 2 * replicates and {len(pair) for pair in pairs} == {1}


def test_tiny_studies_have_enough_arms_and_replicates(tmp_path):
    for name in ("tiny_qsm", "tiny_breast"):
        recipe = ROOT / "experiments" / "recipes" / f"{name}.flags"
        assert plan(tmp_path / name, f"--flagfile={recipe}") == 0
        planned = read_study(tmp_path / name)
        training = [arm for arm in planned.arms if arm.kind == "training"]
        assert len(training) > 5 and planned.replicates == 5


def test_a_large_study_is_planned(tmp_path):
    arms = [f"--arm=a{i}: --learning_rate=0.{i:03d}" for i in range(1, 301)]
    assert plan(tmp_path, "--baseline=--preset=tiny", *arms, "--replicates=50") == 0
    # The 5 of the preset is no change: arm a5 is listed and not run.
    assert {arm.name for arm in read_study(tmp_path).arms if arm.problem} == {"a5"}
    assert len(read_runs(tmp_path)) == 300 * 50


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--arm=a: --dtype=float17"], ["arm a", "--dtype=float17", "float16"]),
        (["--arm=a: --widht=3"], ["arm a", "--widht", "--width"]),
        (["--arm=a: experiment=pytorch --compille"], ["arm a", "--compille", "--compile"]),
        (["--arm=a: experiment=pytorch --devices=2"], ["arm a", "--devices=2", "PyTorch"]),
        (["--arm=a [gpu]: --width=3"], ["arm a", "unknown source 'gpu'"]),
        (["--arm=a: --width=3 --dtype=float64"], ["arm a", "2 sources"]),
        (["--arm=a: --xla_autotune=on --xla_deterministic"], ["arm a", "2 sources"]),
        (["--arm=a [other]: --xla_autotune=on --xla_deterministic"], ["arm a", "contradicts"]),
        (["--baseline=--window=4"], ["arm baseline", "--window=4"]),
        (["--baseline=--width=3 python=x"], ["--baseline", "python"]),
        (["--experiment=fmri"], ["--experiment=fmri", "qsm"]),
        (["--cross=seed_init=0-5"], ["--cross", "seed_init=0-5"]),
        (["--cross=seed_init=5:5"], ["--cross", "5:5"]),
        (["--cross=seed_int=0:5"], ["--seed_int", "seed_init"]),
        (["--replicates=-1"], ["replicates"]),
        (["--flagfile=/no/such/recipe.flags"], ["/no/such/recipe.flags"]),
        (["more"], ["more"]),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_line(tmp_path, capsys, flags, words):
    code = plan(tmp_path / "s", *flags)
    said = capsys.readouterr()
    refused(subprocess.CompletedProcess(flags, code, said.out, said.err), *words)
    assert not (tmp_path / "s").exists()


def test_other_mistakes_end_in_one_line(tmp_path):
    refused(call("study", check=False), "plan, run")
    refused(here("study", "paln", check=False), "paln")
    refused(here("study", "run", check=False), "--study")
    (tmp_path / "file").write_text("")
    written = here("study", "plan", f"--study={tmp_path / 'file' / 's'}", check=False)
    refused(written, "cannot be written")
    for action in ("run", "status", "collect", "report"):
        done = here("study", action, f"--study={tmp_path / 's'}", check=False)
        refused(done, "study.json", "plan")


@pytest.fixture(scope="module")
def micro(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("micro") / "s"
    here(
        "study", "plan", f"--study={path}", f"--baseline={MICRO}", "--platform=cpu",
        "--replicates=1", "--arm=isa: --xla_cpu_isa=SSE4_2", "--arm=far: resource=far",
        "--infer_arm=infer_isa: --xla_cpu_isa=SSE4_2",
    )  # fmt: skip
    # Compiled as users' programs are: arms differ by instruction sets.
    said = call("study", "run", f"--study={path}", "--slots=2", anew=True).stdout
    assert "[4/4]" in said and "not run here: far" in said
    return path


def test_arms_of_our_programs_do_what_they_say(micro):
    found = {arm: digests(micro / "runs" / arm / "000") for arm in ("baseline", "isa")}
    apart = changed(*(micro / "runs" / arm / "000" for arm in ("baseline", "isa")))
    assert apart == {"params", "predictions"}
    infer = {arm: digests(micro / "runs" / arm / "000") for arm in ("infer_baseline", "infer_isa")}
    for digest in ("params", "predictions"):
        assert infer["infer_baseline"][digest] == found["baseline"][digest]
    assert infer["infer_isa"]["params"] == found["baseline"]["params"]
    assert infer["infer_isa"]["predictions"] != found["baseline"]["predictions"]
    config = json.loads((micro / "runs" / "isa" / "000" / "config.json").read_text())["config"]
    assert (config["seed_init"], config["seed_order"], config["seed"]) == (1, 1, 0)


def test_runs_of_other_code_are_not_mixed_in(micro, tmp_path):
    path = shutil.copytree(micro, tmp_path / "s")
    (path / "runs" / "isa" / "000" / "result.json").unlink()
    record = path / "runs" / "baseline" / "000" / "environment.json"
    text, times = re.subn(r'"sources": "\w{8}', '"sources": "00000000', record.read_text())
    assert times == 1
    record.write_text(text)
    done = here("study", "run", f"--study={path}", check=False)
    refused(done, "00000000", "--allow_mixed")
