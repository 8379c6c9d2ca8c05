"""`python -m experiments.network`: networks in and out, bit for bit."""

import numpy as np
import pytest
from experiments_helpers import call, refused, result
from helpers import shared

torch = pytest.importorskip("torch", reason="needs torch")


def test_import_and_export_are_inverse(tmp_path):
    source = shared("reference/varnet_coronal_pd_fs.h5")
    run, copy = tmp_path / "run", tmp_path / "copy.h5"
    told = call("network", f"--import_varnet={source}", f"--workdir={run}").stdout
    assert "10 stages of 48 filters" in told
    assert result(run)["experiment"] == "varnet"
    call("network", f"--export_varnet={copy}", f"--from_run={run}")
    ours, theirs = (torch.load(p, weights_only=True) for p in (copy, source))
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(ours[name].numpy(), tensor.numpy())


def test_an_imported_network_reconstructs(tmp_path):
    run = tmp_path / "run"
    call(
        "network",
        f"--import_varnet={shared('reference/varnet_coronal_pd_fs.h5')}",
        f"--workdir={run}",
    )
    sizes = "--rows=40 --columns=44 --coils=2 --acs_lines=12 --n_test=1 --platform=cpu".split()
    flags = ("--preset=paper", "--steps=0", f"--from_run={run}", f"--workdir={tmp_path / 'w'}")
    call("varnet", *flags, "--width=48", *sizes)
    assert result(tmp_path / "w")["digests"]["params"] == result(run)["digests"]["params"]
    other = f"--workdir={tmp_path / 'other'}"
    refused(call("varnet", *flags, *sizes, other, check=False), "--width=48")


@pytest.mark.parametrize(
    "flags, words",
    [
        ([], ["--import_varnet", "--export_varnet"]),
        (["--import_varnet=/nowhere"], ["--workdir"]),
        (["--import_varnet=/nowhere", "--workdir=w"], ["/nowhere"]),
        (["--export_varnet=f", "--from_run=/nowhere"], ["/nowhere"]),
        (["--wrong"], ["wrong"]),
    ],
)
def test_mistakes_end_in_one_line(flags, words):
    refused(call("network", *flags, check=False), *words)
