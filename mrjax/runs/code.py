"""Which code a run had: a digest of its sources, and the git commit."""

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

_FOLDERS = ("mrjax", "experiments")


def state(root: Path) -> dict[str, str]:
    """Describe the code under `root`.

    Args:
        root: the folder that holds ``mrjax/``: a checkout, or where packages are installed.

    Returns:
        ``sources``: sha256 over path and content of every ``.py`` file of mrjax and experiments,
        which alone decides whether two runs had the same code; ``commit``: that of git, or "";
        ``diff``: sha256 of the changes since that commit, untracked sources included, or "" if
        there are none or there is no git.
    """
    root = Path(root)
    sources = _sources(root)
    # An installed copy inside someone else's repository is not that repository's code.
    tracked = _git(root, "ls-files", "--error-unmatch", "mrjax/__init__.py") is not None
    commit = _git(root, "rev-parse", "HEAD") if tracked else None
    return {
        "sources": _digest(root, sources),
        "commit": commit.decode().strip() if commit else "",
        "diff": _difference(root) if commit else "",
    }


def script(path: Path) -> dict[str, str]:
    """Describe a program that is not mrjax's own, with the entries of `state`.

    Args:
        path: of the program's file; need not exist.

    Returns:
        ``sources``: sha256 of the file, or ""; ``script``: its name; ``commit`` and ``diff`` of the
        git repository that it lies in, or "".
    """
    commit = _git(path.parent, "rev-parse", "HEAD") or b""
    change = _git(path.parent, "diff", "HEAD", "--binary", "--no-ext-diff") if commit else b""
    return {
        "sources": hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        "script": path.name,
        "commit": commit.decode().strip(),
        "diff": hashlib.sha256(change).hexdigest() if change else "",
    }


def _sources(root: Path) -> list[Path]:
    return [path for folder in _FOLDERS for path in (root / folder).rglob("*.py")]


def _difference(root: Path) -> str:
    """Sha256 of the change since HEAD and of the untracked sources; "" if there is neither."""
    change = _git(root, "diff", "HEAD", "--binary", "--no-ext-diff", "--", *_FOLDERS) or b""
    listed = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *_FOLDERS) or b""
    names = [name for name in listed.decode().split("\0") if name.endswith(".py")]
    if not change and not names:
        return ""
    untracked = _digest(root, [root / name for name in names])
    return hashlib.sha256(change + untracked.encode()).hexdigest()


def _digest(root: Path, files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in sorted(files, key=lambda path: path.relative_to(root).as_posix()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(root).as_posix()}\n{content}\n".encode())
    return total.hexdigest()


def _git(root: Path, *arguments: str) -> bytes | None:
    """Output of a git command in `root`; None if it fails or git is missing."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
