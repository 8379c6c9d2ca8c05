"""The ledger's digest on torch's tensors against the rule in numpy."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from mrjax.pytorch import fingerprint as module  # noqa: E402
from mrjax.pytorch.fingerprint import fingerprint  # noqa: E402
from mrjax.runs import digests  # noqa: E402

DTYPES = ["float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64",
          "bool", "complex64", "complex128"]  # fmt: skip


def random_bits(rng, dtype: str, shape: tuple[int, ...]):
    """A tensor of random bits, with NaN and subnormal numbers, and the same bits in numpy."""
    count = int(np.prod(shape))
    if dtype == "bool":
        values = rng.integers(0, 2, shape).astype(bool)
        return torch.from_numpy(values), values
    kind = getattr(torch, dtype)
    raw = np.frombuffer(rng.bytes(count * kind.itemsize), np.uint8).copy()
    # numpy has no bfloat16, and the digest depends on bits only.
    array = raw.view("uint16" if dtype == "bfloat16" else dtype).reshape(shape)
    tensor = torch.from_numpy(raw).view(kind) if count else torch.empty(0, dtype=kind)
    return tensor.reshape(shape), array


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_bit_pattern(rng, dtype):
    shapes = {"a": (1,), "b": (3, 4, 5), "c": (2, 0)}
    pairs = {name: random_bits(rng, dtype, shape) for name, shape in shapes.items()}
    found = fingerprint({name: tensor for name, (tensor, _) in pairs.items()})
    assert int(found) % 2**64 == digests.fingerprint({k: array for k, (_, array) in pairs.items()})


@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize("size", [1, 99, 100, 101, 250, 1000])
def test_blocks_and_groups_change_nothing(rng, monkeypatch, size, stays):
    """Nor does it matter whether tables stay on the device, as on a CPU, or not, as on a GPU."""
    module._places.cache_clear()
    monkeypatch.setattr(module, "_stays", lambda device: stays)
    monkeypatch.setattr(module, "_SMALL", 100)
    monkeypatch.setitem(module._BLOCK, "cpu", 64)
    arrays = {f"x/{n}": rng.standard_normal(n).astype(np.float32) for n in (size, 7, 65)}
    arrays["y"] = rng.standard_normal((size, 2))
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    assert int(fingerprint(tensors)) % 2**64 == digests.fingerprint(arrays)


def test_a_large_leaf_leaves_no_table_where_it_must_not_stay(monkeypatch):
    module._places.cache_clear()
    leaf = {"w": torch.arange(1 << 17, dtype=torch.float32)}
    expected = int(fingerprint(leaf))
    assert module._places.cache_info().currsize == 1
    module._places.cache_clear()
    monkeypatch.setattr(module, "_stays", lambda device: False)
    assert int(fingerprint(leaf)) == expected
    assert module._places.cache_info().currsize == 0


def test_digests_take_little_memory_of_a_gpu():
    """256 MB of weights need two blocks of 8 MB, and nothing is left afterwards."""
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    leaves = {"w": torch.arange(1 << 26, dtype=torch.float32), "b": torch.arange(9.0)}
    placed = {k: v.cuda() for k, v in leaves.items()}
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    assert int(fingerprint(placed)) == int(fingerprint(leaves))
    assert torch.cuda.memory_allocated() - before <= 1 << 16
    assert torch.cuda.max_memory_allocated() - before <= 20e6


def test_views_are_digested_in_their_own_axes(rng):
    tensor = torch.from_numpy(rng.standard_normal((2, 3, 4, 5)).astype(np.float32))
    for layout in (torch.contiguous_format, torch.channels_last):
        view = tensor.to(memory_format=layout).permute(2, 3, 1, 0)
        assert int(fingerprint({"k": view})) % 2**64 == digests.fingerprint({"k": view.numpy()})
    assert int(fingerprint({"k": view})) != int(fingerprint({"k": tensor}))


def test_the_vector_of_the_definition():
    found = fingerprint({"w": torch.tensor([1.0, -2.5])})
    assert digests.hex64(int(found)) == "fe1f09e5ea221986"
    assert int(fingerprint({})) == 0
