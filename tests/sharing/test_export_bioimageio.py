"""bioimage.io models, tested by bioimageio.core."""

import importlib.util
import warnings

import made_runs
import numpy as np
import pytest
from small_networks import TASKS

pytest.importorskip("torch")
if importlib.util.find_spec("bioimageio") is None:
    pytest.skip("bioimageio.core is not installed (bioimageio-package)", allow_module_level=True)

from mrjax.sharing.export import bioimageio, folder, trained
from mrjax.sharing.export.about import Asked


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Task -> folder of its model."""
    made = {}
    for task in TASKS:
        run = made_runs.make(task, tmp_path_factory.mktemp(task) / "run")
        made[task] = run.with_name("model")
        asked = Asked(author="A. Author", licence="CC-BY-4.0")
        folder.write(made[task], bioimageio.files(trained.read(run), asked))
    return made


def summary_of(path):
    """The summary of ``bioimageio test``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package and of what it imports
        from bioimageio.core import test_description

        return test_description(path / "rdf.yaml", devices=["cpu"])


@pytest.mark.parametrize("task", TASKS)
def test_the_model_passes(task, models):
    summary = summary_of(models[task])
    assert summary.status == "passed", summary.format()


def test_a_wrong_output_is_noticed(models, tmp_path):
    path = tmp_path / "model"
    folder.write(path, {f.name: f.read_bytes() for f in models["breast"].iterdir()})
    expected = np.load(path / "test_output.npy")
    np.save(path / "test_output.npy", expected + np.float32(1e-3))
    text = (path / "rdf.yaml").read_text()
    lines = [line for line in text.splitlines() if "sha256" not in line]
    (path / "rdf.yaml").write_text("\n".join(lines))
    assert summary_of(path).status != "passed"
