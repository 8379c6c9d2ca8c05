"""Which flag belongs to which source, and where it does nothing."""

import dataclasses

import pytest

from mrjax.config import RunConfig
from mrjax.config import sources as table
from mrjax.errors import UserError
from mrjax.study.plan import arms, machine, sources
from mrjax.study.plan.machine import Machine
from mrjax.study.records import Arm

HERE = Machine(
    gpus=(), gpu_software=False, cpu_features=frozenset({"avx", "avx2"}), packages=frozenset()
)
TWO_GPUS = dataclasses.replace(HERE, gpus=("0", "1"), gpu_software=True)


@pytest.mark.parametrize(
    "flags, source",
    [
        (["--dtype=float16"], "dtype"),
        (["--xla_deterministic"], "deterministic"),
        (["--noxla_deterministic"], "deterministic"),
        (["--xla_autotune=on", "--xla_autotune_file=f"], "autotune"),
        (["--seed_init=100{r}"], "init"),
        (["--seed_init=5"], "init"),
        (["--seed_order=1", "--seed_init={r}"], "init"),
        (["--seed_order=1", "--seed_init=1", "--repetition={r}"], "repetition"),
        (["--noproject"], "other"),
        (["--width=3"], "other"),
        (["--init=authors"], "other"),
        (["--numerics=reproducible"], "numerics"),
    ],
)
def test_source_of_flags(flags, source):
    assert sources.source_of(flags) == source


def test_two_sources_in_one_arm_contradict():
    with pytest.raises(UserError, match=r"2 sources \(dtype, isa\)"):
        sources.source_of(["--dtype=float16", "--xla_cpu_isa=AVX2"])


def test_the_table_names_flags_and_sources_that_exist():
    fields = {field.name for field in dataclasses.fields(RunConfig)}
    elsewhere = {
        "cudnn_benchmark", "cudnn_deterministic", "deterministic_algorithms", "channels_last",
    }  # fmt: skip
    assert set(table.FLAGS) <= fields | elsewhere
    assert len(table.FLAGS) == sum(len(source.flags) for source in table.SOURCES.values())
    defaults = {f.name: f.default for f in dataclasses.fields(RunConfig)}
    for name in table.only(table.JAX):
        assert table.FLAGS[name].default == defaults[name]
    assert sources.SOURCES[:6] == (
        "device", "autotune", "deterministic", "dtype", "order", "init",
    )  # fmt: skip


def test_flags_without_effect():
    gpu_only = ["--xla_autotune=off", "--matmul_precision=default"]
    assert sources.without_effect(gpu_only, "cpu") == "no effect on a cpu"
    assert sources.without_effect(gpu_only, "gpu") == ""
    assert sources.without_effect([*gpu_only, "--dtype=float16"], "cpu") == ""
    assert sources.without_effect(["--xla_cpu_isa=AVX2"], "gpu") == "no effect on a gpu"
    assert sources.without_effect([], "cpu") == ""


def test_seeds_of_training_have_no_effect_in_inference():
    seeds = ["--seed_init=3", "--seed_order=3"]
    assert sources.without_effect(seeds, "cpu", inference=True) == "no effect in inference"
    assert sources.without_effect([*seeds, "--dtype=float16"], "cpu", inference=True) == ""
    assert sources.without_effect(seeds, "cpu") == ""


def test_flags_of_jax_have_no_effect_in_pytorch():
    def idle(*flags: str) -> str:
        return sources.without_effect(flags, "gpu", torch=True)

    assert idle("--xla_deterministic", "--conv_form=products") == "no effect in PyTorch"
    assert idle("--xla_deterministic", "--cpu_threads=1") == "no effect on a gpu"
    assert idle("--xla_deterministic", "--cudnn_benchmark") == ""
    assert idle() == ""
    assert sources.without_effect(["--xla_deterministic"], "gpu") == ""


@pytest.mark.parametrize(
    "where, flags, platform, python, words",
    [
        (HERE, ["--xla_cpu_isa=AVX512"], "cpu", "", "no AVX512"),
        (HERE, ["--xla_cpu_isa=AVX2"], "cpu", "", ""),
        (HERE, ["--xla_cpu_isa="], "cpu", "", ""),
        (HERE, [], "gpu", "", "GPU"),
        (HERE, [], "cpu", "/no/such/python", "/no/such/python"),
        (HERE, [], "cpu", "sh", ""),
        (TWO_GPUS, ["--devices=2"], "gpu", "", ""),
        (TWO_GPUS, ["--devices=3"], "gpu", "", "3 GPUs"),
        (TWO_GPUS, ["--device_index=2"], "gpu", "", "3 GPUs"),
        (dataclasses.replace(TWO_GPUS, gpu_software=False), [], "gpu", "", "plugin"),
    ],
)
def test_what_a_machine_can_run(where, flags, platform, python, words):
    found = machine.problem(where, flags, platform, python)
    assert words in found and bool(found) == bool(words)


def test_pytorch_needs_itself_and_nothing_of_jax_s():
    card = dataclasses.replace(HERE, gpus=("0",))
    with_torch = dataclasses.replace(card, packages=frozenset({"torch"}))

    def problem(where: Machine, *flags: str, platform: str = "gpu", python: str = "") -> str:
        return machine.problem(where, flags, platform, python, torch=True)

    assert "PyTorch is not installed" in problem(card)
    assert problem(card, python="sh") == ""
    assert problem(with_torch) == ""
    assert "3 GPUs" in problem(with_torch, "--device_index=2")
    assert "GPU" in problem(dataclasses.replace(with_torch, gpus=()))
    assert problem(with_torch, "--xla_cpu_isa=AVX512", platform="cpu") == ""


def test_gpus_that_may_be_used(monkeypatch):
    names = ["nvidia10", "nvidia2"]
    monkeypatch.setattr(machine.Path, "glob", lambda self, pattern: map(machine.Path, names))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert machine.visible_gpus() == ("0", "1")
    for given, expected in {"1": ("1",), "": (), "-1": (), "GPU-a, 3": ("GPU-a", "3")}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
        assert machine.visible_gpus() == expected
    monkeypatch.setattr(machine.Path, "glob", lambda self, pattern: iter(()))
    assert machine.visible_gpus() == ()


def test_an_arm_is_read():
    text = "a-1 [device]: --x='b c' python=/p resource=far command='run {flags}' requires=z"
    arm = Arm(
        name="a-1", source="device", flags=("--x=b c",), kind="training", python="/p",
        resource="far", command="run {flags}",
    )  # fmt: skip
    assert arms.parse(text, "training") == arms.Spec(arm, requires="z")


@pytest.mark.parametrize(
    "text, source",
    [
        ("a: python=/p", "software"),
        ("a: resource=far", "device"),
        ("a: experiment=pytorch --cudnn_benchmark=false", "framework"),
        ("a: command=x --dtype=float16", "framework"),
        ("a [init]: command=x --dtype=float16", "init"),
        ("a [framework]: experiment=pytorch --dtype=float16", "framework"),
        ("a [dtype]: experiment=pytorch --dtype=float16", "dtype"),
        ("a [dtype]: --dtype=float16 --xla_cpu_isa=AVX2", "dtype"),
        ("a [other]: --dtype=float16 --xla_cpu_isa=AVX2", "other"),
        ("a [order]: --data_seed=3", "order"),
        ('"a: --dtype=float16"', "dtype"),
    ],
)
def test_an_arm_says_its_source(text, source):
    assert arms.parse(text, "training").arm.source == source


@pytest.mark.parametrize(
    "text, words",
    [
        ("--dtype=float16", "no name"),
        ("a b: --x=1", "no name"),
        ("a/b: --x=1", "folder"),
        ("..: --x=1", "folder"),
        ("baseline: --x=1", "taken"),
        ("crossed: --x=1", "taken"),
        ("a:", "no flags"),
        ("a [init]:", "no flags"),
        ("a: requires=b", "no flags"),
        ("a [gpu]: --x=1", "unknown source 'gpu'"),
        ("a: experiment=qsm", "experiment=qsm is no program"),
        ("a: x=1", "'x=1' is no flag"),
        ("a: --x=1 7", "'7' is no flag"),
        ("a: -x", "'-x' is no flag"),
        ("a: python= --x=1", "empty"),
        ("a: --x='1", "quotation"),
        ("a: --workdir=w", "--workdir=w is not for an arm"),
        ("a: --sweep=seed=0:5", "not for an arm"),
        ("a: python=/p --dtype=float16", "2 sources"),
        ("a [init]: --dtype=float64", "called [init] and changes dtype"),
        ("a [repetition]: --xla_cpu_isa=AVX2 --seed_init=3", "changes isa"),
        ("a [init]: python=/p", "changes software"),
        ("a [order]: experiment=pytorch --dtype=float64", "changes"),
        ("a: --dtype=float64 --dtype=bfloat16", "--dtype=float64 and --dtype=bfloat16 contradict"),
        ("a: --xla_deterministic --noxla_deterministic", "contradict"),
    ],
)
def test_an_arm_that_cannot_be_meant(text, words):
    with pytest.raises(UserError, match="expected") as caught:
        arms.parse(text, "training")
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("flag", ["--steps=5", "--from_run=x"])
def test_an_inference_arm_trains_nothing(flag):
    assert arms.parse(f"a: {flag}", "training").arm.flags == (flag,)
    with pytest.raises(UserError, match=f"arm a: {flag} is not for an inference arm"):
        arms.parse(f"a: {flag}", "inference")
