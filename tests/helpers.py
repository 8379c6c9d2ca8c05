"""What several tests share."""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
from compiled import quickly

jit_quickly = functools.partial(jax.jit, compiler_options=quickly.options(jax))
"""Compiled without optimisation: for values compared within a tolerance."""

ROOT = Path(__file__).resolve().parents[1]


def shared(path: str) -> Path:
    """Path of a file under ../shared, or a skip with a message where it is absent."""
    found = ROOT.parent / "shared" / path
    if not found.exists():
        pytest.skip(f"needs {found}, which is not on this machine")
    return found


def needs_program(name: str, package: str) -> pytest.MarkDecorator:
    """A mark that skips tests unless a program of a Debian package is installed."""
    reason = f"needs {package}: there is no program {name} on this machine"
    return pytest.mark.skipif(shutil.which(name) is None, reason=reason)


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype=np.float64) -> np.ndarray:
    """Standard normal values; complex dtypes get independent real and imaginary parts."""
    values = rng.standard_normal(shape)
    if np.issubdtype(dtype, np.complexfloating):
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def dot_product_test(
    forward: Callable,
    adjoint: Callable,
    shape_in: tuple[int, ...],
    shape_out: tuple[int, ...],
    rng: np.random.Generator,
    *,
    dtype_in=np.complex128,
    dtype_out=None,
    rtol: float = 1e-10,
) -> None:
    """<A x, y> = <x, A* y> for random x and y: holds for an adjoint pair and for nothing else.

    A real operator is tested with real dtypes: on real spaces only the real part of the inner
    product is defined, and it is what is compared whenever one of the two sides is real.
    """
    dtype_out = dtype_in if dtype_out is None else dtype_out
    x, y = draw(rng, shape_in, dtype_in), draw(rng, shape_out, dtype_out)
    image, back = np.asarray(forward(x)), np.asarray(adjoint(y))
    assert image.shape == tuple(shape_out), f"forward gives {image.shape}, not {shape_out}"
    assert back.shape == tuple(shape_in), f"adjoint gives {back.shape}, not {shape_in}"
    left, right = np.vdot(y, image), np.vdot(back, x)
    if not (np.iscomplexobj(x) and np.iscomplexobj(y)):
        left, right = left.real, right.real
    scale = np.linalg.norm(image) * np.linalg.norm(y) + np.linalg.norm(x) * np.linalg.norm(back)
    assert scale > 0, "both operators gave zero: the test would pass for any pair"
    assert abs(left - right) <= rtol * scale, f"<Ax, y> = {left}, <x, A*y> = {right}"


def isometry_test(
    operator: Callable,
    shape_in: tuple[int, ...],
    rng: np.random.Generator,
    *,
    dtype_in=np.complex128,
    rtol: float = 1e-10,
) -> None:
    """||A x|| = ||x||, and <A x, A y> = <x, y>: angles as well as lengths are kept."""
    x, y = draw(rng, shape_in, dtype_in), draw(rng, shape_in, dtype_in)
    image_x, image_y = np.asarray(operator(x)), np.asarray(operator(y))
    np.testing.assert_allclose(np.linalg.norm(image_x), np.linalg.norm(x), rtol=rtol)
    product = np.vdot(image_x, image_y)
    scale = np.linalg.norm(x) * np.linalg.norm(y)
    assert abs(product - np.vdot(x, y)) <= rtol * scale, "lengths are kept, angles are not"
