"""StableHLO programs, run by a script that imports jax and numpy alone."""

import json
import runpy
import subprocess
import sys

import made_runs
import numpy as np
import pytest
from experiments_helpers import environment
from small_networks import TASKS

from mrjax.errors import UserError
from mrjax.sharing.export import example, folder, trained
from mrjax.sharing.export.about import Asked

pytest.importorskip("flatbuffers", reason="flatbuffers is not installed (share-extra)")
from mrjax.sharing.export import stablehlo

SIZE = {"qsm": (8, 10, 12), "breast": (8, 12), "varnet": (2, 16, 18), "e2e": (2, 32, 36)}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """(task, arithmetic) -> network."""
    made = {}

    def get(task: str, numerics: str) -> trained.Trained:
        if (task, numerics) not in made:
            path = tmp_path_factory.mktemp("runs") / "run"
            made[task, numerics] = trained.read(made_runs.make(task, path, numerics=numerics))
        return made[task, numerics]

    return get


def exported(found, path, size=()):
    files = stablehlo.files(found, Asked(size))
    folder.write(path, files)
    return path


def run(path, *words: str) -> int:
    """What the script of the folder returns, in this process."""
    return runpy.run_path(str(path / "run.py"))["main"](words)


KINDS = [(task, numerics) for task in TASKS for numerics in ("native", "reproducible")]
KINDS.remove(("e2e", "reproducible"))  # the compiler takes minutes for two platforms


@pytest.mark.parametrize(("task", "numerics"), KINDS)
def test_given_size_has_the_bits_of_the_run(task, numerics, networks, tmp_path, capsys):
    path = exported(networks(task, numerics), tmp_path / "out", SIZE[task])
    assert run(path) == 0
    assert capsys.readouterr().out == "equal bits\n"
    about = json.loads((path / "network.json").read_text())
    assert about["platforms"] == ["cpu", "cuda"]
    content = (path / "network.stablehlo").read_bytes()
    assert b"/work/" not in content and str(tmp_path).encode() not in content


@pytest.mark.parametrize("task", ["qsm", "breast"])
def test_any_size_in_order_free_arithmetic(task, networks, tmp_path):
    found = networks(task, "reproducible")
    path = exported(found, tmp_path / "out")
    assert run(path) == 0
    about = json.loads((path / "network.json").read_text())
    # Of the forms without a choice by size, only a CPU's is exact.
    assert about["platforms"] == ["cpu"]
    ((name, described),) = about["inputs"].items()
    assert described["shape"][:2] == ["b", f"{found.config.multiple}*x"]
    # Another size and a batch of two, which the program was not made with.
    inputs = example.draw(task, found.config, found.constants, SIZE[task])
    both = {name: np.concatenate([inputs[name], 2 * inputs[name]])}
    np.savez(tmp_path / "in.npz", **both)
    assert run(path, str(tmp_path / "in.npz"), str(tmp_path / "out.npy")) == 0
    built = stablehlo._function(found, found.config, ["cpu"])(stablehlo._weights(found), both)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), np.asarray(built))


def test_a_changed_weight_is_noticed(networks, tmp_path, capsys):
    path = exported(networks("varnet", "native"), tmp_path / "out")
    with np.load(path / "weights.npz") as file:
        weights = dict(file)
    weights["params/stage0/data_weight"] = weights["params/stage0/data_weight"] * 1.5
    np.savez(path / "weights.npz", **weights)
    assert run(path) == 1
    assert "differs by at most" in capsys.readouterr().out


def test_the_script_imports_nothing_of_mrjax(networks, tmp_path):
    path = exported(networks("breast", "native"), tmp_path / "out")
    code = (
        "import runpy, sys; assert runpy.run_path('run.py')['main']([]) == 0; "
        "print(sorted({'mrjax', 'flax', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=path,
        env={**environment(anew=True), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout == "equal bits\n[]\n", done.stderr


def test_equal_networks_give_equal_bytes(networks):
    found = networks("varnet", "native")
    assert stablehlo.files(found, Asked()) == stablehlo.files(found, Asked())


@pytest.mark.parametrize("size", [(15, 16), (16,), (0, 16, 16)])
def test_a_size_that_does_not_suit_is_refused(size, networks):
    with pytest.raises(UserError, match=r"--size=.* expected 2 lengths, those in space divisible"):
        stablehlo.files(networks("breast", "native"), Asked(size))


def test_a_size_beyond_all_memory_is_refused(networks):
    with pytest.raises(UserError, match="--size=4000000,4000000 does not fit into memory"):
        stablehlo.files(networks("breast", "native"), Asked((4_000_000, 4_000_000)))
