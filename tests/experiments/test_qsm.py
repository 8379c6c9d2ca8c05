"""`python -m experiments.qsm` as a user runs it: in processes of its own, from files to files."""

import json
import random
import subprocess
import sys
from pathlib import Path

import experiments_helpers
import numpy as np
import pytest
import scipy.io
from experiments_helpers import (
    SECONDS,
    digests,
    environment,
    kill,
    only_the_instruction_set_changes_bits,
    refused,
    result,
)
from helpers import ROOT

from mrjax.runs import ledger

# A network of a few hundred weights: what is tested is the run, not the images.
MICRO = (
    "--preset=tiny --steps=6 --checkpoint_every=2 --width=2 --levels=1 --volume=16 --patch=8 "
    "--n_train=2 --n_test=2 --batch_size=2 --platform=cpu"
).split()


def call(*flags: str, check: bool = True) -> subprocess.CompletedProcess:
    return experiments_helpers.call("qsm", *MICRO, *flags, check=check)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("qsm") / "base"
    call("--xla_deterministic", f"--workdir={workdir}")
    return workdir


def test_a_run_leaves_everything_the_contract_names(base):
    found = result(base)
    assert found["experiment"] == "qsm" and found["framework"] == "jax"
    assert found["level"] == "run_to_run" and found["steps"] == 6
    assert len(found["subjects"]) == 2
    for table in (found["metrics"], found["baselines"]["tkd"], found["baselines"]["l2"]):
        assert set(table) == {"nrmse", "ssim", "psnr", "hfen"}
        assert all(len(values) == 2 and np.isfinite(values).all() for values in table.values())
    assert all(len(found["digests"][k]) == 64 for k in ("init", "order", "data", "params"))
    assert set(found["seconds"]) == {"setup", "compile", "train", "infer", "classical"}
    assert all(found["load"][name] >= 0 for name in ("cores", "begin", "end"))
    assert found["memory_bytes"] > 1e7
    assert [row["step"] for row in ledger.read(base / "ledger.jsonl")] == list(range(1, 7))
    assert sum(1 for _ in (base / "images").glob("*.png")) == 2
    assert sum(1 for _ in (base / "predictions").glob("*_Chimap.nii.gz")) == 6
    recorded = json.loads((base / "environment.json").read_text())
    assert "xla_gpu_deterministic_ops" in json.dumps(recorded)


def test_only_the_instruction_set_changes_the_bits(tmp_path):
    only_the_instruction_set_changes_bits(tmp_path, "qsm", *MICRO, "--xla_deterministic")


@pytest.mark.parametrize(
    "flag, changed",
    [
        ("--seed_order=1", {"order", "params", "predictions"}),
        ("--seed_init=1", {"init", "params", "predictions"}),
        ("--dtype=bfloat16", {"params", "predictions"}),
        ("--seed_noise=1", {"data", "params", "predictions"}),
        ("--repetition=1", set()),
    ],
)
def test_each_source_changes_its_own_digests(base, tmp_path, flag, changed):
    other = tmp_path / "other"
    call("--xla_deterministic", f"--workdir={other}", flag)
    before, after = digests(base), digests(other)
    assert {k for k in before if before[k] != after[k]} == changed


def test_a_finished_run_returns_at_once_and_says_so(base):
    before = {p: p.stat().st_mtime_ns for p in base.rglob("*")}
    done = call("--xla_deterministic", f"--workdir={base}")
    assert "already finished" in done.stderr
    assert {p: p.stat().st_mtime_ns for p in base.rglob("*")} == before


def test_killed_at_random_a_run_continues_bit_for_bit(base, tmp_path):
    workdir = tmp_path / "killed"
    flags = ("--xla_deterministic", f"--workdir={workdir}")
    started = (workdir / "ledger.jsonl").exists
    moment = random.Random(0)
    codes = [
        kill("qsm", *MICRO, *flags, sign=started, after=moment.uniform(0, 0.2)) for _ in range(2)
    ]
    assert codes[0] == -9
    call(*flags)
    assert digests(workdir) == digests(base)
    assert (workdir / "ledger.jsonl").read_bytes() == (base / "ledger.jsonl").read_bytes()


def test_a_trained_network_infers_the_same_images_again(base, tmp_path):
    workdir = tmp_path / "inference"
    call("--xla_deterministic", "--steps=0", f"--from_run={base}", f"--workdir={workdir}")
    assert digests(workdir)["params"] == digests(base)["params"]
    assert digests(workdir)["predictions"] == digests(base)["predictions"]


def test_a_network_of_another_size_is_refused(base, tmp_path):
    flags = ("--steps=0", "--width=4", f"--from_run={base}", f"--workdir={tmp_path / 'w'}")
    refused(call(*flags, check=False), "width 2", "--width=2")


def test_training_diverges_in_one_line_that_names_the_step(tmp_path):
    done = call("--learning_rate=1e30", f"--workdir={tmp_path}", check=False)
    assert done.returncode == 1
    assert "at step" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--dataset=qsmnet_mat", "--data_dir=/nowhere"], ["/nowhere"]),
        (["--dataset=nifti"], ["--data_dir"]),
        (["--volume=3"], ["--volume=3"]),
        (["--patch=9"], ["--patch=9", "divisible"]),
        (["--patch=2"], ["--patch=2"]),
        (["--workdir=" + 300 * "x"], ["too long"]),
        (["--steps=0"], ["--from_run"]),
        (["--window=4"], ["--window=4"]),
        (["--devices=3"], ["--batch_size"]),
        (["--numerics=reproducible", "--init=authors"], ["--init=authors", "he_uniform"]),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, flags, words):
    refused(call(f"--workdir={tmp_path / 'w'}", *flags, check=False), *words)


def test_a_workdir_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    refused(call(f"--workdir={tmp_path / 'file'}", check=False), "file")


def test_a_run_of_another_jax_is_refused_unless_allowed(base, tmp_path):
    workdir = tmp_path / "mixed"
    workdir.mkdir()
    for name in ("config.json", "flags.txt"):
        (workdir / name).write_bytes((base / name).read_bytes())
    text = (base / "environment.json").read_text()
    import jax

    assert f'"{jax.__version__}"' in text
    (workdir / "environment.json").write_text(text.replace(f'"{jax.__version__}"', '"0.9.0"'))
    flags = ("--xla_deterministic", f"--workdir={workdir}")
    refused(call(*flags, check=False), "jax", "0.9.0", "--allow_mixed")
    call(*flags, "--allow_mixed")


def test_two_devices_share_a_batch(tmp_path):
    call("--devices=2", f"--workdir={tmp_path}")
    assert result(tmp_path)["steps"] == 6


def test_changed_files_are_noticed_on_resume(tmp_path):
    data, workdir = tmp_path / "data", tmp_path / "w"
    make = [sys.executable, "-m", "experiments.data", "--write=qsmnet_mat", f"--data_dir={data}"]
    sizes = ["--n_train=1", "--n_test=1", "--volume=16"]
    subprocess.run([*make, *sizes], cwd=ROOT, env=environment(), check=True, timeout=SECONDS)
    flags = ("--dataset=qsmnet_mat", f"--data_dir={data}", f"--workdir={workdir}")
    call(*flags)
    (workdir / "result.json").unlink()
    path = data / "Train" / "Input" / "train_input1.mat"
    content = scipy.io.loadmat(path)
    scipy.io.savemat(path, {"phs_tissue": content["phs_tissue"] * np.float32(1.5)})
    refused(call(*flags, check=False), "data", "other inputs")


def test_a_mistake_leaves_the_workdir_free(tmp_path):
    few = ("--patches_x=1", "--patches_y=1", "--patches_z=1", "--n_train=1")
    refused(call(*few, f"--workdir={tmp_path / 'w'}", check=False), "--batch_size")
    assert not (tmp_path / "w" / "config.json").exists()


def test_a_network_trained_with_another_schedule_infers(base, tmp_path):
    flags = ("--steps=0", "--cooldown=0", f"--from_run={base}", f"--workdir={tmp_path / 'w'}")
    call("--xla_deterministic", *flags)
    assert digests(tmp_path / "w")["predictions"] == digests(base)["predictions"]
