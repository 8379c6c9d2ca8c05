"""Files of a folder: links are followed, names that begin with a dot are no data."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from mrjax.data.intake import Intake
from mrjax.errors import UserError


def below(
    folder: Path,
    suffixes: Sequence[str],
    intake: Intake | None = None,
    spared: Callable[[Path], bool] = lambda _: False,
) -> list[Path]:
    """All files below a folder whose names end so, by path.

    Tools of a Mac leave a `._name` beside every file, and version control a `.git`: whatever
    begins with a dot is passed by, folders too. A folder that several links lead to is read once,
    by the first of their names.

    Args:
        folder: searched with all its subfolders.
        suffixes: ends of names, in any case (`.NII.GZ`).
        intake: the run's account, which is told of links to folders that are read by other names
            and of spared links.
        spared: whether a file can be done without, so that a link to it that leads nowhere is
            passed by.

    Returns:
        The files, sorted.

    Raises:
        UserError: a folder that cannot be read, or a link that leads nowhere and whose name ends
            so.
    """
    found: list[Path] = []
    seen = {os.path.realpath(folder)}
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        new = [n for n in sorted(folders) if n[0] != "." and _is_new(place, n, folder, seen)]
        for name in folders:
            if name[0] != "." and name not in new and intake is not None:
                link = Path(place, name).relative_to(folder).as_posix()
                intake.note("links to folders that are read by another name", link)
        folders[:] = new
        for path in _ending(Path(place), names, suffixes):
            if _is_broken(path) and spared(path):
                if intake is not None:
                    link = path.relative_to(folder).as_posix()
                    intake.note("links that lead nowhere and are passed by", link)
            else:
                found += _checked(path)
    return sorted(found)


def inside(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """As :func:`below`, of the folder itself only."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 names, not paths
    except OSError as error:
        _refuse(error)
    return sorted(file for path in _ending(folder, names, suffixes) for file in _checked(path))


def _refuse(error: OSError) -> NoReturn:
    raise UserError(
        f"the folder {error.filename} cannot be read ({error.strerror}); expected one whose files "
        "may be listed; change its permissions, or move it out of --data_dir"
    ) from error


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


def _ending(place: Path, names: Sequence[str], suffixes: Sequence[str]) -> list[Path]:
    ends = tuple(suffix.lower() for suffix in suffixes)
    return [place / n for n in sorted(names) if n[0] != "." and n.lower().endswith(ends)]


def _is_broken(path: Path) -> bool:
    return path.is_symlink() and not os.path.exists(path)  # noqa: PTH110 Path's raises for loops


def _checked(path: Path) -> list[Path]:
    """The path if it is a file; UserError for a link that leads nowhere."""
    if _is_broken(path):
        raise UserError(
            f"{path} is a link to {path.readlink()}, which is not there; expected a file; "
            "correct the link or remove it"
        )
    return [path] if path.is_file() else []
