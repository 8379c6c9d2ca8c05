"""`python -m experiments.pytorch` beside the same runs in JAX, as a user runs both."""

import json
import random
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest
from experiments_helpers import call as run_experiment
from experiments_helpers import digests, kill, refused, result, without_torch

from mrjax.runs import ledger

pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

# Networks of a few hundred weights: what is tested is the run, not the images.
MICRO = {
    "qsm": "--width=2 --levels=1 --volume=16 --patch=8 --n_train=2 --n_test=2",
    "varnet": "--width=2 --stages=2 --window=3 --rows=24 --columns=24 --coils=2 --acs_lines=8 "
    "--n_train=4 --n_test=2",
    "breast": "--width=2 --levels=1 --rows=16 --columns=16 --slices=2 --n_patients=4",
}
COMMON = "--preset=tiny --steps=6 --checkpoint_every=2 --batch_size=2 --platform=cpu".split()
LABELS = {"init", "order", "data"}


def flags(task: str, *more: str) -> list[str]:
    return [*COMMON, *MICRO[task].split(), *more]


def in_torch(task: str, *more: str, check: bool = True) -> subprocess.CompletedProcess:
    return run_experiment("pytorch", f"--task={task}", *flags(task, *more), check=check)


def in_jax(task: str, *more: str) -> subprocess.CompletedProcess:
    return run_experiment(task, *flags(task, *more))


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
    ours, theirs = digests(torch), digests(jax)
    assert {k for k in ours if ours[k] == theirs[k]} == LABELS
    assert batches(torch) == batches(jax) and len(set(batches(torch))) > 1
    np.testing.assert_allclose(losses(torch), losses(jax), rtol=rtol)


def test_both_frameworks_start_from_the_same_bits(base, jax_base):
    check_pair(base, jax_base)
    found = result(base)
    assert found["experiment"] == "qsm" and found["framework"] == "pytorch"
    assert found["level"] == "run_to_run" and found["steps"] == 6
    assert found["baselines"] == result(jax_base)["baselines"]
    for name in ("nrmse", "ssim", "hfen"):
        # The SSIM of these six steps is 0.005 of 1: a relative difference of it says nothing.
        np.testing.assert_allclose(
            found["metrics"][name], result(jax_base)["metrics"][name], rtol=0.02, atol=1e-3
        )
    assert sorted(p.name for p in base.rglob("*.nii.gz")) == sorted(
        p.name for p in jax_base.rglob("*.nii.gz")
    )
    recorded = json.loads((base / "environment.json").read_text())["backend"]
    assert recorded["switches"]["deterministic_algorithms"] and recorded["threads"] >= 1


def test_the_same_command_gives_the_same_bits_and_another_thread_count_does_not(base, tmp_path):
    again = tmp_path / "again"
    in_torch("qsm", "--deterministic_algorithms", f"--workdir={again}")
    assert digests(again) == digests(base)
    assert (again / "ledger.jsonl").read_bytes() == (base / "ledger.jsonl").read_bytes()
    threads = json.loads((base / "environment.json").read_text())["backend"]["threads"]
    other = "--cpu_threads=1" if threads > 1 else "--cpu_threads=2"
    in_torch("qsm", "--deterministic_algorithms", other, f"--workdir={tmp_path / 'threads'}")
    before, after = digests(base), digests(tmp_path / "threads")
    assert {k for k in before if before[k] != after[k]} == {"params", "predictions"}


def test_killed_at_random_a_run_continues_bit_for_bit(base, tmp_path):
    workdir = tmp_path / "killed"
    asked = flags("qsm", "--deterministic_algorithms", f"--workdir={workdir}")
    started = (workdir / "ledger.jsonl").exists
    moment = random.Random(0)
    codes = [
        kill("pytorch", "--task=qsm", *asked, sign=started, after=moment.uniform(0, 0.2))
        for _ in range(2)
    ]
    assert codes[0] == -9
    in_torch("qsm", "--deterministic_algorithms", f"--workdir={workdir}")
    assert digests(workdir) == digests(base)
    assert (workdir / "ledger.jsonl").read_bytes() == (base / "ledger.jsonl").read_bytes()


def test_a_runs_own_flags_find_it_finished(base):
    before = {p: p.stat().st_mtime_ns for p in base.rglob("*")}
    done = run_experiment("pytorch", f"--flagfile={base / 'flags.txt'}", f"--workdir={base}")
    assert "already finished" in done.stderr
    assert {p: p.stat().st_mtime_ns for p in base.rglob("*")} == before


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
    ours, theirs = digests(torch), digests(jax)
    assert {k for k in ours if ours[k] == theirs[k]} == LABELS
    for child in result(torch)["children"]:
        check_pair(torch / child, jax / child)
        assert result(torch / child)["framework"] == "pytorch"
    assert "torch" in json.dumps(json.loads((torch / "environment.json").read_text())["backend"])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([], ["--task is not given", "qsm, varnet, breast"]),
        (["--task=brain"], ["--task=brain is not allowed", "qsm, varnet, breast"]),
        (["--task=qsm", "--stages=3"], ["unknown flag --stages"]),
        (["--task=qsm", "--devices=2"], ["--devices=2 in PyTorch"]),
        (["--task=varnet", "--numerics=reproducible"], ["--numerics=reproducible", "JAX"]),
        (["--task=breast", "--fold=9"], ["--fold=9"]),
        (["--task=qsm", "--sweep=task=qsm,varnet"], ["--task=varnet is not allowed"]),
        (["--task=qsm", "--platform=gpu", "--device_index=99"], ["--device_index=99", "GPUs"]),
        (["--task=qsm", "--dataset=nifti", "--data_dir=/nowhere"], ["/nowhere"]),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, asked, words):
    done = run_experiment("pytorch", *asked, f"--workdir={tmp_path / 'w'}", check=False)
    refused(done, *words)


@pytest.mark.parametrize("task", ["qsm", "breast"])
def test_without_torch_it_says_how_to_install_it(tmp_path, task):
    done = without_torch("pytorch", f"--task={task}", *flags(task, f"--workdir={tmp_path / 'w'}"))
    refused(done, "PyTorch is not installed", 'pip install "mrjax[torch]"')
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("asked", [(), ("--task=varnet",)])
def test_help_needs_no_torch_and_lists_the_tasks_flags(asked):
    done = without_torch("pytorch", *asked, "--help")
    assert done.returncode == 0, done.stderr
    assert ("--task=varnet" if asked else "--task=qsm|varnet|breast") in done.stdout
    assert "--[no]cudnn_benchmark" in done.stdout
    assert ("--stages" in done.stdout) == bool(asked)
