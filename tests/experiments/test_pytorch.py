"""`python -m experiments.pytorch` beside JAX's runs; test_contract.py has the processes."""

import json
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest
from experiments_helpers import changed, digests, refused, result, without_torch
from micro_runs import micro
from programs_here import child_here, here

from mrjax import children
from mrjax.runs import ledger

pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

LABELS = {"init", "order", "data"}


@pytest.fixture(scope="module", autouse=True)
def runs_of_runs_here():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(children, "run", child_here)
        yield


def in_torch(task: str, *more: str, check: bool = True) -> subprocess.CompletedProcess:
    return here("pytorch", f"--task={task}", *micro(task), *more, check=check)


def in_jax(task: str, *more: str) -> subprocess.CompletedProcess:
    return here(task, *micro(task), *more)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A QSM run in PyTorch that promises to be repeatable."""
    workdir = tmp_path_factory.mktemp("pytorch") / "qsm"
    in_torch("qsm", "--deterministic_algorithms", f"--workdir={workdir}")
    return workdir


@pytest.fixture(scope="module")
def jax_base(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("jax") / "qsm"
    in_jax("qsm", f"--workdir={workdir}")
    return workdir


def batches(workdir: Path) -> list[str]:
    return [row["batch"] for row in ledger.read(workdir / "ledger.jsonl")]


def losses(workdir: Path) -> list[float]:
    return [row["loss"] for row in ledger.read(workdir / "ledger.jsonl")]


def check_pair(torch: Path, jax: Path, rtol: float = 1e-4) -> None:
    """Same start, same batches, nearly the same numbers, other bits."""
    assert changed(torch, jax) == digests(torch).keys() - LABELS
    assert batches(torch) == batches(jax) and len(set(batches(torch))) > 1
    np.testing.assert_allclose(losses(torch), losses(jax), rtol=rtol)


def test_both_frameworks_start_from_the_same_bits(base, jax_base):
    check_pair(base, jax_base)
    found = result(base)
    assert found["experiment"] == "qsm" and found["framework"] == "pytorch"
    assert found["level"] == "run_to_run" and found["steps"] == 6
    assert found["baselines"] == result(jax_base)["baselines"]
    for name in ("nrmse", "ssim", "hfen", "xsim"):
        # The SSIM of these six steps is 0.005 of 1: a relative difference of it says nothing.
        np.testing.assert_allclose(
            found["metrics"][name], result(jax_base)["metrics"][name], rtol=0.02, atol=1e-3
        )
    assert sorted(p.name for p in base.rglob("*.nii.gz")) == sorted(
        p.name for p in jax_base.rglob("*.nii.gz")
    )
    recorded = json.loads((base / "environment.json").read_text())["backend"]
    assert recorded["switches"]["deterministic_algorithms"] and recorded["threads"] >= 1


def test_another_number_of_threads_changes_the_network_alone(base, tmp_path):
    threads = json.loads((base / "environment.json").read_text())["backend"]["threads"]
    other = "--cpu_threads=1" if threads > 1 else "--cpu_threads=2"
    in_torch("qsm", "--deterministic_algorithms", other, f"--workdir={tmp_path / 'threads'}")
    assert changed(base, tmp_path / "threads") == {"params", "predictions"}


def maps(workdir: Path) -> list[np.ndarray]:
    files = sorted((workdir / "predictions").glob("*_network_Chimap.nii.gz"))
    return [np.asanyarray(nibabel.load(path).dataobj) for path in files]


@pytest.mark.parametrize("trained_in", ["jax", "torch"])
def test_a_network_trained_in_one_framework_infers_in_the_other(
    base, jax_base, tmp_path, trained_in
):
    origin, run = (jax_base, in_torch) if trained_in == "jax" else (base, in_jax)
    run("qsm", "--steps=0", f"--from_run={origin}", f"--workdir={tmp_path / 'w'}")
    assert digests(tmp_path / "w")["params"] == digests(origin)["params"]
    found, expected = maps(tmp_path / "w"), maps(origin)
    assert len(found) == len(expected) == 2
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())
        assert np.ptp(theirs) > 0


def test_a_network_of_another_size_or_of_mixed_types_is_refused(base, tmp_path):
    mixed = tmp_path / "mixed"
    for source in base.rglob("*"):
        if source.is_file():
            target = mixed / source.relative_to(base)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    widen(mixed)
    asked = ("--steps=0", f"--workdir={tmp_path / 'w'}")
    done = in_torch("qsm", *asked, f"--from_run={mixed}", check=False)
    refused(done, "data types", "out/kernel", "float64")
    done = in_torch("qsm", *asked, "--width=4", f"--from_run={base}", check=False)
    refused(done, "width 2", "--width=2")


def widen(workdir: Path) -> None:
    """Make one leaf of the newest checkpoint float64."""
    from mrjax.train import checkpoint

    found = checkpoint.newest(workdir / "checkpoints")
    assert found is not None
    step, leaves = found
    leaves["params/out/kernel"] = leaves["params/out/kernel"].astype(np.float64)
    checkpoint.save(workdir / "checkpoints", step, leaves)


def test_sweeps_of_the_variational_network_in_both(tmp_path):
    for name, run in (("torch", in_torch), ("jax", in_jax)):
        done = run("varnet", "--sweep=optimizer=adam,iipg", f"--workdir={tmp_path / name}")
        assert "[2/2] optimizer=iipg: finished" in done.stdout
    for one in ("optimizer=adam", "optimizer=iipg"):
        check_pair(tmp_path / "torch" / one, tmp_path / "jax" / one)
        assert result(tmp_path / "torch" / one)["framework"] == "pytorch"


def test_a_breast_cross_validation_in_both(tmp_path):
    for name, run in (("torch", in_torch), ("jax", in_jax)):
        run("breast", f"--workdir={tmp_path / name}")
    torch, jax = tmp_path / "torch", tmp_path / "jax"
    assert result(torch)["framework"] == "pytorch" and result(jax)["framework"] == "jax"
    assert result(torch)["baselines"] == result(jax)["baselines"]
    assert changed(torch, jax) == digests(torch).keys() - LABELS
    for child in result(torch)["children"]:
        check_pair(torch / child, jax / child)
        assert result(torch / child)["framework"] == "pytorch"
    assert "torch" in json.dumps(json.loads((torch / "environment.json").read_text())["backend"])


@pytest.mark.parametrize("task", ["qsm", "breast"])
def test_without_torch_it_says_how_to_install_it(tmp_path, task):
    done = without_torch("pytorch", f"--task={task}", *micro(task), f"--workdir={tmp_path / 'w'}")
    refused(done, "PyTorch is not installed", 'pip install "mrjax[torch]"')
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("asked", [(), ("--task=varnet",)])
def test_help_needs_no_torch_and_lists_the_tasks_flags(asked):
    done = without_torch("pytorch", *asked, "--help")
    assert done.returncode == 0, done.stderr
    assert ("--task=varnet" if asked else "--task=qsm|varnet|breast") in done.stdout
    assert "--[no]cudnn_benchmark" in done.stdout
    assert ("--stages" in done.stdout) == bool(asked)
