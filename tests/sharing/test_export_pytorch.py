"""Exports for PyTorch: the network stands alone and computes what JAX does."""

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import made_runs
import numpy as np
import pytest
from small_networks import TASKS

torch = pytest.importorskip("torch")

from mrjax.pytorch import e2e, losses, nets, unet, varnet, weights  # noqa: E402
from mrjax.sharing.export import folder, monai, plain, state_dict, trained  # noqa: E402
from mrjax.sharing.export.about import Asked  # noqa: E402
from mrjax.tasks.varnet import export as varnet_export  # noqa: E402

SCHEMA = Path(__file__).parent / "monai_metadata_schema.json"
OF_MONAI = pytest.mark.filterwarnings("ignore")
"""MONAI and what it imports may warn."""
ASKED = Asked(author="A. Author", licence="CC-BY-4.0")


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Task -> network."""
    return {
        task: trained.read(made_runs.make(task, tmp_path_factory.mktemp(task) / "run"))
        for task in TASKS
    }


def close(found: np.ndarray, expected: np.ndarray) -> None:
    """To 1e-5 of the largest magnitude."""
    assert found.shape == expected.shape and found.dtype == expected.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def applied(network, inputs: dict[str, np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        return network(*map(torch.from_numpy, inputs.values())).numpy()


def twin_output(found: trained.Trained) -> np.ndarray:
    """What the twin predicts for the test input, channels first."""
    c = found.config
    if found.task == "varnet":
        net = varnet.TunedVarNet(c.stages, c.width, c.nodes, c.window)
        weights.load_weights(net, found.weights.params)
        batch = {k: torch.from_numpy(v) for k, v in found.inputs.items()}
        with torch.no_grad():
            return varnet_export.real(losses.varnet_predict(net, batch).numpy()[:, None])
    if found.task == "e2e":
        net = e2e.E2EVarNet(c.cascades, c.width, c.levels, c.sens_width, c.sens_levels)
        weights.load_weights(net, found.weights.params)
        batch = {k: torch.from_numpy(v) for k, v in found.inputs.items()}
        with torch.no_grad():
            return losses.e2e_predict(net, batch).numpy()[:, None]
    qsm = found.task == "qsm"
    net = nets.QSMnet(c.width, c.levels, c.window) if qsm else unet.UNet2d(3, c.width, c.levels)
    weights.load_weights(net, *found.weights)
    (image,) = (torch.from_numpy(v) for v in plain.inputs(found).values())
    with torch.no_grad():
        if not qsm:
            return losses.breast_predict(net.eval(), image).numpy()
        constants = nets.QsmConstants(None, **found.constants["normalisation"])
        return losses.qsm_predict(net.eval(), image, constants).numpy()


@pytest.mark.parametrize("task", TASKS)
def test_the_copy_computes_what_the_twin_and_jax_do(task, networks):
    found = networks[task]
    copy = applied(plain.of(found).network(), plain.inputs(found))
    close(copy, twin_output(found))
    close(copy, plain.output(found))


@pytest.mark.parametrize("task", TASKS)
def test_state_dict_loads_without_mrjax(task, networks, tmp_path):
    found = networks[task]
    path = tmp_path / "out"
    folder.write(path, state_dict.files(found, ASKED))
    np.savez(tmp_path / "in.npz", **plain.inputs(found))
    page = (path / "README.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    rest = f"""
import numpy, sys
with numpy.load({str(tmp_path / "in.npz")!r}) as file:
    given = [torch.from_numpy(file[name]) for name in file.files]
with torch.no_grad():
    numpy.save({str(tmp_path / "out.npy")!r}, network(*given).numpy())
assert not {{"mrjax", "jax"}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code + rest], cwd=path, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    close(np.load(tmp_path / "out.npy"), plain.output(found))


def test_equal_networks_give_equal_bytes(networks):
    for module in (state_dict, monai):
        assert module.files(networks["qsm"], ASKED) == module.files(networks["qsm"], ASKED)


def test_constants_are_in_the_state(networks):
    found = networks["qsm"]
    content = state_dict.files(found, ASKED)[state_dict.WEIGHTS]
    state = torch.load(io.BytesIO(content), weights_only=True)
    assert {k: float(v) for k, v in state.items() if k.startswith(("field", "chi"))} == {
        k: float(np.float32(v)) for k, v in found.constants["normalisation"].items()
    }


@pytest.fixture
def bundle(request, networks, tmp_path, monkeypatch):
    """Folder of a task's bundle, whose scripts can be imported."""
    path = tmp_path / "bundle"
    folder.write(path, monai.files(networks[request.param], ASKED))
    monkeypatch.syspath_prepend(str(path))
    for name in ("scripts", "scripts.network"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield path
    for name in ("scripts", "scripts.network"):
        sys.modules.pop(name, None)


def monai_bundle():
    if importlib.util.find_spec("monai") is None:
        pytest.skip("MONAI is not installed (monai-package)")
    import monai.bundle

    return monai.bundle


@OF_MONAI
@pytest.mark.parametrize("bundle", TASKS, indirect=True)
def test_monai_finds_the_bundle_right(bundle):
    """The schema is ours, from MONAI's documentation: MONAI's own is on a network."""
    pytest.importorskip("jsonschema")
    tool = monai_bundle()
    files = {"meta_file": str(bundle / "configs/metadata.json")}
    tool.verify_metadata(**files, filepath=str(SCHEMA))
    files["config_file"] = str(bundle / "configs/inference.json")
    tool.verify_net_in_out("network_def", **files, device="cpu", n=9)


@OF_MONAI
@pytest.mark.parametrize("bundle", ["breast"], indirect=True)
def test_metadata_that_lack_a_key_are_found_wrong(bundle, tmp_path):
    pytest.importorskip("jsonschema")
    content = json.loads((bundle / "configs/metadata.json").read_text())
    del content["network_data_format"]["inputs"]["image"]["is_patch_data"]
    (tmp_path / "wrong.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="Failed validating"):
        monai_bundle().verify_metadata(str(tmp_path / "wrong.json"), filepath=str(SCHEMA))


@OF_MONAI
@pytest.mark.parametrize("bundle", TASKS, indirect=True)
def test_monai_runs_the_bundle(bundle, tmp_path):
    output = tmp_path / "output.npy"
    monai_bundle().run(
        config_file=str(bundle / "configs/inference.json"),
        meta_file=str(bundle / "configs/metadata.json"),
        bundle_root=str(bundle),
        output=str(output),
    )
    close(np.load(output), np.load(bundle / "docs/test_output.npy"))
