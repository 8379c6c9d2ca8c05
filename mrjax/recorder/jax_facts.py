"""What the environment of a training loop in JAX is: software, devices, settings, generators."""

import hashlib
import os
import random
import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mrjax.backend import levels, software, startup
from mrjax.errors import UserError
from mrjax.runs import code, environment

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "equinox", "numpy")
_SETTINGS = {
    "matmul_precision": "default_matmul_precision",
    "x64": "enable_x64",
    "threefry_partitionable": "threefry_partitionable",
    "prng_impl": "default_prng_impl",
    "debug_nans": "debug_nans",
    "disable_jit": "disable_jit",
    "compilation_cache": "compilation_cache_dir",
}
"""Entry of the record -> setting of JAX."""
_DETERMINISTIC = ("xla_gpu_deterministic_ops", "xla_gpu_exclude_nondeterministic_ops")


def capture(arrays: Iterable[Any]) -> dict[str, Any]:
    """Describe this process, its script, and the devices on which arrays are.

    Args:
        arrays: those of the network.

    Returns:
        The content of ``environment.json``.
    """
    script = Path(sys.argv[0] if sys.argv else "").resolve()
    found = environment.capture(_backend(arrays), script.parent)
    return {**found, "code": code.script(script)}


def lasting(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return what of an environment should not change when a run is resumed."""
    left_out = ("start", "resumed_with", "system")
    kept = {name: value for name, value in recorded.items() if name not in left_out}
    backend = {n: v for n, v in recorded["backend"].items() if n not in ("notes", "seeds")}
    return {**kept, "backend": backend}


def random_states() -> dict[str, str]:
    """Return a 64-bit digest of the state of each global generator of random numbers.

    JAX has none: its keys are arrays of the training.
    """
    _, words, *rest = np.random.get_state()  # noqa: NPY002 - other people's scripts use it
    states = {"python": repr(random.getstate()).encode()}
    states["numpy"] = np.asarray(words).tobytes() + repr(rest).encode()
    return {name: hashlib.sha256(state).hexdigest()[:16] for name, state in states.items()}


def memory() -> int | None:
    """Return the peak memory [byte]: of the process on a CPU, else of the fullest device."""
    if jax.default_backend() == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in jax.devices()]
    return max((peak for peak in peaks if peak is not None), default=None)


def _backend(arrays: Iterable[Any]) -> dict[str, Any]:
    devices = _devices(arrays)
    seen, notes = _flags()
    platform = devices[0].platform
    gpu = {"platform_version": devices[0].client.platform_version} | software.cuda()
    return {
        "framework": "jax",
        "platform": platform,
        "device_kind": devices[0].device_kind,
        "device_count": len(devices),
        "level": _level(platform, seen or {}),
        "versions": software.versions(_PACKAGES),
        "gpu": gpu if platform == "gpu" else None,
        "variables": {"XLA_FLAGS": os.environ.get("XLA_FLAGS")},
        "xla_flags_seen": None if seen is None else [f"--{n}={v}" for n, v in seen.items()],
        **{name: getattr(jax.config, f"jax_{setting}") for name, setting in _SETTINGS.items()},
        "seeds": {"states": random_states()},
        "notes": notes,
    }


def _devices(arrays: Iterable[Any]) -> list[Any]:
    found = {one for leaf in arrays if isinstance(leaf, jax.Array) for one in leaf.devices()}
    return sorted(found, key=lambda device: device.id) or jax.devices()[:1]


def _flags() -> tuple[dict[str, str] | None, list[str]]:
    """Return the options that XLA has, and a note where it does not tell them."""
    try:
        return startup.read_flags_back(), []
    except UserError as error:
        return None, [str(error)]


def _level(platform: str, seen: dict[str, str]) -> str:
    """Return what the options promise: on a CPU nothing, as they are all of GPUs."""
    strict = platform == "gpu" and all(seen.get(name) == "true" for name in _DETERMINISTIC)
    return levels.RUN_TO_RUN if strict else levels.NOT_GUARANTEED
