"""Files of a folder: links are followed, names that begin with a dot are no data."""

import os
from collections.abc import Sequence
from pathlib import Path

from mrjax.errors import UserError


def below(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """All files below a folder whose names end so, by path.

    Tools of a Mac leave a `._name` beside every file, and version control a `.git`: whatever
    begins with a dot is passed by, folders too. A folder that several links lead to is read once.

    Args:
        folder: searched with all its subfolders.
        suffixes: ends of names, in any case (`.NII.GZ`).

    Returns:
        The files, sorted.

    Raises:
        UserError: a link that leads nowhere and whose name ends so.
    """
    found: list[Path] = []
    seen = {os.path.realpath(folder)}
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(n for n in folders if n[0] != "." and _is_new(place, n, folder, seen))
        found += _chosen(Path(place), names, suffixes)
    return sorted(found)


def inside(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """As :func:`below`, of the folder itself only."""
    return sorted(_chosen(folder, os.listdir(folder), suffixes))  # noqa: PTH208 names, not paths


def _is_new(place: str, name: str, root: Path, seen: set[str]) -> bool:
    """Whether a folder was not read yet and will not be by its own name, being a link into root."""
    path = Path(place, name)
    real = os.path.realpath(path)
    inner = os.path.relpath(real, os.path.realpath(root))
    if path.is_symlink() and not inner.startswith(".") and "/." not in inner:
        return False
    new = real not in seen
    seen.add(real)
    return new


def _chosen(place: Path, names: Sequence[str], suffixes: Sequence[str]) -> list[Path]:
    ends = tuple(suffix.lower() for suffix in suffixes)
    chosen = [place / n for n in names if n[0] != "." and n.lower().endswith(ends)]
    for path in chosen:
        if path.is_symlink() and not path.exists():
            raise UserError(
                f"{path} is a link to {path.readlink()}, which is not there; expected a file; "
                "correct the link or remove it"
            )
    return [path for path in chosen if path.is_file()]
