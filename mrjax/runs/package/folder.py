"""Read a folder that a stranger made: ordinary files of known names and bounded sizes only.

Nothing is followed (no symbolic link, no second name of a file), nothing is waited for (no pipe),
and no more is read than a file may have. What is checked and what is used are the same bytes.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mrjax.errors import UserError
from mrjax.runs.package.layout import (
    FILES,
    LARGEST_MANIFEST,
    LARGEST_SIGNATURE,
    LIMITS,
    MANIFEST,
    SIGNATURE,
    TEST,
    TOP,
)

ADVICE = "get the package again from its maker"
_SAFE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def refusal(where: Path | str, wrong: str, expected: str, advice: str = ADVICE) -> UserError:
    """The one line that refuses a package; odd characters of names are spelt out."""
    line = f"{where} {wrong}; expected {expected}; {advice}"
    return UserError("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line))


def read_all(folder: Path) -> tuple[bytes, dict[str, bytes]]:
    """Read the manifest and all files that a package has.

    Args:
        folder: the package.

    Returns:
        The manifest, and name -> bytes of every file in `FILES`.

    Raises:
        UserError: a file is missing, is none of a package, is no ordinary file or is too large.
    """
    with _failures(folder), _opened(folder) as top:
        _check_names(folder, top, TOP, {SIGNATURE})
        with _opened(TEST, top, folder / TEST) as test:
            names = {name.removeprefix(f"{TEST}/") for name in FILES if name.startswith(TEST)}
            _check_names(folder / TEST, test, frozenset(names), set())
            manifest = _read(folder, top, MANIFEST, LARGEST_MANIFEST)
            places = {name: test if name.startswith(f"{TEST}/") else top for name in FILES}
            return manifest, {
                name: _read(folder, places[name], name, LIMITS[name]) for name in FILES
            }


def read_signature(folder: Path) -> bytes | None:
    """Read the signature of a package; None if it has none.

    Raises:
        UserError: it is no ordinary file, or too large.
    """
    with _failures(folder), _opened(folder) as top:
        with os.scandir(top) as entries:
            if all(entry.name != SIGNATURE for entry in entries):
                return None
        return _read(folder, top, SIGNATURE, LARGEST_SIGNATURE)


@contextlib.contextmanager
def _failures(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or "not a path"
        name = getattr(error, "filename", None)
        where = f"{folder}, {name}," if isinstance(name, str) else folder
        raise refusal(where, f"cannot be read ({reason})", "a package") from error


@contextlib.contextmanager
def _opened(
    path: Path | str, inside: int | None = None, shown: Path | None = None
) -> Iterator[int]:
    """Give the descriptor of a folder; one inside a package must not be a link."""
    follow = 0 if inside is None else os.O_NOFOLLOW
    try:
        descriptor = os.open(
            path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | follow, dir_fd=inside
        )
    except NotADirectoryError as error:
        raise refusal(shown or path, "is no folder", "the folder of a package") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check_names(folder: Path, descriptor: int, needed: frozenset[str], allowed: set[str]) -> None:
    """Refuse a folder that lacks a name or has another one; a million names are not read."""
    found = set()
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if entry.name not in needed | allowed:
                raise refusal(
                    folder,
                    f"holds {_shown(entry.name)}, which is none of a package",
                    f"only {', '.join(sorted(needed | allowed))}",
                    "remove it, or get the package again from its maker",
                )
            found.add(entry.name)
    if needed - found:
        raise refusal(folder, f"lacks {min(needed - found)}", "all files of a package")


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 60 else f"{name[:60]}...")


def _read(folder: Path, place: int, name: str, limit: int) -> bytes:
    """Read a file whose size is known to be allowed before the first byte is read."""
    leaf, where = name.rpartition("/")[2], folder / name
    before = os.stat(leaf, dir_fd=place, follow_symlinks=False)
    if not stat.S_ISREG(before.st_mode):
        raise refusal(where, "is a link, a pipe or a device", "an ordinary file")
    descriptor = os.open(leaf, _SAFE, dir_fd=place)
    try:
        status = os.fstat(descriptor)
        _check(where, status, limit)
        content = _bytes(descriptor, status.st_size)
    finally:
        os.close(descriptor)
    if len(content) != status.st_size:
        raise refusal(where, "changed while it was read", "a file at rest")
    return content


def _check(where: Path, status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise refusal(where, "is a link, a pipe or a device", "an ordinary file")
    if status.st_nlink != 1:
        raise refusal(
            where, f"has {status.st_nlink} names (hard links)", "one name", "copy the package"
        )
    if status.st_size > limit:
        raise refusal(where, f"has {status.st_size} bytes", f"at most {limit}")


def _bytes(descriptor: int, size: int) -> bytes:
    """Read `size` bytes, or one more if the file has grown; one piece is not copied."""
    pieces, missing = [], size + 1
    while missing:
        piece = os.read(descriptor, missing)
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
