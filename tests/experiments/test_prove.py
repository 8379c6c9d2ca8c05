"""`python -m experiments.network prove`: real processes under two conditions."""

import dataclasses
import os
import sys

from experiments_helpers import environment

from mrjax.prove import proof
from mrjax.prove.conditions import HERE, LEVELS, Condition

SMALL = (
    "--preset=tiny --steps=2 --batch_size=2 --width=1 --stages=1 --window=3 --nodes=5 --rows=16 "
    "--columns=18 --coils=2 --acs_lines=4 --n_train=2 --n_test=1"
).split()
"""The network that compiles soonest, with Fourier transforms, convolutions and Gaussians."""
OTHER = {"isa": "SSE4_2", "threads": "1", "devices": "2", "conv": "lax", "numpy": "baseline"}


@dataclasses.dataclass(frozen=True)
class Quick(Condition):
    """Compiled as the programs under test are: the optimiser is one thing more that differs."""

    def environ(self) -> dict[str, str]:
        found, quick = super().environ(), environment()
        path = os.pathsep.join([quick["PYTHONPATH"], found["PYTHONPATH"]])
        return {**found, "PYTHONPATH": path}


def test_two_conditions_give_one_network_and_native_arithmetic_gives_two(monkeypatch, tmp_path):
    """The whole way, from a flag to a digest: instruction set, devices, form of convolution.

    The second condition is compiled as by users, with all optimisations.
    """
    unset = dict.fromkeys(LEVELS, HERE)

    def two(pythons):
        return [
            Quick(pythons[0], "cpu", unset),
            Condition(pythons[0], "cpu", unset | OTHER),
        ]

    monkeypatch.setattr(proof, "conditions", two)
    monkeypatch.setattr(proof, "sources", lambda: "0" * 64)
    asked = proof.Proof("varnet", SMALL, [sys.executable], str(tmp_path))
    assert proof.run(asked) == 0, (tmp_path / "proof.txt").read_text()
    page = (tmp_path / "proof.txt").read_text()
    assert "native: 2 params digests and 2 predictions digests from 2 runs" in page
    assert "reproducible: 1 params digest and 1 predictions digest from 2 runs" in page
