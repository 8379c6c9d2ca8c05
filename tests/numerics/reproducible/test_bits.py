"""No instruction set, threads, devices, form of convolution or optimisation changes a bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import experiments_helpers
import pytest
from helpers import ROOT

PROGRAM = Path(__file__).with_name("digests.py")

# Instruction set, threads, devices, form of convolution, whether compiled with all optimisations.
CONDITIONS = [
    ("AVX2", 2, 1, "lax", True),
    ("SSE4_2", 1, 2, "products", True),
    ("AVX", 2, 4, "lax", False),
]


def digests(isa, threads, devices, form, optimised):
    """The output of the program in a process of its own."""
    path = str(ROOT) if optimised else f"{experiments_helpers.environment()['PYTHONPATH']}:{ROOT}"
    flags = f"--xla_cpu_max_isa={isa} --xla_force_host_platform_device_count={devices}"
    environment = {
        **os.environ,
        "XLA_FLAGS": flags,
        "NPROC": str(threads),
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": path,
    }
    command = [sys.executable, str(PROGRAM), str(devices), form]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found():
    return [digests(*condition) for condition in CONDITIONS]


def differing(found, kind):
    """Operations whose digests differ."""
    return {name for name in found[0][kind] if len({run[kind][name] for run in found}) > 1}


def test_every_operation_and_gradient_has_the_same_bits_everywhere(found):
    assert len(found[0]["reproducible"]) > 15
    assert not differing(found, "reproducible")


def test_native_arithmetic_does_not(found):
    assert differing(found, "native") >= {"line", "div_scalar", "sum", "conv", "rbf"}
