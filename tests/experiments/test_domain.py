"""Networks applied to data unlike those of their training, from files to files."""

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from experiments_helpers import digests, refused, result
from micro_runs import micro
from programs_here import here

from mrjax.data.formats import nifti
from mrjax.physics.phantoms import brain
from mrjax.tasks import exchange
from mrjax.tasks.varnet import model
from mrjax.tasks.varnet.config import PRESETS, Config
from mrjax.tasks.varnet.exchange import describe

Z, Y = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)
OUTSIDE = "outside the network's domain: "


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("domain") / "net"
    here("qsm", *micro("qsm"), f"--workdir={workdir}")
    return workdir


def write(folder: Path, name: str, shape, voxel_size, b0) -> None:
    one = brain.brain(0, 0, 7, shape, voxel_size, b0)
    assert one.chi is not None
    for kind, volume in (("localfield", one.field), ("mask", one.mask), ("Chimap", one.chi)):
        nifti.write_nifti(folder / f"sub-{name}_{kind}.nii.gz", volume, voxel_size, b0)


@pytest.fixture(scope="module")
def heads(tmp_path_factory) -> Path:
    """One head like those of the training, one with other voxels, one with another B0."""
    folder = tmp_path_factory.mktemp("heads")
    write(folder, "like", (16, 16, 16), (1.0, 1.0, 1.0), Z)
    write(folder, "thick", (32, 32, 8), (0.5, 0.5, 2.0), Z)
    write(folder, "turned", (16, 16, 16), (1.0, 1.0, 1.0), Y)
    return folder


def infer(network: Path, heads: Path, workdir: Path, *flags: str, check: bool = True):
    own = ("--steps=0", f"--from_run={network}", "--dataset=nifti", "--unit=ppm", "--n_test=0")
    return here("qsm", *micro("qsm"), *own, f"--data_dir={heads}", f"--workdir={workdir}", *flags,
                check=check)  # fmt: skip


def constants(run: Path) -> dict:
    return json.loads((run / "checkpoints" / "constants.json").read_text())


def test_a_training_keeps_its_domain_with_the_weights(network):
    known = constants(network)["domain"]
    assert known["voxel_size"] == [[1, 1]] * 3 and known["b0_direction"] == [0, 0, 1]
    low, high = known["field_std"]
    assert 0.004 < low < high < 0.15 and known["field_strength"] is None
    assert result(network)["data"]["notes"] == []


def test_what_lies_outside_is_said_and_recorded(network, heads, tmp_path):
    done = infer(network, heads, tmp_path / "w")
    notes = result(tmp_path / "w")["data"]["notes"]
    assert [f"note: {note}" in done.stderr.splitlines() for note in notes] == [True, True]
    thick, turned = notes
    assert thick.startswith(f"{OUTSIDE}voxels of 0.5 x 0.5 x 2 mm;") and "2 times" in thick
    assert turned.startswith(f"{OUTSIDE}B0 along (0, 1, 0);") and "90 degrees" in turned
    assert "thick" in thick and "turned" in turned and "like" not in thick + turned
    assert constants(tmp_path / "w")["domain"] == constants(network)["domain"]


def test_what_lies_outside_is_brought_to_the_network_and_back(network, heads, tmp_path):
    infer(network, heads, tmp_path / "as_it_is")
    infer(network, heads, tmp_path / "brought", "--resample")
    flags = (tmp_path / "brought" / "flags.txt").read_text()
    assert "--resample=true" in flags
    assert "--resample" not in (tmp_path / "as_it_is" / "flags.txt").read_text()
    thick, turned = result(tmp_path / "brought")["data"]["notes"]
    assert "brought into the network's domain and back by interpolation: voxels" in thick
    assert "brought into the network's domain and back by turned axes: B0" in turned
    for name, moved in (("like", False), ("thick", True), ("turned", True)):
        maps: list[Any] = [
            nib.load(next((tmp_path / run / "predictions").glob(f"*{name}_network_Chimap.nii.gz")))
            for run in ("as_it_is", "brought")
        ]
        before, after = (np.asarray(one.dataobj) for one in maps)
        assert np.array_equal(before, after) != moved, name
        mask: Any = nib.load(heads / f"sub-{name}_mask.nii.gz")
        np.testing.assert_allclose(maps[1].affine, mask.affine, atol=1e-6)
        assert not after[np.asarray(mask.dataobj) == 0].any() and after.shape == mask.shape
    tables = [result(tmp_path / run) for run in ("as_it_is", "brought")]
    assert tables[0]["baselines"] == tables[1]["baselines"]  # they know voxels and B0 themselves
    assert tables[0]["digests"]["data"] == tables[1]["digests"]["data"]


def test_a_network_that_is_moved_keeps_its_domain(network, heads, tmp_path):
    shutil.copytree(network, tmp_path / "elsewhere")
    done = infer(tmp_path / "elsewhere", heads, tmp_path / "w")
    assert f"note: {OUTSIDE}voxels of 0.5 x 0.5 x 2 mm" in done.stderr


def test_an_older_network_has_no_domain(network, heads, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(network, old)
    kept = constants(old)
    del kept["domain"]
    (old / "checkpoints" / "constants.json").write_text(json.dumps(kept))
    done = infer(old, heads, tmp_path / "w")
    assert f"note: the domain of the network in {old} is not recorded" in done.stderr
    assert OUTSIDE not in done.stderr and "domain" not in constants(tmp_path / "w")
    again = infer(old, heads, tmp_path / "v", "--resample", check=False)
    refused(again, "--resample has no voxel size to bring subjects to")


def test_order_free_predictions_inside_the_domain_do_not_change(network, heads, tmp_path):
    """And those of heads whose axes need only be turned may be brought, others not."""
    near = tmp_path / "near"
    near.mkdir()
    for path in heads.glob("sub-like*"):
        shutil.copy(path, near)
    found = []
    for name, flags in (("plain", ()), ("brought", ("--resample",))):
        infer(network, near, tmp_path / name, "--numerics=reproducible", *flags)
        found.append(digests(tmp_path / name)["predictions"])
    assert found[0] == found[1]
    done = infer(network, heads, tmp_path / "w", "--numerics=reproducible", "--resample",
                 check=False)  # fmt: skip
    refused(done, "interpolates", "thick", "--numerics=native")


@pytest.mark.parametrize(
    ("task", "flags", "words"),
    [
        ("qsm", (), "--resample with 6 training steps; expected --steps=0"),
        ("breast", (), "--resample with 4 training steps; expected --steps=0"),
        ("varnet", ("--steps=0", "--from_run=RUN"), "k-space has no voxels"),
    ],
)
def test_where_it_has_no_sense_it_is_refused(task, flags, words, tmp_path):
    done = here(task, *micro(task), "--resample", *flags, f"--workdir={tmp_path}", check=False)
    refused(done, words)


def test_slices_unlike_those_of_the_training(tmp_path):
    net = tmp_path / "net"
    here("varnet", *micro("varnet"), f"--workdir={net}")
    assert constants(net)["domain"]["coils"] == [2, 2]
    assert result(net)["data"]["notes"] == []
    own = ("--steps=0", f"--from_run={net}", f"--workdir={tmp_path / 'w'}")
    here("varnet", *micro("varnet"), *own, "--acceleration=12", "--acs_lines=2", "--coils=5")
    notes = " ".join(result(tmp_path / "w")["data"]["notes"])
    assert "an acceleration (columns for each column acquired)" in notes
    assert "a number of coils of 5; the network was trained with 2: 2.5 times more" in notes


def test_a_network_that_others_trained_has_no_domain(tmp_path):
    sizes = {"width": 2, "stages": 2, "window": 5}
    leaves = model.build(Config(**{**PRESETS["tiny"], **sizes}), "cpu").initial_params()
    tuned = {"tuned": {"iterations": 8, "weight": 0.0}}
    exchange.store(describe(leaves), leaves, tuned, tmp_path / "theirs", "theirs.h5")
    own = ("--steps=0", f"--from_run={tmp_path / 'theirs'}", f"--workdir={tmp_path / 'w'}")
    done = here("varnet", *micro("varnet"), *own)
    assert (
        f"note: the domain of the network in {tmp_path / 'theirs'} is not recorded" in done.stderr
    )


def test_patients_unlike_those_of_the_training(tmp_path):
    net = tmp_path / "net"
    here("breast", *micro("breast"), "--folds=2", "--fold=0", f"--workdir={net}")
    assert set(constants(net)["domain"]) >= {"voxel_size", "early", "late"}
    finer = ("--rows=64", "--columns=64")
    assert result(net)["data"]["notes"] == []
    found = {}
    for name, flags in (("plain", ()), ("brought", ("--resample",))):
        own = ("--steps=0", f"--from_run={net}", f"--workdir={tmp_path / name}", *finer)
        done = here("breast", *micro("breast"), "--n_patients=1", *own, *flags)
        assert "voxels of" in done.stderr
        found[name] = result(tmp_path / name)
    (plain,) = [n for n in found["plain"]["data"]["notes"] if "voxels" in n]
    (brought,) = [n for n in found["brought"]["data"]["notes"] if "voxels" in n]
    assert plain.startswith(OUTSIDE) and "--resample brings it there" in plain
    assert brought.startswith("brought into the network's domain and back by interpolation")
    digest = [found[name]["digests"]["predictions"] for name in ("plain", "brought")]
    assert digest[0] != digest[1]
