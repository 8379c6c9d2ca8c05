"""Properties of an interpreter: versions, numpy's kernels, a GPU."""

import dataclasses
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import mrjax
from mrjax.errors import UserError

ROOT = Path(mrjax.__file__).resolve().parents[1]
"""Folder of the packages mrjax and experiments, which other interpreters are to import too."""

SECONDS = 120
_QUESTION = """
import json, sys
import jax, numpy
from numpy._core import _multiarray_umath as kernels
import mrjax
found = [name for name in kernels.__cpu_dispatch__ if kernels.__cpu_features__.get(name)]
print(json.dumps({
    "version": sys.version.split()[0],
    "jax": jax.__version__,
    "numpy": numpy.__version__,
    "kernels": " ".join(found),
    "gpu": any(device.platform == "gpu" for device in jax.devices()),
}))
"""
# Variables that may change bits; the conditions set them.
_OURS = ("XLA_", "JAX_", "NPY_", "OPENBLAS_", "NPROC", "PJRT_NPROC", "PYTHONPATH")


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """A Python that can run mrjax.

    Attributes:
        path: path of the program.
        version: version of Python.
        jax: version of JAX.
        numpy: version of numpy.
        kernels: CPU features that numpy would use beyond its baseline here, separated by blanks.
        gpu: whether JAX finds a GPU.
    """

    path: str
    version: str
    jax: str
    numpy: str
    kernels: str
    gpu: bool

    @property
    def name(self) -> str:
        """Name, which differs for interpreters that a proof can distinguish."""
        return f"py{self.version}-jax{self.jax}-numpy{self.numpy}"


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without variables that change bits; this mrjax will be imported."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_OURS)}
    return {**kept, "PYTHONPATH": str(ROOT)}


def ask(path: str) -> Interpreter:
    """Find out the properties of an interpreter.

    Args:
        path: path of the program.

    Returns:
        The interpreter.

    Raises:
        UserError: the program does not exist, or cannot import mrjax's requirements.
    """
    command = [path, "-c", _QUESTION]
    try:
        done = subprocess.run(
            command, env=clean(os.environ), capture_output=True, text=True, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(
            f"--python={path} does not run ({error}); expected a Python interpreter; correct the "
            "path"
        ) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(
            f"--python={path} lacks requirements of mrjax ({last}); expected an environment with "
            "all of them; install mrjax there"
        )
    return Interpreter(path, **json.loads(done.stdout.splitlines()[-1]))
