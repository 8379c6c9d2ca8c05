"""What is installed and what is loaded, by public means: the same facts in every framework."""

import importlib.metadata
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_DRIVER = Path("/proc/driver/nvidia/version")
_MAPS = Path("/proc/self/maps")
_LIBRARY = re.compile(r"lib(cuda|cudart|cublas|cublasLt|cudnn|cufft)\.so[.\d]*")
_PACKAGE = re.compile(r"(nvidia|jax-cuda).*|triton")


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Versions of installed packages by name; None for one that is absent."""
    return {name: _version(name) for name in packages}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def cuda() -> dict[str, Any]:
    """Driver, CUDA libraries loaded into this process, CUDA packages installed; as JSON values.

    A library of the system bears its version in the name of its file. That of a package bears
    only a part of it, and the package has the whole.

    Returns:
        `driver`, `libraries`, `packages`; None for what this system does not tell.
    """
    driver = _read(_DRIVER)
    return {
        "driver": driver and driver.splitlines()[0],
        "libraries": _loaded(_read(_MAPS)),
        "packages": _packages(),
    }


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _loaded(maps: str | None) -> list[str] | None:
    """File names of the CUDA libraries in the memory map of a process."""
    if maps is None:
        return None
    names = {line.rpartition("/")[2] for line in maps.splitlines()}
    return sorted(name for name in names if _LIBRARY.fullmatch(name))


def _packages() -> dict[str, str]:
    """Installed packages of CUDA; of two with one name, the one that is imported."""
    found: dict[str, str] = {}
    for package in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", package.name or "").lower()  # None: its folder is damaged
        if _PACKAGE.fullmatch(name):
            found.setdefault(name, package.version)
    return dict(sorted(found.items()))
