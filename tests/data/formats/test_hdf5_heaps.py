"""HDF5 files that the library would read for ever, or into more memory than there is."""

import damage
import h5py
import numpy as np
import pytest

from mrjax.data.formats import hdf5_heaps, matlab
from mrjax.data.intake import Intake
from mrjax.errors import UserError


def write(path, number=5):
    with h5py.File(path, "w") as file:
        data = file.create_dataset("a", number, h5py.vlen_dtype(np.float32), maxshape=(None,))
        for i in range(number):
            data[i] = np.full(64, i + 0.5, np.float32)
    return path


def test_a_heap_with_an_object_without_a_length_is_one_line(tmp_path):
    path = write(tmp_path / "a.h5")
    hdf5_heaps.check(path)
    content = bytearray(path.read_bytes())
    free = content.find(b"GCOL") + 16 + 5 * (16 + 256)  # behind the five objects
    assert content[free : free + 2] == b"\0\0" and content[free + 9]
    content[free + 9] = 0
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.h5 is damaged \(an object without a length"):
        hdf5_heaps.check(path)


def broken(path):
    """Take the length of the free space in the last heap of a file."""
    content = bytearray(path.read_bytes())
    place = content.rfind(b"GCOL") + 16
    while content[place : place + 2] != b"\0\0":
        place += 16 + -(-int.from_bytes(content[place + 8 : place + 16], "little") // 8) * 8
    content[place + 8 : place + 16] = bytes(8)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (damage.write_fastmri_text, damage.FORMATS["fastmri_text"][1]),
        (
            damage.write_qsmnet73,
            lambda folder, _: matlab.read_optional(folder / "Test/Input/test_input1.mat", "text"),
        ),
    ],
    ids=["fastmri", "matlab"],
)
def test_no_reader_enters_a_heap_that_has_no_end(write, read, tmp_path):
    path = write(tmp_path)
    with h5py.File(path, "a") as file:
        file["text"] = "a word in a heap"
    broken(path)
    with pytest.raises(UserError, match=r"is damaged \(an object without a length in the heap"):
        read(tmp_path, Intake())


def test_numbers_are_read_though_a_heap_beside_them_is_damaged(tmp_path):
    with h5py.File(write(tmp_path / "a.h5"), "a") as file:
        file["numbers"] = np.arange(5)
    with h5py.File(broken(tmp_path / "a.h5")) as file:
        found = hdf5_heaps.read(tmp_path / "a.h5", file["numbers"])
    np.testing.assert_array_equal(found, np.arange(5))


def test_a_length_beyond_what_is_stored_is_one_line(tmp_path):
    packed = np.zeros(10**5, np.float32)
    with h5py.File(write(tmp_path / "a.h5"), "a") as file:
        file.create_dataset("packed", data=packed, compression="gzip")
        for name in ("a", "packed"):
            hdf5_heaps.check_length(tmp_path / "a.h5", file[name])
        file.create_dataset(
            "chunks", data=packed, chunks=(1000,), maxshape=(None,), shuffle=True, fletcher32=True
        )
        hdf5_heaps.check_length(tmp_path / "a.h5", file["chunks"])
        file["chunks"].resize(2 * 10**5, axis=0)
        with pytest.raises(UserError, match=r"/chunks of .* has 200000 entries by its header but"):
            hdf5_heaps.check_length(tmp_path / "a.h5", file["chunks"])
        file["a"].resize(10**6, axis=0)
        with pytest.raises(UserError, match=r"/a of .* has 1000000 entries by its header but"):
            hdf5_heaps.check_length(tmp_path / "a.h5", file["a"])
