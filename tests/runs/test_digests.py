import hashlib
import struct

import ml_dtypes
import numpy as np
import pytest

from mrjax.runs import digests

VECTOR = {"w": np.array([1.0, -2.5], np.float32)}


def slow_fingerprint(elements):
    """The documented rule in Python integers, for elements (name, index, bits)."""
    total = 0
    for name, index, bits in elements:
        z = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
        z = (z + index * 0x9E3779B97F4A7C15 + bits * 0xD1342543DE82EF95) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        total += z ^ (z >> 31)
    return total % 2**64


def test_vectors_of_the_documentation():
    found = (digests.content(VECTOR), digests.hex64(digests.fingerprint(VECTOR)))
    assert all(value in digests.__doc__ for value in found)
    stream = b"w\nfloat32\n2\n" + struct.pack("<2f", 1.0, -2.5)
    assert found[0] == hashlib.sha256(stream).hexdigest()
    bits = struct.unpack("<2I", struct.pack("<2f", 1.0, -2.5))
    assert int(found[1], 16) == slow_fingerprint(("w", i, b) for i, b in enumerate(bits))


def test_content_reads_names_in_order_with_shape_and_type():
    arrays = {"b": np.zeros((2, 0), np.int8), "a/é": np.array(True), "B": np.array([2, 1], ">i2")}
    stream = b"B\nint16\n2\n" + struct.pack("<2h", 2, 1)
    stream += "a/é\nbool\n\n".encode() + b"\x01"
    stream += b"b\nint8\n2,0\n"
    assert digests.content(arrays) == hashlib.sha256(stream).hexdigest()


@pytest.mark.parametrize(
    "changed",
    [
        {"v": VECTOR["w"]},
        {"w": VECTOR["w"].astype(np.float64)},
        {"w": VECTOR["w"].reshape(2, 1)},
        {"w": VECTOR["w"][::-1]},
        {"w": np.nextafter(VECTOR["w"], 0)},
        {**VECTOR, "x": np.zeros(0)},
    ],
    ids=["name", "dtype", "shape", "order", "last bit", "another"],
)
def test_content_sees_every_change(changed):
    assert digests.content(changed) != digests.content(VECTOR)


def test_layout_in_memory_and_order_of_names_are_immaterial():
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    plain = {"a": array, "b": array + 1}
    other = {
        "b": (array + 1).astype(">f4"),
        "a": np.asfortranarray(array),
    }
    assert digests.content(plain) == digests.content(other)
    assert digests.fingerprint(plain) == digests.fingerprint(other)
    swapped = {"a": array + 1, "b": array}
    assert digests.fingerprint(plain) != digests.fingerprint(swapped)


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.array([[-1.5, 0.0], [-0.0, np.nan]], np.float16), "H"),
        (np.array([1e-40, np.inf, -3.0], np.float32), "I"),
        (np.array([1 / 3, -1e300], np.float64), "Q"),
        (np.array([-1, 5], np.int8), "B"),
        (np.array([-(2**62), 7], np.int64), "Q"),
        (np.array([2**64 - 1, 0], np.uint64), "Q"),
        (np.array([True, False, True]), "B"),
        (np.array([1.0, -0.1], ml_dtypes.bfloat16), "H"),
        (np.array(2.5, np.float32), "I"),
    ],
    ids=lambda value: str(getattr(value, "dtype", value)),
)
def test_fingerprint_is_the_documented_rule(array, code):
    bits = struct.unpack(f"<{array.size}{code}", array.tobytes())
    wanted = slow_fingerprint(("p/q", i, b) for i, b in enumerate(bits))
    assert digests.fingerprint({"p/q": array}) == wanted


def test_a_complex_number_is_two_elements():
    array = np.array([1 + 2j, -3.5j], np.complex64)
    parts = np.array([1, 2, -0.0, -3.5], np.float32)
    assert digests.fingerprint({"k": array}) == digests.fingerprint({"k": parts})


def test_fingerprint_does_not_depend_on_how_large_arrays_are_cut(monkeypatch):
    array = {"a": np.arange(1000, dtype=np.float32)}
    whole = digests.fingerprint(array)
    monkeypatch.setattr(digests, "_BLOCK", 7)
    assert digests.fingerprint(array) == whole


def test_fingerprint_sees_single_bits_and_exchanged_elements():
    generator = np.random.default_rng(0)
    array = generator.integers(0, 2**32, 64, dtype=np.uint32)
    seen = {digests.fingerprint({"a": array})}
    for place in range(64):
        for bit in range(32):
            changed = array.copy()
            changed[place] ^= np.uint32(1 << bit)
            seen.add(digests.fingerprint({"a": changed}))
    for place in range(63):
        changed = array.copy()
        changed[[place, place + 1]] = changed[[place + 1, place]]
        seen.add(digests.fingerprint({"a": changed}))
    assert len(seen) == 1 + 64 * 32 + 63


@pytest.mark.parametrize(
    "array",
    [np.array(["a"]), np.array([None]), np.zeros(1, "V4"), np.zeros(1, [("x", "f4")])],
    ids=["text", "object", "void", "record"],
)
def test_only_numbers_have_digests(array):
    for digest in (digests.content, digests.fingerprint):
        with pytest.raises(ValueError, match="'x' has dtype"):
            digest({"x": array})


def test_a_line_break_in_a_name_is_refused():
    with pytest.raises(ValueError, match="line break"):
        digests.content({"a\nb": np.zeros(1)})


def test_hex64_is_sixteen_digits():
    assert digests.hex64(0x1F) == "000000000000001f"
    assert digests.hex64(np.uint64(2**64 - 1)) == "f" * 16


def test_combined_digests_know_their_order():
    a, b = digests.content(VECTOR), digests.content({})
    assert digests.combine([a, b]) == hashlib.sha256(f"{a}\n{b}\n".encode()).hexdigest()
    assert digests.combine([a, b]) != digests.combine([b, a])
