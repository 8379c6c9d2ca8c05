"""Other people's networks (of fastMRI and MONAI) and batches under the recorder."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch, which the recorder records")

from recorder import third_parties  # noqa: E402

from mrjax.diverge import command  # noqa: E402
from mrjax.recorder import recorder as module  # noqa: E402
from mrjax.runs import digests, ledger  # noqa: E402
from mrjax.study.certificate import facts, words  # noqa: E402
from mrjax.study.certificate.reading import read  # noqa: E402

PACKAGES = {"unet": "fastmri", "varnet": "fastmri", "monai": "monai"}


@pytest.fixture(scope="module", params=PACKAGES)
def network(request):
    package = PACKAGES[request.param]
    pytest.importorskip(package, reason=f"needs the {package}-package, see .ci/run")
    threads = torch.get_num_threads()
    yield request.param
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def train(network, tmp_path_factory):
    def trained(name, *flags):
        folder = tmp_path_factory.mktemp("runs") / name
        flags = [f"--network={network}", f"--folder={folder}", "--steps=3", *flags]
        return folder, third_parties.main(flags)

    return trained


@pytest.fixture(scope="module")
def first(train):
    return train("a", "--trace_at", "2")


def compared(a, b):
    return facts.compare(read("A", a), read("B", b))


def test_a_repeated_training_is_identical(first, train):
    folder, model = first
    again, _ = train("b", "--trace_at", "2")
    found = compared(folder, again)
    assert found.identical and words.verdict(found) == "A and B are identical for 3 steps."
    assert "Step 2: all" in command.run(folder, again)
    state = {name: leaf.detach().numpy() for name, leaf in model.state_dict().items()}
    grads = {n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None}
    last = ledger.read(folder / "ledger.jsonl")[-1]
    assert last["params"] == digests.hex64(digests.fingerprint(state))
    assert last["grads"] == digests.hex64(digests.fingerprint(grads))
    assert {name.split(".")[0] for name in state} - {name.split(".")[0] for name in grads}


def test_a_training_without_a_seed_parts_at_the_first_batch(first, train):
    found = compared(first[0], train("c", "--seed=-1")[0])
    assert found.start is True and found.parted == (1, ("batch", "loss_hex", "grads", "params"))


@dataclasses.dataclass
class Sample:
    image: torch.Tensor
    name: str


def test_batches_of_any_kind():
    """Equal contents, equal digests; no array of text is in the way."""

    def batch(value, name="a"):
        sample = Sample(torch.full((1000,), value), name)
        return {
            "sample": sample,
            "names": np.array(["x", name]),
            "one": np.str_("y"),
        }

    def digest(*changes):
        return module._hex(module.fingerprint(module._flat(batch(*changes))))

    assert digest(1.0) == digest(1.0) != digest(2.0)
    assert digest(1.0, "b") != digest(1.0)
    flat = module._flat(batch(1.0))
    assert flat["batch/sample/image"].shape == (1000,) and "batch/names=['x', 'a']" in flat
