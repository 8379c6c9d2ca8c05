"""Whether the elements of a MATLAB file of version 5 to 7 fit each other.

scipy's reader, which is compiled, trusts types and lengths: for some damage it ends the process.
They are checked here before it reads a file.

Source: MathWorks, "MAT-File Format", version 5: tags, array flags, dimensions, names and parts.
"""

import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

Take = Callable[[int], bytes]
"""Number of bytes -> the next bytes of an element; fewer at its end."""

_INT8, _UINT8, _INT32, _UINT32, _MATRIX, _COMPRESSED, _UTF8 = 1, 2, 5, 6, 14, 15, 16
_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
"""Type of the numbers of an element -> bytes a number."""
_CLASSES, _NUMERIC, _OPAQUE = range(1, 18), range(6, 16), 17
_COMPLEX = 1 << 11
_MOST_AXES, _LONGEST_NAME = 32, 4096
_STEP = 2**20


class _Tag(NamedTuple):
    kind: int
    size: int
    content: bytes | None
    """Of an element so short that its tag holds it."""


def check(path: Path) -> dict[str, bool]:
    """Check every variable of a file.

    Args:
        path: a file of version 5 to 7 (`scipy.io.matlab.matfile_version` begins with 1).

    Returns:
        Name of each variable -> whether it is an array of numbers.

    Raises:
        ValueError: an element does not fit; the message says which.
    """
    found, end = {}, path.stat().st_size
    with path.open("rb") as file:
        order = "<" if file.read(128)[126:] == b"IM" else ">"
        while file.tell() < end:
            tag = _tag(file.read, order)
            after = file.tell() + tag.size
            _require(tag.content is None and after <= end, "the file ends before its variables do")
            take = file.read
            if tag.kind == _COMPRESSED:
                take = _inflated(file, tag.size)
                tag = _tag(take, order)
            _require(tag.kind == _MATRIX, f"a variable is of type {tag.kind}")
            name, numeric = _variable(take, order)
            found[name] = numeric
            file.seek(after)
    return found


def _variable(take: Take, order: str) -> tuple[str, bool]:
    """Return the name of a variable and whether it is an array of numbers."""
    flags, _ = struct.unpack(order + "2I", _content(take, order, (_UINT32,), 8, "flags"))
    kind = flags & 0xFF
    _require(kind in _CLASSES, f"a variable is of class {kind}")
    if kind == _OPAQUE:
        return "", False
    axes = _content(take, order, (_INT32, _UINT32), 4 * _MOST_AXES, "dimensions")
    shape = struct.unpack(f"{order}{len(axes) // 4}i", axes)
    _require(len(shape) > 1 and min(shape) >= 0, f"a variable has the dimensions {shape}")
    name = _content(take, order, (_INT8, _UINT8, _UTF8), _LONGEST_NAME, "name").decode("latin-1")
    if kind not in _NUMERIC:
        return name, False
    size = _length(take, order, name, shape)
    if flags & _COMPLEX:
        _skip(take, size)
        _length(take, order, name, shape)
    return name, True


def _length(take: Take, order: str, name: str, shape: tuple[int, ...]) -> int:
    """Check the tag of a real or imaginary part; return the bytes that follow it."""
    tag = _tag(take, order)
    _require(tag.kind in _BYTES, f"the numbers of {name} are of type {tag.kind}")
    _require(
        tag.size == math.prod(shape) * _BYTES[tag.kind],
        f"{name} has the dimensions {shape} but {tag.size} bytes",
    )
    return 0 if tag.content is not None else _padded(tag.size)


def _content(take: Take, order: str, kinds: tuple[int, ...], most: int, what: str) -> bytes:
    """Return the content of a short element of one of these types."""
    tag = _tag(take, order)
    _require(tag.kind in kinds and tag.size <= most, f"a variable has no {what}")
    if tag.content is not None:
        return tag.content[: tag.size]
    content = take(_padded(tag.size))[: tag.size]
    _require(len(content) == tag.size, f"the file ends within the {what} of a variable")
    return content


def _tag(take: Take, order: str) -> _Tag:
    """Read the type and the length of an element; a short one holds its content as well."""
    tag = take(8)
    _require(len(tag) == 8, "the file ends within an element")
    first, size = struct.unpack(order + "2I", tag)
    if first >> 16:
        _require(first >> 16 <= 4, "an element is longer than its tag says")
        return _Tag(first & 0xFFFF, first >> 16, tag[4:])
    return _Tag(first, size, None)


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _skip(take: Take, size: int) -> None:
    while size > 0:
        passed = len(take(min(size, _STEP)))
        _require(passed > 0, "the file ends within a variable")
        size -= passed


def _inflated(file: BinaryIO, size: int) -> Take:
    """Return a function that gives the next bytes of a compressed element."""
    inflate = zlib.decompressobj()
    left = size

    def take(number: int) -> bytes:
        nonlocal left
        found = bytearray()
        while len(found) < number and not inflate.eof:
            packed = inflate.unconsumed_tail or file.read(min(left, 2**14))
            left -= 0 if inflate.unconsumed_tail else len(packed)
            if not packed:
                break
            found += inflate.decompress(packed, number - len(found))
        return bytes(found)

    return take


def _require(condition: bool, wrong: str) -> None:
    if not condition:
        raise ValueError(wrong)
