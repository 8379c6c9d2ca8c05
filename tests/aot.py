"""Compile a function for an H200 on a machine without a GPU, and read what came out.

XLA compiles for a described device (``TARGET`` below) as long as the CUDA plugin of jax's version
is importable (extra ``aot``; the plugin stays out of the main environment, where ``MRJAX_AOT``
names a folder that holds it). The work is done in a process of its own: the dump flags are read
once per process, and the plugin must not be seen by the other tests.

What this cannot show: which cuDNN engine or cuBLASLt algorithm runs (they are chosen by timing on
a device; the compiled call has ``algo_id`` -1), and anything that happens at run time.

Run by hand: ``python tests/aot.py BUILD OUT TARGET``, BUILD being ``module:function`` or
``file.py:function``, a function without arguments that returns ``(function, arguments)``;
arguments are arrays or ``jax.ShapeDtypeStruct`` in any tree.
"""

import dataclasses
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT, shared

TARGET = "reference/h200.txtpb"
DUMP = "--xla_dump_emitter_re=ptx"


@dataclasses.dataclass(frozen=True)
class Compiled:
    """What XLA made for the H200: optimised HLO and, for its own kernels, PTX."""

    hlo: str
    ptx: str


def plugin_path() -> str | None:
    """Folder to add to the import path so that the CUDA plugin is found; "" if none is needed."""
    if importlib.util.find_spec("jax_cuda13_plugin"):
        return ""
    folder = os.environ.get("MRJAX_AOT", "")
    return folder if folder and Path(folder, "jax_cuda13_plugin").is_dir() else None


def compile_for_h200(
    build: str, out: Path, *, xla_flags: str = "", environ: dict[str, str] | None = None
) -> Compiled:
    """Compile what ``build`` returns for an H200; skips where plugin or description are absent.

    Args:
        build: ``module:function`` or ``file.py:function``, see the module's docstring.
        out: empty folder for the dumps.
        xla_flags: more XLA flags, for example a level's.
        environ: more environment variables.
    """
    path = plugin_path()
    if path is None:
        pytest.skip("jax_cuda13_plugin is not importable: install extra aot, or set MRJAX_AOT")
    search = [str(ROOT), str(ROOT / "tests"), *([path] if path else [])]
    env = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"} | (environ or {})
    env["PYTHONPATH"] = os.pathsep.join(search)
    env["XLA_FLAGS"] = f"--xla_dump_to={out} {DUMP} {xla_flags}".strip()
    command = [sys.executable, __file__, build, str(out), str(shared(TARGET))]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise AssertionError(f"{build} does not compile for the H200:\n{done.stderr[-4000:]}")
    ptx = "\n".join(file.read_text() for file in sorted(out.glob("*.ptx")))
    return Compiled(hlo=(out / "optimised.hlo").read_text(), ptx=ptx)


def load(build: str):
    """The function that ``build`` names."""
    place, name = build.rsplit(":", 1)
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location("built", place)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    return getattr(module, name)


def main(build: str, out: str, target: str) -> None:
    """The child process: compile, and leave the optimised HLO beside XLA's dumps."""
    import jax
    from jax.experimental import topologies

    description = Path(target).read_text()
    topology = topologies.get_topology_desc(
        platform="cuda", target_config=description, topology="1x1x1"
    )
    place = jax.sharding.SingleDeviceSharding(topology.devices[0])
    function, arguments = load(build)()
    arguments = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), arguments
    )
    compiled = jax.jit(function).lower(*arguments).compile()
    Path(out, "optimised.hlo").write_text(compiled.as_text())


if __name__ == "__main__":
    main(*sys.argv[1:])
