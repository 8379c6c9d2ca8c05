"""`python -m experiments.varnet` from files to files; test_contract.py has the processes."""

import json
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from experiments_helpers import refused, result
from micro_runs import micro
from programs_here import here

from mrjax.errors import UserError
from mrjax.runs import ledger
from mrjax.tasks.varnet import classical
from mrjax.tasks.varnet.config import Config


def varnet(*flags: str, **options: bool) -> subprocess.CompletedProcess:
    return here("varnet", *micro("varnet"), *flags, **options)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("varnet") / "base"
    varnet(f"--workdir={workdir}", figures=True)
    return workdir


def test_a_run_leaves_everything_the_contract_names(base):
    found = result(base)
    assert found["experiment"] == "varnet" and found["level"] == "not_guaranteed"
    for table in (found["metrics"], *found["baselines"].values()):
        assert set(table) == {"nrmse", "ssim", "psnr", "ssim_fastmri"}
        assert all(len(values) == 2 and np.isfinite(values).all() for values in table.values())
    assert set(found["baselines"]) == {"zero_filled", "cg_sense"}
    assert [row["step"] for row in ledger.read(base / "ledger.jsonl")] == list(range(1, 7))
    assert [path.stat().st_size > 5e3 for path in (base / "images").glob("*.png")] == [True] * 2
    for path in (base / "predictions").glob("*.h5"):
        with h5py.File(path) as file:
            assert {"network", "reference", "zero_filled", "cg_sense"} == set(file)
            assert file["network"].dtype == np.complex64


def test_a_network_of_another_task_is_refused(base, tmp_path):
    flags = ("--preset=tiny", "--steps=0", f"--from_run={base}", f"--workdir={tmp_path / 'w'}")
    refused(here("qsm", *flags, check=False), "is a run of varnet", "expected one of qsm")


def test_it_trains_from_files(tmp_path, monkeypatch):
    data = tmp_path / "data"
    sizes = ["--n_train=2", "--n_test=1", "--rows=20", "--columns=24", "--coils=2"]
    here("data", "--write=fastmri", f"--data_dir={data}", *sizes)
    flags = ("--dataset=fastmri", "--n_test=1", f"--data_dir={data}")
    varnet(*flags, f"--workdir={tmp_path / 'w'}")
    assert len(result(tmp_path / "w")["subjects"]) >= 1
    monkeypatch.setattr(classical, "tune", lambda found: pytest.fail("files are only compared"))
    assert "its inputs are unchanged" in varnet(*flags, f"--workdir={tmp_path / 'w'}").stderr
    monkeypatch.undo()
    path = sorted(data.rglob("*.h5"))[0]
    with h5py.File(path, "a") as file:
        del file["kspace"]
    refused(varnet(*flags, f"--workdir={tmp_path / 'v'}", check=False), "kspace", path.name)


def test_a_window_may_be_as_long_as_the_shorter_edge():
    sizes = {"rows": 21, "columns": 24, "acs_lines": 6}
    Config(**sizes, window=21).check()
    with pytest.raises(UserError, match="--window=23 does not fit"):
        Config(**sizes, window=23).check()


def test_constants_hold_the_tuned_baseline(base):
    content = json.loads((base / "checkpoints" / "constants.json").read_text())
    assert set(content["tuned"]) == {"iterations", "weight"}
