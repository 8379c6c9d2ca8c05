"""What a PyTorch run promises, sets and says of itself."""

import dataclasses
import importlib
import json
import os
import subprocess
import sys

import pytest
from as_found import switches_of_torch
from experiments_helpers import refused
from helpers import ROOT

from mrjax.backend import software
from mrjax.errors import UserError
from mrjax.pytorch import startup
from mrjax.pytorch.config import CONFIGS, Common
from mrjax.study.plan import machine

Qsm, VarNet = (CONFIGS[task][0] for task in ("qsm", "varnet"))

NO = "not_guaranteed"
SAME = "run_to_run"


@pytest.mark.parametrize(
    ("switches", "cpu", "gpu"),
    [
        ("", NO, NO),
        ("cudnn_deterministic", NO, NO),
        ("deterministic_algorithms", SAME, NO),
        ("cudnn_deterministic deterministic_algorithms", SAME, SAME),
        # cuDNN then chooses among its deterministic algorithms by timing.
        ("cudnn_deterministic deterministic_algorithms cudnn_benchmark", SAME, NO),
    ],
)
def test_levels(switches, cpu, gpu):
    config = Common(**dict.fromkeys(switches.split(), True))
    assert (startup.level(config, "cpu"), startup.level(config, "gpu")) == (cpu, gpu)


@pytest.mark.parametrize(
    ("config", "platform", "notes"),
    [
        (Common(), "cpu", []),
        (Common(xla_deterministic=True), "gpu", ["--xla_deterministic has no effect in PyTorch"]),
        (Common(conv_form="lax"), "cpu", ["--conv_form has no effect in PyTorch"]),
        (Common(cudnn_benchmark=True), "cpu", ["--cudnn_benchmark has no effect on a cpu"]),
        (Common(cudnn_benchmark=True), "gpu", []),
        (Common(cpu_threads=1), "gpu", ["--cpu_threads has no effect on a gpu"]),
        (VarNet(channels_last=True), "cpu", ["--channels_last has no effect on a varnet"]),
        (Qsm(channels_last=True), "cpu", []),
        (
            Qsm(compile=True),
            "gpu",
            ["--compile is for training steps; predictions are not compiled"],
        ),
    ],
)
def test_flags_without_effect_are_said(config, platform, notes):
    assert startup.without_effect(config, platform) == notes


@pytest.mark.parametrize("task", CONFIGS)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"devices": 2, "batch_size": 2}, "--devices=2 in PyTorch; expected 1"),
        ({"numerics": "reproducible"}, "--numerics=reproducible is an arithmetic of the JAX runs"),
        ({"steps": 0}, "--from_run"),
    ],
)
def test_what_cannot_be_is_refused(task, changes, words):
    config_class, presets = CONFIGS[task]
    config = config_class(**{**presets["tiny"], **changes})
    with pytest.raises(UserError, match=words):
        config.check()
    dataclasses.replace(config, devices=1, numerics="native", steps=1).check()


def test_complex_numbers_are_not_compiled():
    with pytest.raises(UserError, match="--compile with --task=varnet is refused"):
        VarNet(compile=True).check()
    Qsm(compile=True).check()
    VarNet().check()


def test_presets_are_those_of_the_tasks():
    from mrjax.tasks.qsm.config import PRESETS

    assert CONFIGS["qsm"][1] is PRESETS
    assert all(config_class().task == task for task, (config_class, _) in CONFIGS.items())


def test_without_torch_one_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(UserError, match=r'not installed; .*pip install "mrjax\[torch\]"'):
        startup.require_torch()
    monkeypatch.undo()


BROKEN = {
    "raise ImportError('libcudart.so.13: cannot open shared object file')": "libcudart.so.13",
    "raise OSError('libtorch_cpu.so: cannot open\\nmore')": "OSError: libtorch_cpu.so",
    "import a_part_of_torch_that_is_gone": "a_part_of_torch_that_is_gone",
    "": "__version__",
    None: "__version__",
}
MAINS = {
    "baseline": ["--task=qsm", "--preset=tiny", "--platform=cpu"],
    "network": ["--import_varnet=/nowhere", "--workdir=w"],
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_broken_torch_is_one_line(code, tmp_path, monkeypatch):
    """A folder called torch, without code."""
    (tmp_path / "torch").mkdir()
    if code is not None:
        (tmp_path / "torch" / "__init__.py").write_text(code)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    rest = [] if code is None else sys.path
    monkeypatch.setattr(sys, "path", [str(tmp_path), *rest])
    with pytest.raises(UserError, match=r"^PyTorch cannot be imported \(.*; expected .*; pip") as e:
        startup.require_torch()
    assert BROKEN[code] in str(e.value) and "\n" not in str(e.value)
    sys.modules.pop("torch", None)


@pytest.mark.parametrize("name", MAINS)
def test_programs_end_in_one_line_where_torch_is_broken(name, tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('no libcudart')")
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", *MAINS[name]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    refused(done, "PyTorch cannot be imported (ImportError: no libcudart)")


def test_a_folder_called_torch_is_no_pytorch_for_a_study(tmp_path, monkeypatch):
    (tmp_path / "torch").mkdir()
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert "torch" not in machine.here().packages
    (tmp_path / "torch" / "__init__.py").write_text("")
    importlib.invalidate_caches()
    assert "torch" in machine.here().packages


@pytest.fixture
def torch(monkeypatch):
    """Torch, whose switches are restored, and a copy of the environment that may be changed."""
    torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")
    own = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    monkeypatch.setattr(os, "environ", own)
    with switches_of_torch():
        yield torch


SWITCHES = ("cudnn_benchmark", "cudnn_deterministic", "deterministic_algorithms", "channels_last")


@pytest.mark.parametrize("on", [True, False])
def test_switches_are_set_and_read_back(torch, monkeypatch, on):
    precision, threads = ("high", 3) if on else ("highest", 2)
    config = Qsm(
        platform="cpu",
        cpu_threads=threads,
        matmul_precision=precision,
        **dict.fromkeys(SWITCHES, on),
    )
    monkeypatch.setattr(torch, "__version__", "2.11.0+cu130")  # as only torch itself says
    facts = startup.start(config).facts()
    assert facts["threads"] == torch.get_num_threads() == threads
    assert all(facts["switches"][name] is on for name in SWITCHES)
    assert facts["switches"]["conv_fp32_precision"] == ("tf32" if on else "ieee")
    assert facts["switches"]["matmul_fp32_precision"] == ("tf32" if on else "ieee")
    assert facts["versions"]["torch"] == "2.11.0+cu130"
    assert facts["level"] == (SAME if on else NO) and facts["gpu"] is None
    assert (os.environ.get("CUBLAS_WORKSPACE_CONFIG") == ":4096:8") == on
    assert facts["variables"]["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] == "1"
    assert os.environ["JAX_PLATFORMS"] == "cpu" and os.environ["JAX_ENABLE_X64"] == "1"


def test_what_the_environment_says_against_it_is_noted(torch):
    os.environ |= {"XLA_FLAGS": "--xla_bogus=1", "CUBLAS_WORKSPACE_CONFIG": ":0:0", "NPROC": "7"}
    os.environ |= {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "0"}
    config = Common(platform="cpu", deterministic_algorithms=True, cpu_threads=1)
    notes = startup.start(config).notes
    assert notes == (
        "XLA_FLAGS of the environment is not used",
        "NPROC of the environment is not used",
        "CUBLAS_WORKSPACE_CONFIG=:0:0 of the environment is replaced by :4096:8",
        "TORCHINDUCTOR_FORCE_DISABLE_CACHES=0 of the environment is replaced by 1",
    )
    assert "XLA_FLAGS" not in os.environ and os.environ["NPROC"] == "1"
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":16:8"
    assert startup.start(config).notes == ("NPROC of the environment is not used",)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    os.environ |= {"OMP_NUM_THREADS": "2"}
    del os.environ["NPROC"]
    (note,) = startup.start(dataclasses.replace(config, cpu_threads=0)).notes
    assert note == "OMP_NUM_THREADS=2 of the environment sets the number of CPU threads"


@pytest.fixture
def gpus(torch, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))


def test_a_record_of_a_gpu(gpus):
    gpu = json.loads(json.dumps(startup.start(Common()).facts()))["gpu"]
    assert gpu.keys() == {"capability", "cudnn", *software.cuda()}
    assert gpu["capability"] == [9, 0]


def test_what_has_a_say_in_products_is_noted_on_a_gpu(gpus):
    os.environ |= {"CUBLAS_EMULATION_STRATEGY": "eager", "CUBLAS_WORKSPACE_CONFIG": ":0:0"}
    config = Common(deterministic_algorithms=True)
    assert startup.start(config).notes[-2:] == (
        "CUBLAS_WORKSPACE_CONFIG=:0:0 of the environment is replaced by :4096:8",
        "CUBLAS_EMULATION_STRATEGY=eager of the environment may change products on a GPU",
    )
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":16:8"
    assert len([n for n in startup.start(config).notes if "may change products" in n]) == 2
    cpu = startup.start(dataclasses.replace(config, platform="cpu"))
    assert not [n for n in cpu.notes if "may change products" in n]


def test_a_gpu_that_is_absent(torch, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"PyTorch finds 0 GPUs; .*--platform=cpu"):
        startup.start(Common(platform="gpu"))
    assert startup.start(Common()).device == "cpu"


def test_a_gpu_is_taken_by_its_index(gpus):
    assert startup.start(Common(device_index=1)).device == "cuda:1"
    assert startup.start(Common(platform="cpu", device_index=1)).device == "cpu"
    with pytest.raises(UserError, match="--device_index=2 but PyTorch finds 2 GPUs"):
        startup.start(Common(device_index=2))
