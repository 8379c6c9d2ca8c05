"""What a damaged HDF5 file may hold that its library reads for ever or into endless memory.

Arrays of variable length lie in heaps, each a row of objects with a header of 16 bytes (index,
references, size). The library steps from object to object and stays for ever on one without a
length, so heaps are walked here first.

Source: HDF5 File Format Specification 3.0, III.E (Global Heap).
"""

import math
import mmap
from pathlib import Path

import h5py
import numpy as np

from mrjax.errors import UserError

_SIGNATURE = b"GCOL\x01\x00\x00\x00"
_HEADER = 16
_DEFLATE = 1032
"""Bytes that one byte of a compressed data set may stand for, at most."""
_KNOWN_FILTERS = {
    h5py.h5z.FILTER_DEFLATE,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
    h5py.h5z.FILTER_LZF,
}
"""Filters of which that is known."""


def check_length(path: Path, data: h5py.Dataset) -> None:
    """Refuse a data set of more numbers than are stored.

    Args:
        path: its file.
        data: of any type.

    Raises:
        UserError: its length in the header cannot be.
    """
    if not data.size or data.is_virtual or data.external:  # whose numbers lie elsewhere
        return
    if data.nbytes > _most(path, data):
        raise UserError(
            f"{data.name} of {path} has {data.size} entries by its header but "
            f"{data.id.get_storage_size()} bytes; expected as many as are stored; copy the file "
            "again"
        )


def _most(path: Path, data: h5py.Dataset) -> int:
    """Bytes that a data set can hold, by what is stored of it."""
    stored = min(data.id.get_storage_size(), path.stat().st_size)
    if data.chunks is None:
        return stored
    in_chunks = data.id.get_num_chunks() * math.prod(data.chunks) * data.dtype.itemsize
    made = data.id.get_create_plist()
    filters = {made.get_filter(i)[0] for i in range(made.get_nfilters())}
    known = filters <= _KNOWN_FILTERS
    return min(in_chunks, stored * (_DEFLATE if filters else 1)) if known else in_chunks


def read(path: Path, data: h5py.Dataset | h5py.Group | h5py.Datatype) -> np.ndarray:
    """Read a data set whole, once it is known that the library comes to an end.

    Args:
        path: its file.
        data: of any type.

    Returns:
        Its content; of a group in its place the names in it.

    Raises:
        UserError: its length in the header cannot be, or its entries are of variable length and
            lie in a heap that cannot be walked to its end.
    """
    if isinstance(data, h5py.Dataset):
        check_length(path, data)
        if data.dtype.hasobject:
            check(path)
    return np.asarray(data)


def check(path: Path) -> None:
    """Refuse a file with a heap that cannot be walked to its end.

    Args:
        path: an HDF5 file with addresses of 8 bytes, which all programs write by default.

    Raises:
        UserError: such a heap.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_SIGNATURE)
        while start >= 0:
            if _is_endless(content, start):
                raise UserError(
                    f"{path} is damaged (an object without a length in the heap at byte "
                    f"{start}); expected a whole HDF5 file; copy the file again"
                )
            start = content.find(_SIGNATURE, start + len(_SIGNATURE))


def _is_endless(content: mmap.mmap, start: int) -> bool:
    """Whether walking a heap does not come to its end, as `H5HG__cache_heap_deserialize` does."""
    end = min(start + _number(content, start + 8), len(content))
    place = start + _HEADER
    while place + _HEADER <= end:
        size = _number(content, place + 8)
        free = content[place : place + 2] == b"\x00\x00"
        step = size if free else (_HEADER + -(-size // 8) * 8) % 2**64
        if not step:
            return True
        place += step
    return False


def _number(content: mmap.mmap, place: int) -> int:
    return int.from_bytes(content[place : place + 8], "little")
