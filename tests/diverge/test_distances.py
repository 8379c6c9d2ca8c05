"""Distances of tensors: units in the last place, and norms estimated from sums with signs."""

import io

import numpy as np
import pytest

from mrjax.diverge import distances, evidence, values
from mrjax.diverge.traces import Operation
from mrjax.errors import UserError
from mrjax.runs import digests

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_units_in_the_last_place(kind):
    x = np.array([1.0, -1.0, 0.0, -0.0, 3.5, 1e-7], kind)
    up = np.nextafter(x, np.array(np.inf, kind))
    bits = [array.view(f"u{array.itemsize}") for array in (x, up)]
    assert distances.ulps(kind, *bits).tolist() == [1, 1, 1, 1, 1, 1]
    assert distances.ulps(kind, bits[0][2:3], bits[0][3:4]).tolist() == [0]
    far = np.array([-2.0], kind).view(bits[0].dtype), np.array([2.0], kind).view(bits[0].dtype)
    assert distances.ulps(kind, *far)[0] == 2 * int(np.array(2.0, kind).view(bits[0].dtype))


def test_whole_tensors():
    x = RNG.standard_normal((4, 5)).astype(np.float32)
    y = x.copy()
    y[1, 2] = np.nextafter(np.nextafter(x[1, 2], np.float32(9)), np.float32(9))
    y[3, 4] = np.nan
    found = distances.whole("float32[4,5]", x, y)
    assert (found.unequal, found.seen, found.ulp, found.whole) == (2, 20, 2, True)
    assert [one.place for one in found.elements] == [(1, 2), (3, 4)]
    assert found.elements[0].values == (float(x[1, 2]), float(y[1, 2]))
    assert found.elements[1].ulp is None and found.relative < 1e-6
    same = distances.whole("float32[4,5]", x, x)
    assert (same.unequal, same.ulp, same.relative) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("kind", "x", "y", "ulp"),
    [
        ("int64[2]", np.array([-3, 2**60]), np.array([-1, 2**60]), 2),
        ("int8[1]", np.array([-128], np.int8), np.array([127], np.int8), 255),
        ("uint8[1]", np.array([3], np.uint8), np.array([250], np.uint8), 247),
        ("bool[1]", np.array([True]), np.array([False]), 1),
        ("bfloat16[1]", np.array([0x3F80], np.uint16), np.array([0x3F7F], np.uint16), 1),
        ("complex64[1]", np.complex64([1 + 2j]), np.complex64([1 + 3j]), 1 << 22),
    ],
)
def test_other_types(kind, x, y, ulp):
    assert distances.whole(kind, x, y).ulp == ulp
    kept = [evidence.of(one) for one in (x, y)]
    found = distances.estimated(*((kind, *one[1:]) for one in kept))
    assert found.whole and found.ulp == ulp


@pytest.mark.parametrize("size", [1, 31, 33, 5000, 200_001])
@pytest.mark.parametrize("structure", ["noise", "one", "constant"])
def test_norms_are_estimated_from_two_traces(size, structure):
    x = RNG.standard_normal(size)
    change = {
        "noise": RNG.standard_normal(size),
        "one": np.eye(1, size)[0],
        "constant": np.ones(size),
    }
    y = x + 1e-3 * change[structure]
    found = distances.estimated(evidence.of(x), evidence.of(y))
    exact = np.linalg.norm(y - x) / np.linalg.norm(x)
    assert found.relative == pytest.approx(exact, rel=0.6)
    assert found.whole == (size <= evidence.KEPT) and found.seen == min(size, evidence.KEPT)


def test_the_estimate_has_no_bias():
    ratios = []
    for _ in range(300):
        x = RNG.standard_normal(100)
        ratios.append(np.sum(evidence.sums(x) ** 2) / np.sum(x**2))
    assert np.mean(ratios) == pytest.approx(1, abs=0.05) and 0.1 < np.std(ratios) < 0.35


@pytest.mark.parametrize("spoil", [0, 1, 2])
def test_evidence_that_is_not_of_such_a_tensor_gives_no_distance(spoil):
    good = list(evidence.of(np.ones(40, np.float32)))
    assert distances.estimated(tuple(good), tuple(good)).relative == 0.0
    bad = list(good)
    bad[spoil] = ["float32[41]", good[1][:-8], good[2][:-16]][spoil]
    assert distances.estimated(tuple(good), tuple(bad)) is None
    assert distances.estimated(tuple(bad), tuple(bad)) is None or spoil == 0


def line(made):
    made = (digests.hex64(digests.fingerprint({"": made})),)
    return Operation(
        place=4, phase="forward", module="m", op="op", line="", given=(), made=made, random=None
    )


def test_values_that_are_not_of_the_trace_are_refused(tmp_path):
    x = np.arange(6.0)
    pair = line(x), line(x + 1)
    folders = tmp_path / "a", tmp_path / "b"
    for folder, array in zip(folders, (x, x + 1), strict=True):
        folder.mkdir()
        np.savez(folder / "values-000002-000005.npz", made_0=array)
    (found,) = values.compare(folders, 2, pair)
    assert not found.equal and found.distance.unequal == 6
    with pytest.raises(UserError, match="other values than its trace"):
        values.compare(folders, 2, (pair[0], pair[0]))
    file = folders[1] / "values-000002-000005.npz"
    content = file.read_bytes()
    for damaged in (content[:50], b"", content[:80] + b"\0\0\0\0" + content[84:]):
        file.write_bytes(damaged)
        with pytest.raises(UserError, match=r"damaged|other values"):
            values.compare(folders, 2, pair)
    file.unlink()
    assert values.compare(folders, 2, pair) == ()


def test_torch_keeps_the_same_evidence():
    torch = pytest.importorskip("torch", reason="needs torch, whose traces are read")
    from mrjax.recorder import recorder

    arrays = [
        np.float32(2.5), RNG.standard_normal((3, 50)), np.zeros((0, 3), np.float16),
        RNG.standard_normal(140_000).astype(np.float32), np.array([1.0, np.nan, np.inf]),
        (RNG.standard_normal((9, 9)) + 1j).astype(np.complex64), np.array([True, False]),
        np.arange(-50, 50, dtype=np.int16), RNG.standard_normal(4_300_000).astype(np.float16),
    ]  # fmt: skip
    for array in arrays:
        ours, theirs = evidence.of(array), recorder._evidence(torch.from_numpy(np.array(array)))
        assert ours[:2] == theirs[:2]
        sums = [np.frombuffer(bytes.fromhex(one[2])) for one in (ours, theirs)]
        np.testing.assert_allclose(sums[0], sums[1], rtol=1e-9, atol=1e-9)
        written = np.load(io.BytesIO(recorder._npy(torch.from_numpy(np.array(array)))))
        np.testing.assert_array_equal(written, array)
        assert written.dtype == array.dtype
