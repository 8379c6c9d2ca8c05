"""Compiled programs that runs of a study take from runs before them, instead of compiling again.

The store is JAX's persistent compilation cache. A stored program is the machine code that a run
would have made itself, as long as the same software compiles for the same processor and the same
number of threads; so each such machine has a folder of its own. On a GPU nothing is stored: there
a stored program would keep what the autotuner of one run has chosen, and the choice is a source of
variation that studies measure. Where the processor is not known, nothing is stored either.
"""

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrjax.backend import software
from mrjax.config import COMPILED

_PACKAGES = ("jax", "jaxlib", "flax", "numpy")
_VARIABLES = ("NPROC", "PJRT_NPROC", "XLA_FLAGS")
_ZLIB = 0x78  # the first byte of such a stream
_PROCESSOR = (
    "flags", "Features", "model name", "cpu family", "model", "stepping", "CPU implementer",
    "CPU part",
)  # fmt: skip


def share(environ: Mapping[str, str], platform: str) -> None:
    """Let JAX take compiled programs from the store and add those that it lacks.

    Args:
        environ: the environment; without `mrjax.config.COMPILED` in it nothing changes.
        platform: of the devices, "cpu" or "gpu".
    """
    store = environ.get(COMPILED, "")
    part = key(environ) if store and platform == "cpu" else ""
    if not part:
        return
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    folder = Path(store) / part
    _drop_damaged(folder)
    settings: dict[str, Any] = {
        "jax_enable_compilation_cache": True,
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # at its first compilation JAX decided that there is no store


def used(environ: Mapping[str, str]) -> str:
    """Return where JAX takes compiled programs from, for the record.

    Returns:
        ``compiled/KEY`` for the store of a study, else the folder that JAX has, or "off".
    """
    import jax

    settings: Any = jax.config
    folder = settings.jax_compilation_cache_dir
    if not folder or not settings.jax_enable_compilation_cache:
        return "off"
    store, path = environ.get(COMPILED, ""), Path(folder)
    shared = store and path.parent == Path(store)
    return str(path.relative_to(path.parents[1])) if shared else folder


def key(environ: Mapping[str, str]) -> str:
    """Return the name of this machine's part of a store: a digest of what programs depend on.

    Returns:
        "" if the processor is not known.
    """
    processor = _processor()
    if not processor:
        return ""
    known = hasattr(os, "sched_getaffinity")
    facts = {
        "versions": software.versions(_PACKAGES),
        "variables": {name: environ.get(name) for name in _VARIABLES},
        "cores": len(os.sched_getaffinity(0)) if known else os.cpu_count(),
        "processor": processor,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _processor() -> list[str]:
    """Return model and features of the processors; each different line once."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return sorted({line for line in lines if line.partition(":")[0].strip() in _PROCESSOR})


def _drop_damaged(folder: Path) -> None:
    """Delete programs that are not whole, since JAX never writes anew what is there.

    A run that is killed while it stores a program leaves a part of it. JAX notices that, too, and
    compiles, but would in every run. Its files are streams of zlib, which hold a checksum; those of
    another kind are left to JAX.
    """
    for path in folder.glob("*-cache"):
        with contextlib.suppress(OSError):  # another run deleted it first
            content = path.read_bytes()
            if content and content[0] != _ZLIB:
                continue
            try:
                zlib.decompress(content)
            except zlib.error:
                path.unlink()
