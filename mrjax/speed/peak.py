"""The rate of large matrix products: hardly any training step on the same device is faster."""

import statistics
import time
from collections.abc import Callable
from typing import Any

EDGE = {"gpu": 8192, "cpu": 1024}
"""Edge of the square matrices by platform."""

_NUMBERS = {
    "float32": ("float32", "highest"),
    "tf32": ("float32", "default"),
    "bfloat16": ("bfloat16", "default"),
    "float64": ("float64", "highest"),
}
"""Name -> type of the matrices and precision; a CPU has no tf32 and uses float32 instead."""


def measure(platform: str, rounds: int) -> dict[str, float]:
    """Time square matrix products in JAX.

    Args:
        platform: ``cpu`` or ``gpu``.
        rounds: number of timed products of each type.

    Returns:
        Floating-point operations per second in units of 10^12, by type of numbers, from medians.
    """
    return {name: _rate(EDGE[platform], rounds, *kind) for name, kind in _NUMBERS.items()}


def _rate(edge: int, rounds: int, dtype: str, precision: Any) -> float:
    import jax
    import jax.numpy as jnp

    bits = jax.random.bits(jax.random.key(0, impl="threefry2x32"), (edge, edge), "uint16")
    matrix = (bits.astype("float32") / 2**16 - 0.5).astype(dtype)
    multiply = jax.jit(lambda a: jnp.matmul(a, a, precision=precision))
    return 2 * edge**3 / _median(lambda: multiply(matrix).block_until_ready(), rounds) / 1e12


def _median(action: Callable[[], Any], rounds: int) -> float:
    """Return the median time of an action [s], after three calls to warm up."""
    seconds = []
    for _ in range(rounds + 3):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[3:])
