"""A recipe becomes a study: flags, folders, order, and arms that are set aside."""

import dataclasses
import itertools
import json

import pytest

from mrjax.errors import UserError
from mrjax.study import directory
from mrjax.study.plan import design, expansion
from mrjax.study.plan.arms import Spec, parse
from mrjax.study.plan.machine import Machine
from mrjax.study.records import Study

HERE = Machine(gpus=(), gpu_software=False, cpu_features=frozenset({"avx2"}), packages=frozenset())


Recipe = tuple[Study, list[Spec]]


def recipe(*arms: str, infer: tuple[str, ...] = (), **changes) -> Recipe:
    specs = [parse(text, "training") for text in arms]
    specs += [parse(text, "inference") for text in infer]
    plain = Study(
        name="s", experiment="qsm", baseline=("--preset=tiny",), replicates=2,
        pairing="seed", cross={}, seed=0, platform="cpu", metric="nrmse", margin=0.02,
        margin_kind="relative", command="",
    )  # fmt: skip
    return dataclasses.replace(plain, **changes), specs


def settings(experiment: str, flags) -> dict:
    """A program that takes every flag but --bad, and whose default data type is float32."""
    assert (flags[0] == "--task=qsm") == (experiment == "pytorch")
    if "--bad=1" in flags:
        raise UserError("--bad=1 is bad; expected good; mend it")
    return {"dtype": "float32"} | dict(flag.lstrip("-").partition("=")[::2] for flag in flags)


def plan(asked: Recipe, where=HERE):
    return design.plan(*asked, settings, where)


def argv(runs, arm: str, replicate: int = 0) -> tuple[str, ...]:
    (found,) = [run.argv for run in runs if (run.arm, run.replicate) == (arm, replicate)]
    return found


COMMON = ("--platform=cpu", "--preset=tiny")


def test_pairing_by_seed():
    study, runs = plan(recipe("f16: --dtype=float16", "init: --seed_init=10{r}"))
    assert [arm.name for arm in study.arms] == ["baseline", "f16", "init"]
    assert argv(runs, "baseline", 1) == (*COMMON, "--seed_init=2", "--seed_order=2")
    assert argv(runs, "f16") == (*COMMON, "--seed_init=1", "--seed_order=1", "--dtype=float16")
    assert argv(runs, "init", 1) == (*COMMON, "--seed_order=2", "--seed_init=102")


def test_pairing_by_repetition():
    _, runs = plan(recipe("init: --seed_init={r}", pairing="repetition"))
    assert argv(runs, "baseline") == (*COMMON, "--repetition=1")
    assert argv(runs, "init", 1) == (*COMMON, "--repetition=2", "--seed_init=2")


def test_inference_uses_the_first_network_and_waits_for_it():
    study, runs = plan(recipe(infer=("infer_isa: --xla_cpu_isa=AVX2",)))
    assert [(arm.name, arm.kind, arm.source) for arm in study.arms[1:]] == [
        ("infer_baseline", "inference", "baseline"),
        ("infer_isa", "inference", "isa"),
    ]
    network = "--from_run={study}/runs/baseline/000"
    assert argv(runs, "infer_isa", 1) == (
        *COMMON, "--steps=0", network, "--repetition=2", "--xla_cpu_isa=AVX2",
    )  # fmt: skip
    assert {run.requires for run in runs if run.arm.startswith("infer")} == {"runs/baseline/000"}
    assert runs[0].workdir == "runs/baseline/000"
    _, runs = plan(recipe(infer=("i: --xla_cpu_isa=AVX2",), experiment="breast"))
    assert f"{network}/repetition_000/fold_00" in argv(runs, "i")


def test_crossed_factors():
    asked = recipe(replicates=0, cross={"seed_init": (0, 1), "repetition": (0, 1, 2)})
    study, runs = plan(asked)
    assert [arm.name for arm in study.arms] == ["baseline", "crossed"]
    assert {tuple(run.factors.values()) for run in runs} == set(
        itertools.product((0, 1), (0, 1, 2))
    )
    run = next(run for run in runs if run.factors == {"seed_init": 1, "repetition": 2})
    assert run.label == "seed_init=1,repetition=2" and run.workdir == f"runs/crossed/{run.label}"
    assert run.argv == (*COMMON, "--seed_init=1", "--repetition=2")


def problems(asked: Recipe, where=HERE) -> dict[str, str]:
    study, runs = plan(asked, where)
    found = {arm.name: arm.problem for arm in study.arms if arm.problem}
    assert not {run.arm for run in runs} & set(found)
    assert {run.arm for run in runs} == {arm.name for arm in study.arms} - set(found)
    return found


def test_arms_that_are_not_run_say_why():
    asked = recipe(
        "tuned: --xla_autotune=on",
        "old: --xla_cpu_isa=AVX512",
        "new: --xla_cpu_isa=AVX2",
        "same: --dtype=float32",
        "gone: python=/no/python",
        "torch: experiment=pytorch",
        "benchmark: experiment=pytorch --cudnn_benchmark",
        "card: --platform=gpu",
        "after: --width=3 requires=gone",
        "far [isa]: resource=far --xla_cpu_isa=AVX512",
        "foreign: command=x",
        infer=("infer_tuned: --xla_autotune=off", "infer_init: --seed_init=3"),
    )
    assert problems(asked) == {
        "tuned": "no effect on a cpu",
        "old": "the CPU here has no AVX512",
        "same": "asks for what baseline has",
        "gone": "no interpreter /no/python here",
        "torch": 'PyTorch is not installed: pip install "mrjax[torch]"',
        "benchmark": 'PyTorch is not installed: pip install "mrjax[torch]"',
        "card": "needs a GPU, and there is none here",
        "after": "needs a run of gone, which has none here",
        "infer_tuned": "no effect on a cpu",
        "infer_init": "no effect in inference",
    }


def test_an_arm_in_pytorch_gets_the_baseline_s_flags():
    asked = recipe(
        "torch: experiment=pytorch",
        "float64: experiment=pytorch --dtype=float64",
        "benchmark: experiment=pytorch --cudnn_benchmark",
        infer=("infer_torch: experiment=pytorch",),
    )
    where = dataclasses.replace(HERE, packages=frozenset({"torch"}))
    study, runs = plan(asked, where)
    assert study.arm("torch").source == "framework"
    assert study.arm("torch").command == "{python} -m experiments.pytorch --task=qsm"
    assert argv(runs, "torch") == (*COMMON, "--seed_init=1", "--seed_order=1")
    assert argv(runs, "float64")[-1] == "--dtype=float64"
    assert "--steps=0" in argv(runs, "infer_torch")
    assert problems(asked, where) == {"benchmark": "no effect on a cpu"}
    with pytest.raises(UserError, match="arm torch: --bad=1 is bad"):
        plan(recipe("torch: experiment=pytorch --bad=1"), where)


def test_for_another_machine_only_what_has_no_effect_is_set_aside():
    asked = recipe("old: --xla_cpu_isa=AVX512", "tuned: --xla_autotune=on", platform="gpu")
    assert set(problems(asked, None)) == {"old"}
    assert set(problems(asked)) == {"baseline", "old", "tuned"}


def test_a_foreign_program_gets_its_own_flags_only():
    asked = recipe("other: command=x --a={r}")
    study, runs = plan(asked)
    assert argv(runs, "other", 1) == ("--seed_init=2", "--seed_order=2", "--a=2")
    assert study.arm("other").command == "x"
    _, runs = design.plan(*recipe("a: --bad=1", command="x {flags}"), None, HERE)
    assert argv(runs, "a") == ("--preset=tiny", "--seed_init=1", "--seed_order=1", "--bad=1")


@pytest.mark.parametrize(
    "asked, words",
    [
        (recipe("a: --x=1", "a: --x=2"), "two arms are named a"),
        (recipe("a: --bad=1"), "arm a: --bad=1 is bad"),
        (recipe("a: --x=1 requires=b"), "requires b"),
        (recipe(baseline=("--seed_init=3",)), "--seed_init"),
        (recipe(baseline=("--workdir=w",)), "--workdir"),
        (recipe(replicates=0), "something to run"),
        (recipe("a: --x=1", replicates=0), "replicates"),
        (recipe(command="x 'y"), "No closing quotation in x 'y"),
        (recipe('a: command="x {flags} \\""'), "No closing quotation in x {flags}"),
    ],
)
def test_a_recipe_that_contradicts_itself(asked, words):
    with pytest.raises(UserError, match="expected") as caught:
        plan(asked)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_the_order_is_random_and_the_seed_s():
    arms = [f"a{i}: --x={i}" for i in range(5)]
    order = lambda seed: [r.workdir for r in plan(recipe(*arms, replicates=6, seed=seed))[1]]  # noqa: E731
    first, other = order(0), order(1)
    assert first == order(0) and first != other and sorted(first) == sorted(other)
    arms_in_order = [workdir.split("/")[1] for workdir in first]
    # 36 runs of 6 arms in turn or in blocks would have 35 or 5 changes; random ones about 30.
    changes = sum(a != b for a, b in itertools.pairwise(arms_in_order))
    assert 22 < changes < 35
    fewer = [w for w in first if "/a4/" not in w]
    assert fewer == [r.workdir for r in plan(recipe(*arms[:4], replicates=6))[1]]


def test_what_others_wait_for_comes_first():
    _, runs = plan(recipe("x: --x=1", "y: --y=1 requires=x", replicates=8))
    assert runs[0].workdir == "runs/x/000"
    assert expansion.in_order(list(reversed(runs)), 0) == runs


def test_a_plan_is_saved_once(tmp_path):
    study, runs = plan(recipe("a: --x=1"))
    assert directory.save(tmp_path / "s", study, runs)
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in (tmp_path / "s").iterdir()}
    assert not directory.save(tmp_path / "s", study, runs)
    assert before == {
        p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in (tmp_path / "s").iterdir()
    }
    other = plan(recipe("a: --x=2"))
    assert directory.save(tmp_path / "s", *other)  # nothing was run yet
    (tmp_path / "s" / "runs" / "a").mkdir(parents=True)
    with pytest.raises(UserError, match="another plan"):
        directory.save(tmp_path / "s", study, runs)
    assert not directory.save(tmp_path / "s", *other)
    assert json.loads((tmp_path / "s" / "study.json").read_text())["arms"][1]["flags"] == ["--x=2"]


def test_a_directory_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        directory.save(tmp_path / "file" / "s", *plan(recipe()))


def test_a_large_study_is_planned(tmp_path):
    arms = [f"a{i}: --x={i}" for i in range(300)]
    study, runs = plan(recipe(*arms, replicates=50))
    directory.save(tmp_path / "s", study, runs)
    assert len(runs) == 301 * 50
