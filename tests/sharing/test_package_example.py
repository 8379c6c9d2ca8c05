"""How the test output of a package is made."""

import json
import shutil
from pathlib import Path

import pytest
from packages_here import OLDER

from mrjax.errors import RunFailed
from mrjax.runs import atomic
from mrjax.sharing import package
from mrjax.sharing.package import example


def test_the_test_output_is_made_under_the_variables_of_the_training(tmp_path, monkeypatch):
    """A verification applies the network under them, too."""
    run, seen = Path(shutil.copytree(OLDER, tmp_path / "run")), {}
    own = {"OMP_NUM_THREADS": "3", "XLA_FLAGS": "--xla_dump_to=/x --xla_a=1 --xla_cpu_max_isa=AVX2"}
    record = json.loads((run / "environment.json").read_bytes())
    atomic.write_json(run / "environment.json", record | {"variables": own})
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MKL_NUM_THREADS", "7")

    def ended(command, environ):
        seen.update(environ)
        return example.children.Ended(1, "error: enough", None)

    monkeypatch.setattr(example.children, "run", ended)
    with pytest.raises(RunFailed, match="enough"):
        package.write(run, tmp_path / "package")
    assert (seen["OMP_NUM_THREADS"], seen["XLA_FLAGS"]) == ("3", "--xla_a=1")
    assert "MKL_NUM_THREADS" not in seen and not (tmp_path / "package").exists()
