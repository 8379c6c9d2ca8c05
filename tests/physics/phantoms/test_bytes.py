"""Bytes of phantoms, and of what is computed from them, are equal under all CPU settings."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# float64, because the rounding of a subject to float32 would hide a last bit that differs.
PROGRAMS = {
    "brain": """
from mrjax.physics.dipole import field_host
from mrjax.physics.inversion import l2, tkd
from mrjax.physics.phantoms.brain import brain, draw
chi = draw(keys.stream(3, "data", 5), (24, 26, 22), (1.0, 1.1, 1.0)).chi
s = brain(3, 4, 5, (24, 26, 22), (1.0, 1.1, 1.0), (0.0, 0.6, 0.8))
arrays = s.field, s.chi, s.mask, chi, field_host(chi), tkd(s.field, s.mask), l2(s.field, s.mask)
""",
    "knee": """
from mrjax.physics import coils, sampling
from mrjax.physics.phantoms.knee import draw, knee
image, maps = draw(keys.stream(3, "data", 5), (40, 36), 5)
s = knee(3, 4, 5, (40, 36), 5)
arrays = [s.kspace, s.maps, s.reference, image, maps, coils.images(s.kspace)]
arrays += [coils.combine(maps, maps), coils.from_acs(s.kspace, 12), coils._virtual_coil(maps)]
arrays += [sampling.crop_readout(s.kspace)]
arrays += [sampling.mask(p, 3, 5, 36, 3, 6) for p in ("regular", "random")]
""",
    "breast": """
from mrjax.physics.phantoms.breast import breast, draw
drawn = draw(keys.stream(3, "data", 5), (26, 24, 5))
p = breast(3, 4, 5, (26, 24, 5))
arrays = drawn.signal, drawn.mask, drawn.behind, p.signal, p.mask, np.array(p.voxel_size)
""",
}
FRAME = """
import hashlib
import json
import numpy as np
from mrjax import keys
def digest(arrays):
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()
found = {{}}
for name, program in {programs!r}.items():
    names = dict(globals())
    exec(program, names)
    found[name] = digest(names["arrays"])
x = (np.arange(1 << 16) % 7919 / 7919.0 - 0.5).reshape(256, 256)
plain = [np.exp(x), np.sin(x), x @ x.T @ x, x @ x[:, 0], np.exp(x.astype(np.float32))]
plain += [np.abs(x + 1j * x.T), (x + 1j * x.T) * (x.T + 1j * x)]
found["plain numpy"] = digest(plain)
print(json.dumps(found))
"""
OLDER = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
    "JAX_THREEFRY_PARTITIONABLE": "0",
}


def digests(**variables: str) -> dict[str, str]:
    """Digest of each phantom, and of what plain numpy computes, in a process of its own."""
    environ = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)} | variables
    command = [sys.executable, "-W", "ignore", "-c", FRAME.format(programs=PROGRAMS)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def dispatched() -> str:
    """CPU features by which numpy chooses code on this machine."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name))


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return digests()


@pytest.fixture(scope="module")
def variants() -> list[dict[str, str]]:
    return [
        digests(NPY_DISABLE_CPU_FEATURES=dispatched(), OPENBLAS_NUM_THREADS="1"),
        digests(OPENBLAS_CORETYPE="Prescott", JAX_ENABLE_X64="0", **OLDER),
    ]


@pytest.mark.parametrize("name", PROGRAMS)
def test_bytes_do_not_depend_on_cpu_features_blas_or_threads(name, reference, variants):
    assert [found[name] for found in variants] == [reference[name]] * len(variants)


def test_exponentials_sines_and_products_of_numpy_do(reference, variants):
    """Positive control."""
    assert all(found["plain numpy"] != reference["plain numpy"] for found in variants)


def test_bytes_do_not_depend_on_a_newer_blas_kernel(reference):
    found = digests(OPENBLAS_CORETYPE="Haswell", **OLDER)
    assert {name: found[name] for name in PROGRAMS} == {n: reference[n] for n in PROGRAMS}
