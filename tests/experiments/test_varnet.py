"""`python -m experiments.varnet` as a user runs it."""

import json
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from experiments_helpers import (
    call,
    digests,
    kill,
    only_the_instruction_set_changes_bits,
    refused,
    result,
)

from mrjax.errors import UserError
from mrjax.runs import ledger
from mrjax.tasks.varnet.config import Config

MICRO = (
    "--preset=tiny --steps=6 --checkpoint_every=2 --width=2 --stages=2 --window=5 --rows=20 "
    "--columns=24 --coils=2 --acs_lines=6 --n_train=4 --n_test=2 --batch_size=2 --platform=cpu "
    "--xla_deterministic"
).split()


def varnet(*flags: str, check: bool = True) -> subprocess.CompletedProcess:
    return call("varnet", *MICRO, *flags, check=check)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("varnet") / "base"
    varnet(f"--workdir={workdir}")
    return workdir


def test_a_run_leaves_everything_the_contract_names(base):
    found = result(base)
    assert found["experiment"] == "varnet" and found["level"] == "run_to_run"
    for table in (found["metrics"], *found["baselines"].values()):
        assert set(table) == {"nrmse", "ssim", "psnr"}
        assert all(len(values) == 2 and np.isfinite(values).all() for values in table.values())
    assert set(found["baselines"]) == {"zero_filled", "cg_sense"}
    assert [row["step"] for row in ledger.read(base / "ledger.jsonl")] == list(range(1, 7))
    assert sum(1 for _ in (base / "images").glob("*.png")) == 2
    for path in (base / "predictions").glob("*.h5"):
        with h5py.File(path) as file:
            assert {"network", "reference", "zero_filled", "cg_sense"} == set(file)
            assert file["network"].dtype == np.complex64


def test_only_the_instruction_set_changes_the_bits(tmp_path):
    only_the_instruction_set_changes_bits(tmp_path, "varnet", *MICRO)


@pytest.mark.parametrize(
    "flag, changed",
    [
        ("--seed_order=1", {"order", "params", "predictions"}),
        ("--seed_init=1", {"init", "params", "predictions"}),
        ("--dtype=bfloat16", {"params", "predictions"}),
        ("--optimizer=iipg", {"params", "predictions"}),
        ("--noproject", {"params", "predictions"}),
        ("--loss=magnitude", {"params", "predictions"}),
    ],
)
def test_each_source_changes_its_own_digests(base, tmp_path, flag, changed):
    other = tmp_path / "other"
    varnet(f"--workdir={other}", flag)
    before, after = digests(base), digests(other)
    assert {k for k in before if before[k] != after[k]} == changed


def test_killed_a_run_continues_bit_for_bit(base, tmp_path):
    workdir = tmp_path / "killed"
    saved = lambda: any((workdir / "checkpoints").glob("*.npz"))  # noqa: E731
    assert kill("varnet", *MICRO, f"--workdir={workdir}", sign=saved) == -9
    varnet(f"--workdir={workdir}")
    assert digests(workdir) == digests(base)
    assert (workdir / "ledger.jsonl").read_bytes() == (base / "ledger.jsonl").read_bytes()


def test_a_trained_network_infers_the_same_images_again(base, tmp_path):
    workdir = tmp_path / "inference"
    varnet("--steps=0", f"--from_run={base}", f"--workdir={workdir}")
    assert digests(workdir)["predictions"] == digests(base)["predictions"]
    flags = ("--steps=0", "--width=4", f"--from_run={base}", f"--workdir={tmp_path / 'w'}")
    refused(varnet(*flags, check=False), "width 2", "--width=2")


def test_a_network_of_another_task_is_refused(base, tmp_path):
    flags = ("--preset=tiny", "--steps=0", f"--from_run={base}", f"--workdir={tmp_path / 'w'}")
    refused(call("qsm", *flags, check=False), "is a run of varnet", "expected one of qsm")


def test_it_trains_from_files(tmp_path):
    data = tmp_path / "data"
    sizes = ["--n_train=2", "--n_test=1", "--rows=20", "--columns=24", "--coils=2"]
    call("data", "--write=fastmri", f"--data_dir={data}", *sizes)
    varnet("--dataset=fastmri", "--n_test=1", f"--data_dir={data}", f"--workdir={tmp_path / 'w'}")
    assert len(result(tmp_path / "w")["subjects"]) >= 1
    path = sorted(data.rglob("*.h5"))[0]
    with h5py.File(path, "a") as file:
        del file["kspace"]
    flags = ("--dataset=fastmri", "--n_test=1", f"--data_dir={data}")
    refused(varnet(*flags, f"--workdir={tmp_path / 'v'}", check=False), "kspace", path.name)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--dataset=bart", "--data_dir=/nowhere"], ["/nowhere"]),
        (["--dataset=hammernik"], ["--data_dir"]),
        (["--window=4"], ["--window=4"]),
        (["--window=21"], ["--window=21"]),
        (["--acs_lines=25"], ["--acs_lines=25"]),
        (["--momentum=0.5"], ["--momentum=0.5", "iipg"]),
        (["--steps=0"], ["--from_run"]),
        (["--batch_size=6"], ["--batch_size"]),
        (["--numerics=reproducible", "--maps=espirit"], ["--maps=espirit", "acs"]),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, flags, words):
    refused(varnet(f"--workdir={tmp_path / 'w'}", *flags, check=False), *words)
    assert not (tmp_path / "w" / "config.json").exists()


def test_a_window_may_be_as_long_as_the_shorter_edge():
    sizes = {"rows": 21, "columns": 24, "acs_lines": 6}
    Config(**sizes, window=21).check()
    with pytest.raises(UserError, match="--window=23 does not fit"):
        Config(**sizes, window=23).check()


def test_constants_hold_the_tuned_baseline(base):
    content = json.loads((base / "checkpoints" / "constants.json").read_text())
    assert set(content["tuned"]) == {"iterations", "weight"}
