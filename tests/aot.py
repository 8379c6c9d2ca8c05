"""Compile a function for GPUs on a machine that has none, and read what came out.

XLA compiles for a described device (tests/gpu_targets.py) as long as the CUDA plugin of jax's
version is importable (extra ``aot``; the plugin stays out of the main environment, where
``MRJAX_AOT`` names a folder that holds it). The work is done in a process of its own: flags are
read once per process, and the plugin must not be seen by the other tests.

What this cannot show: which cuDNN engine or cuBLASLt algorithm runs (they are chosen by timing on
a device; the compiled call has ``algo_id`` -1), and anything that happens at run time.

Run by hand: ``python tests/aot.py OUT BUILD/h100 BUILD/h200``, BUILD being ``module:function`` or
``file.py:function``, a function without arguments that returns ``(function, arguments)``;
arguments are arrays or ``jax.ShapeDtypeStruct`` in any tree. OUT receives a folder BUILD/GPU for
each.
"""

import dataclasses
import functools
import gc
import importlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from gpu_targets import GPUS
from helpers import ROOT

KERNELS = {"xla_gpu_enable_llvm_module_compilation_parallelism": True}
"""What XLA's cache of kernels needs besides a file."""


@dataclasses.dataclass(frozen=True)
class Compiled:
    """What XLA made for a GPU: optimised HLO, PTX of its own kernels, and what it took it for.

    Kernels of one build that several GPUs have are compiled once, for the first of them; so the PTX
    is that of the build for all GPUs that it was compiled for.
    """

    hlo: str
    ptx: str
    gpu: str


def plugin_path() -> str | None:
    """Folder to add to the import path so that the CUDA plugin is found; "" if none is needed."""
    if importlib.util.find_spec("jax_cuda13_plugin"):
        return ""
    folder = os.environ.get("MRJAX_AOT", "")
    return folder if folder and Path(folder, "jax_cuda13_plugin").is_dir() else None


def child(*arguments: str, xla_flags: str = "") -> str:
    """What a Python process that can import the CUDA plugin prints; skips without the plugin.

    Args:
        *arguments: of the interpreter.
        xla_flags: value of ``XLA_FLAGS``, for example a level's.
    """
    path = plugin_path()
    if path is None:
        pytest.skip("jax_cuda13_plugin is not importable: install extra aot, or set MRJAX_AOT")
    search = [str(ROOT), str(ROOT / "tests"), *([path] if path else [])]
    env = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1", "XLA_FLAGS": xla_flags}
    env["PYTHONPATH"] = os.pathsep.join(search)
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise AssertionError(f"{command} failed:\n{done.stderr[-4000:]}")
    return done.stdout


def compile_all(
    wanted: Iterable[tuple[str, str]], out: Path, *, xla_flags: str = ""
) -> dict[tuple[str, str], Compiled]:
    """Compile what builds return, each for a GPU; skips where the plugin is absent.

    One process for all: importing and tracing cost as much as compiling a small step.

    Args:
        wanted: (``module:function`` or ``file.py:function``, key of `gpu_targets.GPUS`), see the
            module's docstring.
        out: empty folder for the dumps.
        xla_flags: more XLA flags, for example a level's.
    """
    wanted = list(wanted)
    print(child(__file__, str(out), *map("/".join, wanted), xla_flags=xla_flags))
    return {(build, gpu): read(out / folder(build), gpu) for build, gpu in wanted}


def folder(build: str) -> str:
    """Name of the folder for XLA's dumps: in it, one folder for each GPU."""
    return build.rsplit(":", 1)[1]


def read(dumps: Path, gpu: str) -> Compiled:
    """The dumps of one compilation, with the kernels of the same build for other GPUs."""

    def text(pattern: str) -> str:
        found = sorted(dumps.glob(pattern))
        assert found, f"XLA left no {pattern} in {dumps}: a search in it could not fail"
        return "\n".join(file.read_text() for file in found)

    return Compiled(
        hlo=text(f"{gpu}/*_gpu_after_optimizations.txt"),
        ptx=text("*/*.ptx"),
        gpu=text(f"{gpu}/*.gpu_target_config.pbtxt"),
    )


@functools.cache
def load(build: str):
    """What the function that ``build`` names returns, its function under `jax.jit`."""
    place, name = build.rsplit(":", 1)
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location("built", place)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    import jax

    function, arguments = getattr(module, name)()
    return jax.jit(function), arguments


def place(gpu: str):
    """The described GPU as a sharding, which a ``jax.ShapeDtypeStruct`` takes."""
    import jax
    from jax.experimental import topologies

    topology = topologies.get_topology_desc(
        platform="cuda", target_config=GPUS[gpu].config(), topology="1x1x1"
    )
    return jax.sharding.SingleDeviceSharding(topology.devices[0])


def main(out: str, *wanted: str) -> None:
    """The child process: compile each build for its GPU, with a folder for XLA's dumps."""
    import jax

    gc.freeze()
    gc.set_threshold(100_000)  # else a tenth of the time goes into looking for cycles
    for build, gpu in (words.rsplit("/", 1) for words in wanted):
        start, cpu, sharding = time.monotonic(), time.process_time(), place(gpu)
        function, arguments = load(build)
        on_gpu = jax.tree.map(
            lambda leaf, at=sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=at),
            arguments,
        )
        dumps = Path(out, folder(build))
        dumps.mkdir(parents=True, exist_ok=True)
        options = {"xla_dump_to": str(dumps / gpu), "xla_dump_emitter_re": "ptx"}
        options |= KERNELS | {"xla_gpu_kernel_cache_file": str(dumps / "kernels")}
        function.lower(*on_gpu).compile(compiler_options=options)
        seconds, cpu = time.monotonic() - start, time.process_time() - cpu
        print(f"{build} for {gpu}: {seconds:.1f} s, {cpu:.1f} s of CPU time", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
