"""`python -m experiments.network prove`: real processes under two conditions."""

import sys

from mrjax.prove import proof
from mrjax.prove.conditions import HERE, LEVELS, Condition

SMALL = "--preset=tiny --steps=2 --width=1 --levels=1 --rows=16 --columns=16 --n_patients=4".split()
OTHER = {"isa": "SSE4_2", "threads": "1", "devices": "2", "conv": "lax", "numpy": "baseline"}


def test_two_conditions_give_one_network_and_native_arithmetic_gives_two(monkeypatch, tmp_path):
    """The whole way, from a flag to a digest: instruction set, devices, form of convolution."""
    unset = dict.fromkeys(LEVELS, HERE)

    def two(pythons):
        return [Condition(pythons[0], "cpu", settings) for settings in (unset, unset | OTHER)]

    monkeypatch.setattr(proof, "conditions", two)
    monkeypatch.setattr(proof, "sources", lambda: "0" * 64)
    asked = proof.Proof("breast", SMALL, [sys.executable], str(tmp_path))
    assert proof.run(asked) == 0, (tmp_path / "proof.txt").read_text()
    page = (tmp_path / "proof.txt").read_text()
    assert "native: 2 params digests and 2 predictions digests from 2 runs" in page
    assert "reproducible: 1 params digest and 1 predictions digest from 2 runs" in page
