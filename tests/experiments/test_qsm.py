"""`python -m experiments.qsm` from files to files; test_contract.py has the processes."""

import json
import subprocess
from pathlib import Path

import jax
import nibabel as nib
import numpy as np
import pytest
import scipy.io
from experiments_helpers import call, digests, refused, result
from micro_runs import micro
from programs_here import here

from mrjax.runs import ledger
from mrjax.tasks.qsm import classical


def qsm(*flags: str, **options: bool) -> subprocess.CompletedProcess:
    return here("qsm", *micro("qsm"), *flags, **options)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("qsm") / "base"
    qsm(f"--workdir={workdir}", figures=True)
    return workdir


def test_a_run_leaves_everything_the_contract_names(base):
    found = result(base)
    assert found["experiment"] == "qsm" and found["framework"] == "jax"
    assert found["level"] == "not_guaranteed" and found["steps"] == 6
    assert len(found["subjects"]) == 2
    for table in (found["metrics"], found["baselines"]["tkd"], found["baselines"]["l2"]):
        assert set(table) == {"nrmse", "ssim", "psnr", "hfen", "xsim"}
        assert all(len(values) == 2 and np.isfinite(values).all() for values in table.values())
    assert all(len(found["digests"][k]) == 64 for k in ("init", "order", "data", "params"))
    assert set(found["seconds"]) == {"setup", "compile", "train", "infer", "classical"}
    assert all(found["load"][name] >= 0 for name in ("cores", "begin", "end"))
    assert found["memory_bytes"] > 1e7
    assert [row["step"] for row in ledger.read(base / "ledger.jsonl")] == list(range(1, 7))
    assert [path.stat().st_size > 5e3 for path in (base / "images").glob("*.png")] == [True] * 2
    assert sum(1 for _ in (base / "predictions").glob("*_Chimap.nii.gz")) == 6
    assert json.loads((base / "environment.json").read_text())["backend"]["platform"] == "cpu"


def test_training_diverges_in_one_line_that_names_the_step(tmp_path):
    done = qsm("--learning_rate=1e30", f"--workdir={tmp_path}", check=False)
    assert done.returncode == 1
    assert "at step" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "result.json").exists()


def test_a_workdir_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    refused(qsm(f"--workdir={tmp_path / 'file'}", check=False), "file")


def test_a_run_of_another_jax_is_refused_unless_allowed(base, tmp_path):
    workdir = tmp_path / "mixed"
    workdir.mkdir()
    for name in ("config.json", "flags.txt"):
        (workdir / name).write_bytes((base / name).read_bytes())
    text = (base / "environment.json").read_text()
    assert f'"{jax.__version__}"' in text
    (workdir / "environment.json").write_text(text.replace(f'"{jax.__version__}"', '"0.9.0"'))
    refused(qsm(f"--workdir={workdir}", check=False), "jax", "0.9.0", "--allow_mixed")
    qsm(f"--workdir={workdir}", "--allow_mixed")


def test_two_devices_share_a_batch(tmp_path):
    call("qsm", *micro("qsm"), "--devices=2", f"--workdir={tmp_path}")
    assert result(tmp_path)["steps"] == 6


def test_changed_files_are_noticed_when_the_command_is_repeated(tmp_path, monkeypatch):
    data, workdir = tmp_path / "data", tmp_path / "w"
    sizes = ("--n_train=1", "--n_test=1", "--volume=16")
    here("data", "--write=qsmnet_mat", f"--data_dir={data}", *sizes)
    flags = ("--dataset=qsmnet_mat", f"--data_dir={data}", f"--workdir={workdir}")
    qsm(*flags)
    monkeypatch.setattr(classical, "tune", lambda train: pytest.fail("files are only compared"))
    assert "its inputs are unchanged" in qsm(*flags).stderr
    path = data / "Train" / "Input" / "train_input1.mat"
    content = scipy.io.loadmat(path)
    scipy.io.savemat(path, {"phs_tissue": content["phs_tissue"] * np.float32(1.5)})
    refused(qsm(*flags, check=False), f"the finished run {workdir} differ")
    monkeypatch.undo()
    (workdir / "result.json").unlink()
    refused(qsm(*flags, check=False), "data", "other inputs")


def test_changed_headers_are_noticed_when_the_command_is_repeated(base, tmp_path):
    data, workdir = tmp_path / "data", tmp_path / "w"
    sizes = ("--n_train=1", "--n_test=1", "--volume=16")
    here("data", "--write=nifti", f"--data_dir={data}", *sizes)
    of = ("--steps=0", f"--from_run={base}", f"--workdir={workdir}")
    flags = (*of, "--dataset=nifti", "--unit=ppm", f"--data_dir={data}")
    qsm(*flags)
    said = qsm(*flags).stderr
    assert "its inputs are unchanged" in said and "not compared" not in said
    for path in data.rglob("*.nii.gz"):
        image = nib.load(path)
        zooms = nib.affines.rescale_affine(image.affine, image.shape, 1.1)
        nib.Nifti1Image(np.asarray(image.dataobj), zooms).to_filename(path)
    refused(qsm(*flags, check=False), "voxel sizes", f"the finished run {workdir} differ")


def test_a_mistake_leaves_the_workdir_free(tmp_path):
    few = ("--patches_x=1", "--patches_y=1", "--patches_z=1", "--n_train=1")
    refused(qsm(*few, f"--workdir={tmp_path / 'w'}", check=False), "--batch_size")
    assert not (tmp_path / "w" / "config.json").exists()


def test_a_network_trained_with_another_schedule_infers(base, tmp_path):
    flags = ("--steps=0", "--cooldown=0", f"--from_run={base}", f"--workdir={tmp_path / 'w'}")
    qsm(*flags)
    assert digests(tmp_path / "w")["predictions"] == digests(base)["predictions"]
