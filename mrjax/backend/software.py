"""Installed and loaded software, found by public means; the same facts for every framework."""

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
    """Return the versions of packages by name; None for a package that is not installed."""
    return {name: _version(name) for name in packages}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def cuda() -> dict[str, Any]:
    """Return the driver, the CUDA libraries loaded into this process and the CUDA packages.

    The file name of a system library holds its version. The file name of a packaged library holds
    only a part of it, but the package's version is complete.

    Returns:
        `driver`, `libraries` and `packages` as JSON values; None for a fact that this system does
        not provide.
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
    """Return the file names of the CUDA libraries in the memory map of a process."""
    if maps is None:
        return None
    names = {line.rpartition("/")[2] for line in maps.splitlines()}
    return sorted(name for name in names if _LIBRARY.fullmatch(name))


def _packages() -> dict[str, str]:
    """Return installed CUDA packages; of two with one name, the one that would be imported."""
    found: dict[str, str] = {}
    for package in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", package.name or "").lower()  # None for a damaged folder
        if _PACKAGE.fullmatch(name):
            found.setdefault(name, package.version)
    return dict(sorted(found.items()))
