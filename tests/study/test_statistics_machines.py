"""Statistics have the same bits on every machine: reports of the same runs are the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NUMBERS = """
import numpy as np
from mrjax.study.statistics import images, spread
rng = np.random.default_rng(0)
a, b = rng.normal(size=(2, 50, 7))
print([spread.pitman_morgan(x, y) for x, y in zip(a, b)])
weights = [{"w": rng.normal(size=999).astype(np.float32)} for _ in range(2)]
print(images.weights(*weights))
"""
BLAS = "import numpy as np; x = np.random.default_rng(0).normal(size=(99, 99)); print(x[0] @ x.T)"


def said(program: str, **environ: str) -> str:
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.run(
        [sys.executable, "-c", f"import numpy as np; np.set_printoptions(precision=17)\n{program}"],
        env=os.environ | environ | {"PYTHONPATH": root},
        capture_output=True,
        check=True,
        text=True,
    ).stdout


def test_sums_do_not_depend_on_the_blas():
    old = {"OPENBLAS_CORETYPE": "Nehalem"}
    if said(BLAS) == said(BLAS, **old):
        pytest.skip("the BLAS here computes the same on an old CPU")
    assert said(NUMBERS) == said(NUMBERS, **old)
