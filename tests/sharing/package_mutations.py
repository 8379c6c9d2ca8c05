"""Damaged and forged packages by the thousand; ``python tests/sharing/package_mutations.py 10000``.

A mutation changes the files of a package in one of the ways of `WAYS`. A forger also writes a new
manifest for what he has changed; then the package may be read, but never under the old digest.
"""

import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "sharing")]

from packages_here import OLDER, files_of, put, quick  # noqa: E402

from mrjax.errors import UserError  # noqa: E402
from mrjax.runs.package import content, layout  # noqa: E402
from mrjax.sharing import package  # noqa: E402

Files = dict[str, bytes]
LONGEST = 5.0
"""Seconds that reading a tiny package may take at most."""
JSONS = (layout.CONFIG, layout.ENVIRONMENT, layout.MANIFEST, layout.LEDGER)
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 1e308, "", "x", "../../etc/passwd", "\ud7ff\x00", "9" * 5000, [], {},
    [[]], {"": {}}, [None] * 100, float("nan"), "a\nb", [1e400],
)  # fmt: skip
NAMES = (
    "x",
    "readme.md",
    "MANIFEST.JSON",
    "test/x",
    "model.bin",
    ".git",
    "a b",
    "é",
    "manifest.sig2",
)


def flip(files: Files, rng: random.Random) -> None:
    name = rng.choice(sorted(files))
    content = bytearray(files[name])
    for _ in range(rng.choice((1, 1, 1, 8, 64)) if content else 0):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    files[name] = bytes(content)


def flip_a_header(files: Files, rng: random.Random) -> None:
    """The head of a file of arrays declares their sizes."""
    name = rng.choice([n for n in sorted(files) if n.endswith(".safetensors")])
    content = bytearray(files[name])
    for _ in range(rng.choice((1, 2, 4))):
        content[rng.randrange(min(len(content), 200))] = rng.randrange(256)
    files[name] = bytes(content)


def truncate(files: Files, rng: random.Random) -> None:
    name = rng.choice(sorted(files))
    files[name] = files[name][: rng.randrange(len(files[name]) + 1)]


def lengthen(files: Files, rng: random.Random) -> None:
    name = rng.choice(sorted(files))
    files[name] += rng.randbytes(rng.choice((1, 8, 1000)))


def swap(files: Files, rng: random.Random) -> None:
    a, b = rng.sample(sorted(files), 2)
    files[a], files[b] = files[b], files[a]


def remove(files: Files, rng: random.Random) -> None:
    for name in rng.sample(sorted(files), rng.choice((1, 1, 2, 5))):
        del files[name]


def add(files: Files, rng: random.Random) -> None:
    files[rng.choice(NAMES)] = rng.randbytes(rng.choice((0, 10)))


def noise(files: Files, rng: random.Random) -> None:
    files[rng.choice(sorted(files))] = rng.randbytes(rng.choice((0, 1, 8, 100, 5000)))


def change_a_field(files: Files, rng: random.Random) -> None:
    """Another value, another name, a lost or a doubled field of one of the JSON files."""
    name = rng.choice(JSONS)
    lines = files[name].splitlines() if name == layout.LEDGER else [files[name]]
    place = rng.randrange(len(lines))
    whole = json.loads(lines[place])
    holder, key = rng.choice(list(_places(whole)))
    how = rng.randrange(4)
    if how == 0 or not isinstance(holder, dict):
        holder[key] = rng.choice(ODD)
    elif how == 1:
        del holder[key]
    elif how == 2:
        holder[rng.choice(("x", "", "__class__", "schema_version"))] = rng.choice(ODD)
    else:
        other = rng.choice(list(holder))
        holder[key], holder[other] = holder[other], holder[key]
    lines[place] = _spelt(name, whole, rng)
    files[name] = b"\n".join(lines) + b"\n" if name == layout.LEDGER else lines[0]


def _spelt(name: str, whole: Any, rng: random.Random) -> bytes:
    """As mrjax spells this file, or in another way."""
    kind = {layout.MANIFEST: {"separators": (",", ":")}, layout.LEDGER: {"separators": (",", ":")}}
    spelling = {"sort_keys": name != layout.LEDGER} | kind.get(name, {"indent": 1})
    if rng.random() < 0.1:
        spelling = {}
    end = "\n" if "indent" in spelling else ""
    return (json.dumps(whole, **spelling) + end).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every entry of every object and list."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in list(entries):
        yield value, key
        if isinstance(one, dict | list):
            yield from _places(one)


WAYS: tuple[Callable[[Files, random.Random], None], ...] = (
    flip, flip_a_header, truncate, lengthen, swap, remove, add, noise, change_a_field,
    change_a_field, change_a_field,
)  # fmt: skip


def mutated(whole: Files, rng: random.Random) -> tuple[Files, str]:
    """A package that differs from `whole`, and what was done to it."""
    while True:
        files, done = dict(whole), []
        for _ in range(rng.choice((1, 1, 1, 2))):
            way = rng.choice(WAYS)
            # What the first change has left may be nothing that the second can change.
            with contextlib.suppress(KeyError, ValueError, IndexError):
                way(files, rng)
                done.append(way.__name__)
        forged = rng.random() < 0.5 and files.get(layout.MANIFEST) == whole[layout.MANIFEST]
        if forged:
            listed = {name: files[name] for name in files if name != layout.MANIFEST}
            files[layout.MANIFEST] = content.manifest_of(listed)
            done.append("forged")
        if files != whole:
            return files, ", ".join(done)


def outcome(folder: Path, digest: str) -> str:
    """What `read` makes of a package; AssertionError where it is wrong."""
    begun = time.monotonic()
    try:
        found = package.read(folder)
    except UserError as error:
        said = str(error)
        assert "\n" not in said and len(said) < 2000, said
        said = "refused"
    else:
        assert found.digest != digest, "accepted as intact"
        said = "read as another package"
    assert time.monotonic() - begun < LONGEST, "took too long"
    return said


def run(count: int, folder: Path, seed: int = 0) -> Counter[str]:
    """Read mutated packages.

    Args:
        count: of packages.
        folder: empty, to write to.
        seed: of the mutations.

    Returns:
        Outcome -> number of packages.
    """
    digest = quick(OLDER, folder / "whole").digest
    whole, rng = files_of(folder / "whole"), random.Random(seed)
    outcomes: Counter[str] = Counter()
    for number in range(count):
        files, done = mutated(whole, rng)
        try:
            outcomes[outcome(put(folder / "mutated", files), digest)] += 1
        except Exception as error:
            raise AssertionError(f"mutation {number} of seed {seed}: {done}") from error
    return outcomes


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        begun = time.monotonic()
        found = run(int(sys.argv[1]), Path(name))
        print(dict(found), f"{time.monotonic() - begun:.0f} s")
