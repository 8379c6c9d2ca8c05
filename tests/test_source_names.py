"""The table of sources of variation is the only place that lists sources by name.

A word that is a source's name and nothing else (``autotune``) may occur as a literal in
the table only. A word that has another meaning too may occur in the parts that use this meaning.
"""

import ast

import pytest
from helpers import ROOT

from mrjax.config.fields import STREAMS
from mrjax.config.sources import SOURCES
from mrjax.runs.result import DIGESTS

EVERYWHERE = "everywhere"
STUDY = "study"
OTHER_MEANINGS = {
    "init": (EVERYWHERE, "a stream of random numbers and a digest of result.json"),
    "order": (EVERYWHERE, "a stream of random numbers and a digest of result.json"),
    "framework": (EVERYWHERE, "a key of result.json"),
    "threads": ({"config", "experiments", "prove", "pytorch", "recorder", "runs", STUDY},
                "a unit of flags, a key of environment.json, a factor of a proof"),
    "device": ({"prove", "recorder", "sharing", STUDY},
               "a column of tables, a difference that no flag makes, a word of torch and MONAI"),
    "software": ({STUDY}, "a difference between two runs that no flag makes"),
    "devices": ({"config", "prove", "sharing", STUDY}, "a field of a configuration and its unit"),
    "dtype": ({"diverge", "numerics", "recorder", "sharing", "speed", "tasks"},
              "a field of a configuration and of arrays"),
    "numerics": ({"diverge", "experiments", "pytorch", "sharing", "speed"},
                 "a field of a configuration"),
    "conv_form": ({"prove", "pytorch"}, "a field of a configuration"),
    "repetition": ({"data", "experiments", "sharing", STUDY, "tasks"},
                   "a field of a configuration, a factor, a counter of raw data"),
    "deterministic": ({"check"}, "the name of a run of the check"),
    "isa": ({"prove"}, "a factor of a proof"),
    "ulp": ({"diverge", "sharing"}, "the unit of a distance between two numbers"),
}  # fmt: skip
"""Source -> the parts of mrjax in which its name means something else too, and what it means."""


def literals(tree: ast.Module) -> set[str]:
    """Names of sources among the literals of a file."""
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str)} & SOURCES.keys()


def refused(part: str, names: set[str]) -> list[str]:
    """Names that a part may not use as literals."""
    allowed = {name: OTHER_MEANINGS.get(name, ((), ""))[0] for name in names}
    return sorted(n for n, parts in allowed.items() if parts != EVERYWHERE and part not in parts)


def found() -> dict[str, set[str]]:
    """Path within the repository -> names of sources among its literals."""
    files = [*(ROOT / "mrjax").rglob("*.py"), *(ROOT / "experiments").glob("*.py")]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}
    return {path.relative_to(ROOT).as_posix(): literals(tree) for path, tree in trees.items()}


FOUND = found()
TABLE = "mrjax/config/sources.py"


def part(path: str) -> str:
    first, second, *_ = path.split("/")
    return first if first == "experiments" else second.removesuffix(".py")


def test_no_other_module_names_a_source():
    wrong = {path: refused(part(path), names) for path, names in FOUND.items() if path != TABLE}
    assert not {path: names for path, names in wrong.items() if names}


def test_the_search_sees_names_and_refuses_them():
    assert FOUND[TABLE] >= {"ulp", "autotune", "precision"}
    assert literals(ast.parse("x = {'ulp': 1}; y = f('order'); z = 'the order'")) == {
        "ulp",
        "order",
    }
    assert refused("study", {"ulp", "order", "isa"}) == ["isa", "ulp"]
    assert refused("prove", {"ulp", "order", "isa"}) == ["ulp"]


def test_streams_are_allowed_because_they_are_streams():
    assert {"init", "order"} == SOURCES.keys() & set(STREAMS) == SOURCES.keys() & set(DIGESTS)


@pytest.mark.parametrize("name", OTHER_MEANINGS)
def test_every_exception_is_still_one(name):
    assert name in SOURCES
    assert any(name in names for path, names in FOUND.items() if path != TABLE)
