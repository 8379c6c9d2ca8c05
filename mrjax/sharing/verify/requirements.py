"""The software of a package as a requirements file for pip, with exact versions."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrjax.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"(\d[A-Za-z0-9.!_-]*)(\+[A-Za-z0-9._-]+)?")
_PYTHON = re.compile(r"\d+\.\d+[A-Za-z0-9.+]*")
_OURS = "mrjax"
_SECONDS = 900


def pins(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return name -> exact version of every package of an environment but mrjax itself.

    A version's local part (``+cpu``) names a build that an index of its own serves; pip is asked
    for the version without this part.

    Args:
        environment: content of ``environment.json``.

    Raises:
        UserError: no packages are recorded, or an entry is no name and version.
    """
    found = environment.get("packages")
    if not isinstance(found, dict) or not found:
        raise UserError(
            "environment.json has no packages; expected the name and version of each; make the "
            "package again from a run of this version of mrjax"
        )
    wanted = {}
    for name, version in found.items():
        known = _VERSION.fullmatch(str(version))
        if known is None or not _NAME.fullmatch(name):
            raise UserError(
                f"environment.json, packages: {name!r} {version!r} is no package with a version; "
                "expected such as numpy 2.1.0; get the package anew"
            )
        if normal(name) != _OURS:
            wanted[normal(name)] = known[1]
    return dict(sorted(wanted.items()))


def normal(name: str) -> str:
    """Return the name of a package as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def text(environment: Mapping[str, Any], digest: str, hashes: Mapping[str, list[str]]) -> str:
    """Return the requirements file.

    Args:
        environment: content of ``environment.json``.
        digest: digest of the package.
        hashes: package -> sha256 of its files, in hex; empty for a file without hashes.
    """
    pinned = pins(environment)
    lines = _head(environment, digest, bool(hashes))
    for name, version in pinned.items():
        marks = "".join(f" \\\n    --hash=sha256:{one}" for one in hashes.get(name, ()))
        lines.append(f"{name}=={version}{marks}")
    return "\n".join(lines) + "\n"


def _head(environment: Mapping[str, Any], digest: str, hashed: bool) -> list[str]:
    local = [
        f"{normal(name)} {version}"
        for name, version in environment["packages"].items()
        if "+" in str(version) and normal(name) != _OURS
    ]
    python = str(environment.get("python"))
    if not _PYTHON.fullmatch(python):  # a line break would smuggle a requirement in
        raise UserError(
            f"environment.json, python: {python!r} is no version of Python; expected such as "
            "3.11.7; get the package anew"
        )
    minor = ".".join(python.split(".")[:2])
    file = "FILE --require-hashes" if hashed else "FILE"
    builds = [f"# Builds that were used: {', '.join(local)}; other indexes may have them."] * bool(
        local
    )
    return [
        f"# Software of the package {digest}",
        f"# Python {python}; then: python{minor} -m venv .venv && .venv/bin/pip install --no-deps "
        f"-r {file}",
        *_code(environment.get("code", {})),
        *builds,
    ]


def _code(state: Any) -> list[str]:
    """Say how mrjax itself is had."""
    commit = str(state.get("commit", "")) if isinstance(state, dict) else ""
    sources = str(state.get("sources", "")) if isinstance(state, dict) else ""
    sources = sources[:16] if re.fullmatch("[0-9a-f]{64}", sources) else "not recorded"
    if not re.fullmatch("[0-9a-f]{40,64}", commit):
        return [
            f"# mrjax itself: no commit is recorded, only the digest of its sources, {sources}; "
            "ask whoever made the package"
        ]
    changed = " with changes that no commit holds" if state.get("diff") else ""
    return [
        f"# mrjax itself: commit {commit}{changed} (digest of its sources {sources});",
        f"# in a clone of mrjax: git checkout {commit} && .venv/bin/pip install --no-deps -e .",
    ]


def hashes(pinned: Mapping[str, str]) -> dict[str, list[str]]:
    """Ask pip for the sha256 of the files that it would install on this machine.

    Args:
        pinned: name -> version.

    Returns:
        name -> hashes of the file that pip would take here.

    Raises:
        UserError: pip cannot find all packages, or cannot reach a registry.
    """
    with tempfile.TemporaryDirectory(prefix="mrjax-environment-") as folder:
        wanted, report = Path(folder, "wanted.txt"), Path(folder, "report.json")
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in pinned.items()))
        command = [
            *(sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"),
            *("--no-deps", "--quiet", "--no-input", "--disable-pip-version-check"),
            *("--report", str(report), "-r", str(wanted)),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
            said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            content = json.loads(report.read_text()) if done.returncode == 0 else {}
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            said, content = str(error), {}
    found = {
        normal(one["metadata"]["name"]): _sha256(one.get("download_info", {}))
        for one in content.get("install", [])
    }
    missing = [name for name in pinned if not found.get(name)]
    if missing:
        raise UserError(
            f"pip gives no hash of {missing[0]} ({said}); expected one for each of the "
            f"{len(pinned)} packages; drop --hashes, or use a Python {sys.version_info[0]} with "
            "pip that reaches a registry"
        )
    return found


def _sha256(download: Mapping[str, Any]) -> list[str]:
    archive = download.get("archive_info", {})
    found = archive.get("hashes", {}).get("sha256") or archive.get("hash", "").partition("=")[2]
    return [found] if re.fullmatch("[0-9a-f]{64}", str(found)) else []
