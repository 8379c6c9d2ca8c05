"""Settings of paired runs: which of them make two methods, and which only say how to compute."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mrjax.config import sources
from mrjax.runs import jsonfile
from mrjax.runs.folder import RunFolder
from mrjax.study.gather.collected import Unit
from mrjax.study.report import names

Pairs = Sequence[tuple[Unit, Unit]]

IDLE = ("workdir", "resume", "allow_mixed", "preset", "keep_checkpoints", "checkpoint_every")
"""Settings that change no number: a preset is a name for the values of others."""
_JUDGED = ("seed", "seed_patch", "seed_mask", "seed_noise", "seed_data", "seed_fold", "data_dir",
           "from_run")  # fmt: skip
"""Settings whose effect the digests of initial weights, order and data tell better."""
_HOW = {*sources.FLAGS, *IDLE, *_JUDGED, "compile", "task"}
ALONE: Mapping[str, Any] = {
    **{n: f.default for n, f in sources.FLAGS.items() if f.frameworks != sources.EITHER},
    "compile": False,
}
"""Switches that one framework alone has, with their defaults."""


def of(unit: Unit) -> dict[str, Any]:
    """What a run was asked for, without values that are null."""
    config = jsonfile.read(RunFolder(unit.training).config, "a record of a run", "repeat the run")
    given = config.get("config")
    given = given if isinstance(given, dict) else {}
    return {n: v for n, v in given.items() if v is not None}


def changed(pairs: Pairs) -> dict[str, Any]:
    """Settings with unequal values in a pair, and the last value of B.

    Between two frameworks, a setting that only one of them has counts as part of the framework.
    """
    found: dict[str, Any] = {}
    for a, b in pairs:
        one, other = of(a), of(b)
        names = one.keys() & other.keys() if differ(a, b) else one.keys() | other.keys()
        own = {*IDLE, *ALONE} if differ(a, b) else {*IDLE}
        found |= {n: other.get(n) for n in sorted(names - own) if one.get(n) != other.get(n)}
    return found


def of_method(pairs: Pairs) -> dict[str, tuple[str, str]]:
    """Settings that make A and B two methods, and not one method computed in two ways.

    Such are learning rate, weights of losses, sizes and so on, where both records have them.
    Devices, data types and switches of the libraries are ways to compute; whether seeds agree is
    told by digests.

    Returns:
        Setting to its values in A and in B, as text.
    """
    found: dict[str, tuple[set[str], set[str]]] = {}
    for one, other in ((of(a), of(b)) for a, b in pairs):
        for name in sorted(one.keys() & other.keys() - _HOW):
            if one[name] != other[name]:
                a, b = found.setdefault(name, (set(), set()))
                a.add(str(one[name]))
                b.add(str(other[name]))
    return {name: (_text(a), _text(b)) for name, (a, b) in found.items()}


def sentence(found: Mapping[str, tuple[str, str]]) -> str:
    """Settings of `of_method` in words, such as ``--width 8 in A, 16 in B``."""
    return "; ".join(f"--{name} {a} in A, {b} in B" for name, (a, b) in found.items())


def differ(a: Unit, b: Unit) -> bool:
    """Whether two runs are of different frameworks."""
    return a.result["framework"] != b.result["framework"]


def _text(values: Iterable[str]) -> str:
    return names.listed(sorted(values), most=4)
