import copy
import json
import os

import pytest
from helpers import ROOT

from mrjax.runs import atomic, environment, jsonfile

FACTS = {
    "platform": "cpu",
    "versions": {"jax": "0.10.2", "jaxlib": "0.10.2"},
    "xla_flags": ["--xla_a=1", "--xla_dump_to=/tmp/1"],
    "variables": {"XLA_FLAGS": "--xla_a=1 --xla_dump_to=/tmp/1", "NPROC": None},
    "notes": ["a note"],
}


@pytest.fixture(scope="module")
def captured():
    return environment.capture(FACTS, ROOT)


def changed(record, name, value):
    record = copy.deepcopy(record)
    *path, last = name.split(".")
    place = record
    for key in path:
        place = place[key]
    place[last] = value
    return record


def test_it_is_json_and_repeats(captured):
    assert json.loads(json.dumps(captured, allow_nan=False)) == captured
    assert environment.differences(captured, environment.capture(FACTS, ROOT)) == []


def test_it_says_what_matters(captured):
    assert captured["backend"] == FACTS
    assert captured["cpu"]["threads"] >= 1
    assert captured["python"].count(".") == 2
    assert len(captured["code"]["sources"]) == 64


def test_variables_that_change_numbers_are_kept_and_secrets_are_not(monkeypatch):
    kept = {"XLA_FLAGS": "--xla_x", "NPROC": "3", "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
    kept |= {"NPY_DISABLE_CPU_FEATURES": "AVX2", "NVIDIA_TF32_OVERRIDE": "0"}
    kept |= {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX", "KMP_BLOCKTIME": "0"}
    kept |= {"ATEN_CPU_CAPABILITY": "avx2", "GOMP_SPINCOUNT": "1", "TRITON_INTERPRET": "1"}
    kept |= {"TORCHINDUCTOR_MAX_AUTOTUNE": "1"}
    for name, value in (kept | {"JAX_API_KEY": "x", "XLA_TOKEN": "x", "EDITOR": "x"}).items():
        monkeypatch.setenv(name, value)
    found = environment.capture({}, ROOT)
    assert found["variables"].items() >= kept.items()
    assert not {"JAX_API_KEY", "XLA_TOKEN", "EDITOR"} & found["variables"].keys()
    assert found["cpu"]["threads"] == 3


def test_bytes_that_are_no_text_leave_a_record_that_can_be_read(monkeypatch, tmp_path):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=K\udcf6ln")
    atomic.write_json(tmp_path / "a.json", environment.capture({"notes": ["\udcff"]}, ROOT))
    found = jsonfile.read(tmp_path / "a.json", "it", "look")
    assert found["variables"]["XLA_FLAGS"] == "--xla_dump_to=K?ln"
    assert environment.differences(found, environment.capture({"notes": []}, ROOT)) == []


def test_threads_are_those_the_framework_says_it_has(monkeypatch):
    monkeypatch.setenv("NPROC", "3")
    assert environment.capture({"threads": 1}, ROOT)["cpu"]["threads"] == 1


def test_threads_are_the_usable_ones_unless_set(monkeypatch):
    monkeypatch.delenv("NPROC", raising=False)
    usable = len(os.sched_getaffinity(0))
    assert environment.capture({}, ROOT)["cpu"]["threads"] == usable
    monkeypatch.setenv("NPROC", "many")
    assert environment.capture({}, ROOT)["cpu"]["threads"] == usable


@pytest.mark.parametrize(
    ("name", "value", "phrase"),
    [
        ("python", "3.99.0", "python {old} there, 3.99.0 here"),
        ("backend.versions.jax", "0.10.1", "backend.versions.jax 0.10.2 there, 0.10.1 here"),
        ("backend.versions.cudnn", "9", "backend.versions.cudnn none there, 9 here"),
        ("backend.platform", "gpu", "backend.platform cpu there, gpu here"),
        ("backend.xla_flags", ["--xla_a=2"], "only there, --xla_a=2 only here"),
        ("cpu.model", "other", "cpu.model {old} there, other here"),
        ("cpu.threads", 77, "cpu.threads {old} there, 77 here"),
        ("cpu.features", ["avx9000"], "avx9000 only here"),
        ("variables.NVIDIA_TF32_OVERRIDE", "7", "none there, 7 here"),
        ("variables.XLA_FLAGS", "--xla_new=1", "--xla_new=1"),
        ("variables.ONEDNN_MAX_CPU_ISA", "AVX2", "none there, AVX2 here"),
    ],
)
def test_what_can_change_numbers_is_a_difference(captured, name, value, phrase):
    old = captured
    for key in name.split("."):
        old = old.get(key, {})
    (found,) = environment.differences(captured, changed(captured, name, value))
    assert phrase.format(old=old) in found
    assert name in found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("system.host", "elsewhere"),
        ("system.os", "Linux-99"),
        ("cpu.logical", 99),
        ("code.commit", "0" * 40),
        ("variables.CUDA_VISIBLE_DEVICES", "3"),
        ("variables.TORCHINDUCTOR_CACHE_DIR", "/tmp/elsewhere"),
        ("variables.XLA_PYTHON_CLIENT_PREALLOCATE", "false"),
        ("variables.XLA_CLIENT_MEM_FRACTION", ".3"),
        ("backend.notes", []),
        ("backend.variables.XLA_FLAGS", "--xla_a=1"),
        ("backend.variables.NPROC", "2"),
        ("backend.compilation_cache", "compiled/0123"),
        ("backend.xla_flags", ["--xla_dump_to=/tmp/2", "--xla_a=1"]),
        ("backend.xla_flags", ["--xla_a=1", "--xla_gpu_cuda_data_dir=/venv/nvidia/cuda_nvcc"]),
    ],
)
def test_what_cannot_is_none(captured, name, value):
    assert environment.differences(captured, changed(captured, name, value)) == []


def test_features_that_choose_no_arithmetic_do_not_count(captured):
    features = [*captured["cpu"]["features"], "md_clear", "ibrs"]
    assert environment.differences(captured, changed(captured, "cpu.features", features)) == []


def test_changed_code_is_named_by_its_commits(captured):
    new = changed(captured, "code", {"sources": "1" * 64, "commit": "a" * 40, "diff": "b" * 64})
    (found,) = environment.differences(captured, new)
    assert found.startswith("code ")
    assert found.endswith(" there, aaaaaaaa with changes bbbbbbbb here")
    bare = changed(captured, "code", {"sources": "1" * 64, "commit": "", "diff": ""})
    assert environment.differences(captured, bare)[0].endswith(" there, sources 11111111 here")


def test_threads_of_pjrt_go_first(monkeypatch):
    monkeypatch.setenv("NPROC", "2")
    monkeypatch.setenv("PJRT_NPROC", "1")
    assert environment.capture({}, ROOT)["cpu"]["threads"] == 1
