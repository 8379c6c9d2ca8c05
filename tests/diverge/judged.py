"""What `network diverge` found, judged by the arrays that it kept, with nothing of mrjax.diverge.

Bytes are compared with bytes, in the order of the program. The operation named must be the first
result that both sides show and that differs; all that it was computed from, as far as seen, must be
equal.
"""

import difflib
import json
from pathlib import Path

import numpy as np

EVIDENCE = ("loss_hex", "params", "grads", "batch")
TOLERANCE = 1.2e-4
"""Relative distance of two layers of float32 within which mrjax says that they agree."""


class Side:
    """A step as one side took it again."""

    def __init__(self, folder):
        content = json.loads((folder / "step.json").read_text())
        self.nodes, self.inputs = content["nodes"], content["inputs"]
        with np.load(folder / "values.npz") as archive:
            self.values = {name: archive[name] for name in archive.files}

    def results(self, place):
        """The results of an operation; none if it was not seen."""
        names = (f"{place}_{number}" for number in range(len(self.nodes[place]["types"])))
        return [self.values[name] for name in names if name in self.values]

    def given(self, place, seen):
        """Walk back to the operations seen, and to the inputs that no operation made."""
        found, names, waiting, known = set(), set(), [place], {place}
        while waiting:
            for one in self.nodes[waiting.pop()]["inputs"]:
                if isinstance(one, str):
                    names |= {one} - {name for name in [one] if name.startswith("= ")}
                elif one in seen:
                    found.add(one)
                elif one not in known:
                    known.add(one)
                    waiting.append(one)
        return found, names


def first_step(a, b):
    """The first step of which two ledgers say different things; None without one."""
    ledgers = []
    for run in (a, b):
        lines = map(json.loads, (Path(run) / "ledger.jsonl").read_text().splitlines())
        ledgers.append({line["step"]: [line.get(name) for name in EVIDENCE] for line in lines})
    shared = sorted(ledgers[0].keys() & ledgers[1].keys())
    return next((step for step in shared if ledgers[0][step] != ledgers[1][step]), None)


def operation(out):
    """Fail unless the operation named is the first that differs; return what was counted.

    Returns:
        Number of results that both sides show, number of elements that differ, elements.
    """
    said = json.loads((out / "retake.json").read_text())
    a, b = Side(out / "a"), Side(out / "b")
    seen = [(i, j) for i, j in _counterparts(a.nodes, b.nodes) if a.results(i) and b.results(j)]
    unequal = [pair for pair in seen if _bytes(a.results(pair[0])) != _bytes(b.results(pair[1]))]
    assert said["kind"] == "operation", said["kind"]
    assert said["compared"] == len(seen) and said["differing"] == len(unequal)
    first = unequal[0]
    assert said["operation"]["place"] == first[0] + 1, (said["operation"], first)
    names = set()
    for side, own in ((a, 0), (b, 1)):
        partners = {pair[own]: pair for pair in seen}
        found, inputs = side.given(first[own], partners)
        names |= inputs
        assert not {partners[place] for place in found}.intersection(unequal)
    assert all(a.inputs.get(name) == b.inputs.get(name) for name in names), names
    counts = [_unequal(x, y) for x, y in zip(a.results(first[0]), b.results(first[1]), strict=True)]
    told = said["operation"]["distance"]
    assert (told["unequal"], told["elements"]) in counts
    return len(seen), told["unequal"], told["elements"]


def layers(out):
    """Fail unless the layers of both frameworks are as far apart as said.

    Returns:
        Number of layers compared, number that differ by more than rounding, number of layers.
    """
    said = json.loads((out / "retake.json").read_text())["layers"]
    # The side of PyTorch is the one whose operations are layers.
    sides = sorted((Side(out / name) for name in "ab"), key=lambda side: len(side.nodes))[::-1]
    known = [one for one in said if one["places"]]
    beyond = 0
    for one in known:
        x, y = (_reals(s.results(p)[0]) for s, p in zip(sides, one["places"], strict=True))
        assert one["distance"]["unequal"] == np.count_nonzero(x != y)
        norm, scale = np.linalg.norm(x) or 1.0, one["scale"] or 1.0
        share = min(np.linalg.norm(x - y) / norm, np.abs(x - y).max(initial=0) / scale)
        beyond += share > TOLERANCE
    return len(known), beyond, len(said)


def _counterparts(a, b):
    keys = [[(n["phase"], n["module"], n["op"], *n["types"]) for n in nodes] for nodes in (a, b)]
    if keys[0] == keys[1]:
        return [(place, place) for place in range(len(a))]
    blocks = difflib.SequenceMatcher(None, *keys, autojunk=False).get_matching_blocks()
    return [(one.a + i, one.b + i) for one in blocks for i in range(one.size)]


def _bytes(arrays):
    return [array.tobytes() for array in arrays]


def _reals(x):
    """Complex numbers as pairs of real ones."""
    return x.view(x.real.dtype).ravel() if np.iscomplexobj(x) else x.ravel()


def _unequal(x, y):
    x, y = _reals(x), _reals(y)
    return int(np.count_nonzero(~((x == y) | ((x != x) & (y != y))))), x.size
