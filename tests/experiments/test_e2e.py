"""`python -m experiments.e2e` from files to files; test_contract.py has the processes."""

import json
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from experiments_helpers import call, refused, result
from micro_runs import micro
from programs_here import here

from mrjax.runs import ledger
from mrjax.tasks.e2e import classical

FILES = ("--dataset=fastmri", "--n_test=1")


def e2e(*flags: str, **options: bool) -> subprocess.CompletedProcess:
    return here("e2e", *micro("e2e"), *flags, **options)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("e2e") / "base"
    e2e(f"--workdir={workdir}", figures=True)
    return workdir


@pytest.fixture
def files(tmp_path) -> Path:
    """Two volumes whose readout is twice as long as their images, and whose columns are padded."""
    rng = np.random.default_rng(3)
    for number in range(2):
        kspace = rng.standard_normal((2, 2, 40, 24, 2)).astype(np.float32)
        kspace = kspace.view(np.complex64)[..., 0] * _middle(40, 24)
        kspace[..., :2] = 0
        axes = (-2, -1)
        shifted = np.fft.ifft2(np.fft.ifftshift(kspace, axes), norm="ortho")
        rss = np.sqrt(np.sum(np.abs(np.fft.fftshift(shifted, axes)) ** 2, axis=1))
        (tmp_path / "data").mkdir(exist_ok=True)
        with h5py.File(tmp_path / "data" / f"file{number}.h5", "w") as file:
            file["kspace"] = kspace
            file["reconstruction_rss"] = rss[:, 10:30, 3:21].astype(np.float32)
    return tmp_path / "data"


def _middle(rows: int, columns: int) -> np.ndarray:
    """Most of the energy near the zero frequency, as in data."""
    distance = np.hypot(*np.meshgrid(np.arange(rows) - rows // 2,
                                     np.arange(columns) - columns // 2, indexing="ij"))  # fmt: skip
    return (1 / (1 + distance**2)).astype(np.float32)


def test_a_run_leaves_everything_the_contract_names(base):
    found = result(base)
    assert found["experiment"] == "e2e" and found["level"] == "not_guaranteed"
    for table in (found["metrics"], *found["baselines"].values()):
        assert set(table) == {"nrmse", "ssim", "psnr", "ssim_fastmri"}
        assert all(len(values) == 2 and np.isfinite(values).all() for values in table.values())
    assert set(found["baselines"]) == {"zero_filled", "cg_sense"}
    assert [row["step"] for row in ledger.read(base / "ledger.jsonl")] == list(range(1, 7))
    assert [path.stat().st_size > 5e3 for path in (base / "images").glob("*.png")] == [True] * 2
    for path in (base / "predictions").glob("*.h5"):
        with h5py.File(path) as file:
            assert {"network", "reference", "zero_filled", "cg_sense"} == set(file)
            assert {(d.dtype.name, d.shape) for d in file.values()} == {("float32", (20, 24))}
    constants = json.loads((base / "checkpoints" / "constants.json").read_text())
    assert set(constants["tuned"]) == {"iterations", "weight"}
    assert {"acceleration", "calibration", "coils"} <= set(constants["domain"])


def test_it_trains_on_the_whole_readout_and_is_judged_on_what_files_show(
    files, tmp_path, monkeypatch
):
    e2e(*FILES, f"--data_dir={files}", f"--workdir={tmp_path / 'w'}")
    assert result(tmp_path / "w")["subjects"] == ["file1_slice00", "file1_slice01"]
    with h5py.File(tmp_path / "w" / "predictions" / "file1_slice00.h5") as file:
        kept = file["reference"][()]
        assert file["network"].shape == kept.shape == (20, 18)
    with h5py.File(files / "file1.h5") as file:
        rss = file["reconstruction_rss"][0]
    np.testing.assert_allclose(kept, rss, atol=1e-5 * rss.max())
    monkeypatch.setattr(classical, "tune", lambda found: pytest.fail("files are only compared"))
    flags = (*FILES, f"--data_dir={files}", f"--workdir={tmp_path / 'w'}")
    assert "its inputs are unchanged" in e2e(*flags).stderr


HEADER = """<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<reconSpace><matrixSize><x>{x}</x><y>{y}</y><z>1</z></matrixSize></reconSpace></encoding>
</ismrmrdHeader>"""


@pytest.mark.parametrize(("x", "y", "shape"), [(20, 18, (20, 18)), (20, "?", (20, 24)),
                                               (60, 18, (40, 18))])  # fmt: skip
def test_the_header_says_what_counts_of_an_undersampled_file(base, files, tmp_path, x, y, shape):
    with h5py.File(files / "file1.h5", "a") as file:
        file["kspace"][...] = file["kspace"][()] * _gaps()
        file["mask"] = _gaps()
        file["ismrmrd_header"] = np.bytes_(HEADER.format(x=x, y=y).encode())
        del file["reconstruction_rss"]
    flags = ("--steps=0", f"--from_run={base}", f"--data_dir={files}")
    e2e(*FILES, *flags, f"--workdir={tmp_path / 'w'}")
    with h5py.File(tmp_path / "w" / "predictions" / "file1_slice00.h5") as file:
        assert {image.shape for image in file.values()} == {shape}


def test_a_header_without_columns_is_refused(base, files, tmp_path):
    with h5py.File(files / "file1.h5", "a") as file:
        del file["reconstruction_rss"]
        file["ismrmrd_header"] = np.bytes_(HEADER.format(x=20, y=0).encode())
    flags = ("--steps=0", f"--from_run={base}", f"--data_dir={files}")
    done = e2e(*FILES, *flags, f"--workdir={tmp_path / 'w'}", check=False)
    refused(done, "0 columns were reconstructed")


def _gaps() -> np.ndarray:
    mask = np.arange(24) % 3 == 0
    mask[9:15] = True
    return mask


def test_an_undersampled_file_gets_an_image_and_no_metric(base, files, tmp_path):
    with h5py.File(files / "file1.h5", "a") as file:
        file["kspace"][...] = file["kspace"][()] * _gaps()
        file["mask"] = _gaps()
        del file["reconstruction_rss"]
    flags = ("--steps=0", f"--from_run={base}", f"--data_dir={files}")
    e2e(*FILES, *flags, f"--workdir={tmp_path / 'w'}")
    found = result(tmp_path / "w")
    assert found["subjects"] == ["file1_slice00", "file1_slice01"] and not found["metrics"]
    with h5py.File(tmp_path / "w" / "predictions" / "file1_slice00.h5") as file:
        assert file["network"].shape == (40, 24) and "reference" not in file


def test_networks_of_the_package_are_taken_judged_and_given_back(tmp_path):
    torch = pytest.importorskip("torch")
    module = pytest.importorskip("fastmri.models").VarNet(1, 2, 1, 3, 1)
    named = {f"varnet.{name}": value for name, value in module.state_dict().items()}
    of_lightning = {"state_dict": {**named, "loss.w": torch.ones(1, 1, 7, 7)}, "epoch": 3}
    torch.save(of_lightning, tmp_path / "network.ckpt")
    run, back = tmp_path / "run", tmp_path / "back.pt"
    told = here(
        "network", f"--import_fastmri={tmp_path / 'network.ckpt'}", f"--workdir={run}"
    ).stdout
    assert "1 cascades of 3 features and 1 poolings" in told
    advice = told.splitlines()[-1].split(" with ")[1].split()
    sizes = {"--cascades=1", "--width=3", "--levels=1", "--sens_width=2", "--sens_levels=1"}
    assert set(advice[1:-2]) == sizes
    small = "--rows=20 --columns=24 --coils=2 --centre_fraction=0.2 --n_test=1 --platform=cpu"
    here("e2e", *advice, *small.split(), f"--workdir={tmp_path / 'w'}")
    assert result(tmp_path / "w")["digests"]["params"] == result(run)["digests"]["params"]
    here("network", f"--export_fastmri={back}", f"--from_run={run}")
    state = torch.load(back, weights_only=True)
    assert state.keys() == module.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in module.state_dict().items())
    export = (f"--export_varnet={tmp_path / 'x'}", f"--from_run={run}")
    refused(here("network", *export, check=False), "is a run of e2e", "expected varnet")


@pytest.mark.parametrize("change", ["missing", "nan", "double", "bfloat16", "number"])
def test_files_without_such_a_network_are_refused(change, tmp_path):
    torch = pytest.importorskip("torch")
    state = pytest.importorskip("fastmri.models").VarNet(1, 2, 1, 3, 1).state_dict()
    name = "cascades.0.dc_weight"
    if change == "missing":
        del state["sens_net.norm_unet.unet.conv.layers.0.weight"]
    else:
        others = {"nan": torch.tensor([float("nan")]), "double": state[name].double(),
                  "bfloat16": state[name].bfloat16()}  # fmt: skip
        state[7 if change == "number" else name] = others.get(change, state[name])
    torch.save(state, tmp_path / "wrong.pt")
    flags = (f"--import_fastmri={tmp_path / 'wrong.pt'}", f"--workdir={tmp_path / 'run'}")
    refused(here("network", *flags, check=False), "expected")
    assert not (tmp_path / "run").exists()


def test_several_devices_train_the_same_network_in_order_free_arithmetic(tmp_path):
    flags = ("--numerics=reproducible", "--steps=2", "--n_test=1")
    for devices in (1, 2):
        workdir = f"--workdir={tmp_path / str(devices)}"
        call("e2e", *micro("e2e"), *flags, f"--devices={devices}", workdir)
    found = [result(tmp_path / name)["digests"] for name in "12"]
    assert found[0] == found[1]
