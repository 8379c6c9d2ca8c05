"""Initial weights, drawn on the host from integer bits.

Normal draws differ between instruction sets, because the compiler may contract the polynomials of
their logarithms. So the default draw is uniform with He's variance 2 / fan-in: a random integer, a
subtraction and a product, the same bits everywhere. The draw of a leaf depends only on the seed
and the leaf's path, not on data type, arithmetic, device, framework or other leaves.

Source: He et al., ICCV 2015 (the variance).
"""

import hashlib
from collections.abc import Mapping

import jax
import numpy as np

from mrjax import keys
from mrjax.numerics import host

SCHEMES = ("he_uniform", "authors")
RBF_SLOPE = 0.04
_CONSTANTS = {"bias": 0, "scale": 1, "data_weight": 1}


def initialise(
    shapes: Mapping[str, tuple[int, ...]], seed: int, scheme: str = "he_uniform"
) -> dict[str, np.ndarray]:
    """Draw float32 values for every named parameter.

    Args:
        shapes: leaf path, such as ``down0_0/conv/kernel``, to shape; kernels end in (i, o).
        seed: seed of the stream ``init``.
        scheme: ``he_uniform``: kernels are uniform on +-sqrt(6 / fan-in), biases 0.
            ``authors``: the QSMnet authors' rule, kernels from a normal distribution cut at two
            standard deviations, biases from N(0, 1); the bits differ between machines.

    Returns:
        Leaf path -> float32 array; normalisation scales and data weights are 1, activation
        functions are lines of slope 0.04 on [-1, 1].

    Raises:
        ValueError: for an unknown scheme or leaf name.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"unknown initialisation {scheme!r}; one of {SCHEMES}")
    draw = _authors if scheme == "authors" else _he_uniform
    with host.on_cpu():
        return {path: draw(path, shape, _key(seed, path)) for path, shape in sorted(shapes.items())}


def _key(seed: int, path: str) -> jax.Array:
    word = int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "little")
    return keys.stream(seed, "init", word)


def _fan_in(path: str, shape: tuple[int, ...]) -> int:
    """Return how many products one output sums: i times the window; i if transposed."""
    return shape[-2] if path.endswith("transposed_kernel") else int(np.prod(shape[:-1]))


def _is_kernel(path: str) -> bool:
    return path.rsplit("/", 1)[-1] in ("kernel", "transposed_kernel")


def _constant(path: str, shape: tuple[int, ...]) -> np.ndarray:
    leaf = path.rsplit("/", 1)[-1]
    if leaf == "rbf":  # activation functions are linear at first, as in the public VarNet code
        line = RBF_SLOPE * np.linspace(-1.0, 1.0, shape[-1])
        return np.broadcast_to(line, shape).astype(np.float32)
    if leaf not in _CONSTANTS:
        raise ValueError(f"no rule to initialise {path!r}")
    return np.full(shape, _CONSTANTS[leaf], np.float32)


def _he_uniform(path: str, shape: tuple[int, ...], key: jax.Array) -> np.ndarray:
    if not _is_kernel(path):
        return _constant(path, shape)
    integers = host.bits(key, shape) >> np.uint32(8)
    odd = 2.0 * integers.astype(np.float64) + 1.0 - 2.0**24  # symmetric, never 0, exact
    return (odd * 2.0**-24 * np.sqrt(6.0 / _fan_in(path, shape))).astype(np.float32)


def _authors(path: str, shape: tuple[int, ...], key: jax.Array) -> np.ndarray:
    """Draw by the authors' rule.

    Source: SNU-LIST/QSMnet, Code/utils.py (variance_scaling_initializer, random_normal).
    """
    if _is_kernel(path):
        # TensorFlow reads the fan-in of a transposed kernel off its (window, o, i) layout.
        fan = int(np.prod(shape[:-2])) * (shape[-1] if "transposed" in path else shape[-2])
        # The factor 1.3 approximately restores the variance that the cut removes.
        draw = jax.random.truncated_normal(key, -2.0, 2.0, shape, "float32")
        return np.asarray(draw) * np.float32(np.sqrt(1.3 * 2.0 / fan))
    if path.endswith("norm/bias"):
        return _constant(path, shape)
    if path.endswith("bias"):
        return np.asarray(jax.random.normal(key, shape, "float32"))
    return _constant(path, shape)
