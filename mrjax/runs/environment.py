"""``environment.json``: where, and with which software and code, a run was computed.

``README.md`` in this folder lists its fields. A foreign program writes those that it knows;
`differences` compares whatever entries there are by value, and needs no entry in particular.
"""

import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrjax.runs import code

SCHEMA_VERSION = 1

_VARIABLES = re.compile(
    "(XLA|JAX|NVIDIA|CUDA|CUDNN|CUBLAS|OMP|KMP|GOMP|MKL|ONEDNN|DNNL|OPENBLAS|NPY|TORCH|PYTORCH|ATEN"
    "|TORCHINDUCTOR|TRITON)_.*"
    "|TF_(XLA|CUDNN|ENABLE|DISABLE|FORCE|FP16|GPU|CPU)_.*|NPROC|PJRT_NPROC|GLIBC_TUNABLES|PYTHONHASHSEED"
)
_SECRET = re.compile(".*(TOKEN|SECRET|PASSWORD|CREDENTIAL|API_KEY).*")
# Entries that cannot change a number, such as the host, or which of several equal cards was used.
_IMMATERIAL = re.compile(
    r"schema_version|packages\..*|system\.(host|os)|cpu\.logical|code\.(commit|diff)|resumed_with\b.*"
    r"|(backend\.)?variables\.(CUDA_VISIBLE_DEVICES|NVIDIA_VISIBLE_DEVICES|PYTHONHASHSEED|NPROC|PJRT_NPROC"
    r"|TORCHINDUCTOR_CACHE_DIR|TRITON_CACHE_DIR"
    r"|XLA_(PYTHON_)?CLIENT_(PREALLOCATE|MEM_FRACTION))"
    r"|backend\.(.*\.)?(notes|host|pid|time|seconds)|backend\.compilation_cache"
)
# The CPU features, among some hundred, by which numerical code paths are chosen.
_NUMERIC_FEATURE = re.compile("s?sse|avx|fma|f16c|amx|asimd|sve|fphp|bf16|i8mm")
_PLACE = re.compile(r"-*xla_(dump_|gpu_cuda_data_dir=)\S*")


def capture(backend_facts: Mapping[str, Any], code_root: str | os.PathLike[str]) -> dict[str, Any]:
    """Describe this process, machine and code.

    Args:
        backend_facts: what the framework says of itself, as JSON values.
        code_root: the folder that holds ``mrjax/``.

    Returns:
        The content of ``environment.json``.
    """
    found = {
        "schema_version": SCHEMA_VERSION,
        "python": platform.python_version(),
        "system": {
            "os": platform.platform(),
            "host": platform.node(),
            "libc": "-".join(platform.libc_ver()),
        },
        "cpu": _cpu(backend_facts.get("threads")),
        "variables": _variables(os.environ),
        "code": code.state(Path(code_root)),
        "backend": dict(backend_facts),
        "packages": packages(),
    }
    # Bytes of a variable that are no text would make the record one that cannot be read again.
    return json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))


def packages() -> dict[str, str]:
    """Return name -> version of every installed package; of two, the one that is imported."""
    found: dict[str, str] = {}
    for package in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", package.name or "").lower()
        if name and package.version:  # A damaged folder has none.
            found.setdefault(name, package.version)
    return dict(sorted(found.items()))


def restored(record: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with the recorded variables that can change numbers, and no others.

    Args:
        record: content of ``environment.json``.
        environ: the present environment.
    """
    kept = {name: text for name, text in environ.items() if not _VARIABLES.fullmatch(name)}
    return kept | {name: str(text) for name, text in record.get("variables", {}).items()}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """List the differences between two environments that can change numbers.

    These are differences in code, Python, everything that the backend says, the CPU with the
    features by which numerical code paths are chosen, thread count, libc, and variables. Other
    entries are not compared: host name, operating system build, which of several equal cards was
    used, how much of its memory was reserved beforehand, flags that only say where files lie,
    packages beside those whose versions the backend names, where a study keeps the programs that
    its runs compiled, and the commit, as the digest of the sources is compared.

    Args:
        old: the environment recorded.
        new: the present one.

    Returns:
        One phrase for each entry that differs, such as ``backend.versions.jax 0.10.1 there, 0.10.2
        here``.
    """
    there, here = _flat(old), _flat(new)
    names = sorted(there.keys() | here.keys(), key=lambda name: (name not in there, name))
    return [
        _phrase(name, there.get(name), here.get(name), old, new)
        for name in names
        if there.get(name) != here.get(name)
    ]


def _phrase(
    name: str, there: Any, here: Any, old: Mapping[str, Any], new: Mapping[str, Any]
) -> str:
    if name == "code.sources":
        commits = [_commit(environment.get("code", {})) for environment in (old, new)]
        return f"code {commits[0]} there, {commits[1]} here"
    if isinstance(there, frozenset) and isinstance(here, frozenset):
        lost, gained = sorted(there - here), sorted(here - there)
        return f"{name} {_some(lost)} only there, {_some(gained)} only here"
    return f"{name} {_short(there)} there, {_short(here)} here"


def _commit(state: Mapping[str, Any]) -> str:
    name = state.get("commit", "")[:8] or f"sources {state.get('sources', '')[:8]}"
    return name + (f" with changes {state['diff'][:8]}" if state.get("diff") else "")


def _some(words: list[str]) -> str:
    shown = " ".join(words[:4]) or "none"
    return shown + (f" and {len(words) - 4} more" if len(words) > 4 else "")


def _short(value: Any) -> str:
    if isinstance(value, frozenset):
        return _some(sorted(value))
    text = "none" if value is None else str(value).replace("\n", " ")
    return text if len(text) <= 80 else text[:77] + "..."


def _flat(environment: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The entries that are compared, by dotted name, with lists as sets of words."""
    flat: dict[str, Any] = {}
    for key, value in environment.items():
        name = f"{prefix}{key}"
        if _IMMATERIAL.fullmatch(name):
            continue
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{name}."))
        else:
            flat[name] = _comparable(name, value)
    return flat


def _comparable(name: str, value: Any) -> Any:
    if name == "cpu.features":
        return frozenset(word for word in value if _NUMERIC_FEATURE.match(word))
    if name.endswith("variables.XLA_FLAGS") and value:
        value = str(value).split()
    if isinstance(value, list | tuple):
        return frozenset(str(word) for word in value if not _PLACE.match(str(word)))
    return value


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: environ[name]
        for name in sorted(environ)
        if _VARIABLES.fullmatch(name) and not _SECRET.fullmatch(name)
    }


def _cpu(threads: int | None) -> dict[str, Any]:
    """The processor, and the number of threads that the framework has or that XLA would take."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # XLA takes the size of its thread pool from one of these, PJRT_NPROC first.
    given = os.environ.get("PJRT_NPROC") or os.environ.get("NPROC", "")
    return {
        "model": _cpuinfo("model name") or platform.processor(),
        "features": sorted((_cpuinfo("flags") or _cpuinfo("Features")).split()),
        "logical": os.cpu_count(),
        "threads": threads or (int(given) if given.isdigit() else usable or 1),
    }


def _cpuinfo(entry: str) -> str:
    """An entry of the first processor in /proc/cpuinfo; "" if there is no such entry or file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    found = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in found if key.strip() == entry), "")
