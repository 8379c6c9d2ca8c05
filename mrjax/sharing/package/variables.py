"""The environment under which the network of a package computes: for its maker and its readers.

A package comes from a stranger. Nothing in it may decide which program runs, which file is written
or which library is loaded, so only variables known to change numbers are taken from it, and only
with values that cannot be a path. The test output in a package is made under the same variables.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mrjax
from mrjax.backend import flagtext
from mrjax.backend.levels import OWNED
from mrjax.runs import environment

ROOT = Path(mrjax.__file__).resolve().parents[1]
"""Folder of mrjax and experiments, which a child is to import."""

NAMES = (
    "XLA_FLAGS", "NPROC", "PJRT_NPROC", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "MKL_CBWR",
    "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "NVIDIA_TF32_OVERRIDE",
    "CUBLAS_WORKSPACE_CONFIG",
)  # fmt: skip
"""Variables that are taken from a package: they choose how numbers are computed, nothing else."""
_HARMLESS = re.compile(r"[\w:;,.=+ -]*")


def environ(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of a process that computes as the package's training did.

    Variables that can change numbers are those of the package, if they are among `NAMES` and
    harmless; this machine's are left out.

    Args:
        record: content of ``environment.json`` of the package.
    """
    here = environment.restored({}, os.environ)
    recorded = record.get("variables")
    recorded = recorded if isinstance(recorded, dict) else {}
    for name in NAMES:
        value = recorded.get(name)
        if isinstance(value, str) and _HARMLESS.fullmatch(value):
            here[name] = _not_of_settings(value) if name == "XLA_FLAGS" else value
    if not here.get("XLA_FLAGS", "unset"):
        del here["XLA_FLAGS"]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**here, "PYTHONPATH": os.pathsep.join(paths)}


def _not_of_settings(text: str) -> str:
    """Return the XLA flags that the user gave: the recorded text has those of settings as well.

    A process with other settings, as the test input is made with, would refuse the latter.
    """
    if not text.strip().startswith("--"):
        return ""  # XLA would read a file of this name
    flags = flagtext.parse(text)
    return flagtext.appended("", {name: flags[name] for name in flags if name not in OWNED})
