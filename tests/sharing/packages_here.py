"""Packages for tests: made in milliseconds, because no network is applied to a test input."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from mrjax.sharing import package
from mrjax.sharing.package import example
from mrjax.tasks import registry
from mrjax.tasks.package import layout, tensors

OLDER = Path(__file__).parents[1] / "data" / "run_3fc6757" / "baseline" / "000"
"""A run of the variational network by older code: without packages, without domain."""


def stand_in(run: Path, record: Mapping[str, Any], task: str = "varnet") -> dict[str, bytes]:
    """Test input and output of the right names, without a network."""
    rng = np.random.default_rng(0)
    names = registry.TASKS[task].inputs
    values = {name: rng.standard_normal((1, 2, 3)).astype("f4") for name in names}
    output = {layout.OUTPUT: np.ones((1, 2), np.complex64)}
    return {layout.TEST_INPUT: tensors.dump(values), layout.TEST_OUTPUT: tensors.dump(output)}


def quick(run: Path, output: Path, key: Path | None = None) -> package.Package:
    """Make a package with a stand-in for the test input and output."""
    with mock.patch.object(example, "made", stand_in):
        return package.write(run, output, sign_key=key)


def files_of(folder: Path) -> dict[str, bytes]:
    """Name -> content of every file."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
