"""`python -m experiments.network`: networks in and out, bit for bit."""

import numpy as np
import pytest
from experiments_helpers import refused, result
from helpers import draw, shared
from programs_here import here

torch = pytest.importorskip("torch", reason="needs torch")

from mrjax.pytorch import public_varnet  # noqa: E402


def write_network(path, window=(3, 3), width=2, nodes=5) -> None:
    """A network of two stages in the public form."""
    shapes = {"kernel": (*window, 2, width), "rbf": (width, nodes), "data_weight": ()}
    rng = np.random.default_rng(0)
    public_varnet.write_state_dict(
        path,
        {
            f"stage{i}/{name}": np.asarray(draw(rng, shape), np.float32)
            for i in range(2)
            for name, shape in shapes.items()
        },
    )


def test_advice_names_every_size_that_is_not_the_presets(tmp_path):
    write_network(tmp_path / "small.pth")
    run = tmp_path / "run"
    told = here("network", f"--import_varnet={tmp_path / 'small.pth'}", f"--workdir={run}").stdout
    advice = told.splitlines()[-1].split(" with ")[1].split()
    assert set(advice[1:-2]) == {"--width=2", "--stages=2", "--window=3", "--nodes=5"}
    sizes = "--rows=20 --columns=24 --coils=2 --acs_lines=6 --n_test=1 --platform=cpu".split()
    here("varnet", *advice, *sizes, f"--workdir={tmp_path / 'w'}")
    for bad in (tmp_path, tmp_path / ("x" * 300), "/dev/null/copy.h5", tmp_path / "none" / "f"):
        exported = here("network", f"--export_varnet={bad}", f"--from_run={run}", check=False)
        refused(exported, str(bad), "cannot be written")


@pytest.mark.parametrize("window", [(4, 4), (3, 5)])
def test_filters_our_network_cannot_have_are_refused(window, tmp_path):
    write_network(tmp_path / "odd.pth", window)
    flags = (f"--import_varnet={tmp_path / 'odd.pth'}", f"--workdir={tmp_path / 'run'}")
    refused(here("network", *flags, check=False), f"{window[0]} x {window[1]}", "odd")
    assert not (tmp_path / "run").exists()


def test_import_and_export_are_inverse(tmp_path):
    source = shared("reference/varnet_coronal_pd_fs.h5")
    run, copy = tmp_path / "run", tmp_path / "copy.h5"
    told = here("network", f"--import_varnet={source}", f"--workdir={run}").stdout
    assert "10 stages of 48 filters" in told
    assert f"--preset=paper --width=48 --steps=0 --from_run={run}" in told
    assert result(run)["experiment"] == "varnet"
    here("network", f"--export_varnet={copy}", f"--from_run={run}")
    ours, theirs = (torch.load(p, weights_only=True) for p in (copy, source))
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(ours[name].numpy(), tensor.numpy())


def test_an_imported_network_reconstructs(tmp_path):
    run = tmp_path / "run"
    here(
        "network",
        f"--import_varnet={shared('reference/varnet_coronal_pd_fs.h5')}",
        f"--workdir={run}",
    )
    sizes = "--rows=40 --columns=44 --coils=2 --acs_lines=12 --n_test=1 --platform=cpu".split()
    flags = ("--preset=paper", "--steps=0", f"--from_run={run}", f"--workdir={tmp_path / 'w'}")
    here("varnet", *flags, "--width=48", *sizes)
    assert result(tmp_path / "w")["digests"]["params"] == result(run)["digests"]["params"]
    other = f"--workdir={tmp_path / 'other'}"
    refused(here("varnet", *flags, *sizes, other, check=False), "--width=48")
