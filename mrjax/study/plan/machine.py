"""What the machine at hand can run, found out without starting a framework."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mrjax.study.plan.sources import flag_name

_ISA = {"SSE4_2": "sse4_2", "AVX": "avx", "AVX2": "avx2", "AVX512": "avx512f"}
_PLUGINS = ("jax-cuda13-plugin", "jax-cuda12-plugin")


@dataclass(frozen=True)
class Machine:
    """What a plan needs to know of a machine.

    Attributes:
        gpus: identifiers of the GPUs that may be used, as in CUDA_VISIBLE_DEVICES.
        gpu_software: whether JAX could use them.
        cpu_features: as Linux names them; empty where it does not say.
        packages: those installed here, of all that an arm may need beside mrjax.
    """

    gpus: tuple[str, ...]
    gpu_software: bool
    cpu_features: frozenset[str]
    packages: frozenset[str]


def here() -> Machine:
    """The machine this process runs on."""
    return Machine(
        gpus=visible_gpus(),
        gpu_software=any(_installed(name) for name in _PLUGINS),
        cpu_features=_cpu_features(),
        packages=frozenset(name for name in ("torch",) if _importable(name)),
    )


def visible_gpus() -> tuple[str, ...]:
    """GPUs this process may use: those of CUDA_VISIBLE_DEVICES, or all that Linux shows."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = sorted((p.name for p in Path("/dev").glob("nvidia[0-9]*")), key=lambda n: (len(n), n))
    if not found or given is None:
        return tuple(str(i) for i in range(len(found)))
    return tuple(name for name in re.split(r"\s*,\s*", given.strip()) if name not in ("", "-1"))


def _importable(package: str) -> bool:
    """Whether there is such a package; a mere folder of its name, say of outputs, is none."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _cpu_features() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return frozenset(found[1].split() if found else ())


def problem(
    machine: Machine, flags: Sequence[str], platform: str, python: str, *, torch: bool = False
) -> str:
    """Why an arm cannot run on a machine; "" if it can.

    Args:
        machine: where it would run.
        flags: of its runs.
        platform: "cpu" or "gpu".
        python: its interpreter, "" for the present one.
        torch: whether it runs in PyTorch. Packages are only looked for where the interpreter is
            the present one.
    """
    if python and shutil.which(python) is None:
        return f"no interpreter {python} here"
    if torch and not python and "torch" not in machine.packages:
        return 'PyTorch is not installed: pip install "mrjax[torch]"'
    values = {flag_name(flag): flag.partition("=")[2] for flag in flags}
    if platform == "gpu":
        return _gpu_problem(machine, values, torch)
    feature = _ISA.get(values.get("xla_cpu_isa", ""))
    if feature and not torch and feature not in machine.cpu_features:
        return f"the CPU here has no {values['xla_cpu_isa']}"
    return ""


def _gpu_problem(machine: Machine, values: dict[str, str], torch: bool) -> str:
    if not machine.gpus:
        return "needs a GPU, and there is none here"
    if not machine.gpu_software and not torch:  # PyTorch brings CUDA with it
        return 'needs JAX\'s CUDA plugin: pip install "mrjax[cuda]"'
    needed = [values.get("device_index", "0"), values.get("devices", "1")]
    last = sum(int(number) for number in needed if number.isdigit())
    if last > len(machine.gpus):
        return f"needs {last} GPUs, and this machine has {len(machine.gpus)}"
    return ""
