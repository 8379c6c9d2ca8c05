"""The table of a proof shows the results, and a positive verdict needs all of them."""

import hashlib

import pytest

from mrjax.prove.conditions import conditions
from mrjax.prove.interpreters import Interpreter
from mrjax.prove.table import table, verdict

PYTHON = Interpreter("python", "3.11.7", "0.10.2", "2.4.6", "X86_V3", True)
ROWS = conditions([PYTHON])[-4:]


def digests(params: str, inputs: str = "same") -> dict[str, str]:
    kinds = dict.fromkeys(("init", "order", "data"), inputs) | {
        "params": params,
        "predictions": params + "p",
    }
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in kinds.items()}


def found(native: str, reproducible: str) -> dict:
    """One letter for each run; "-" for a run that failed."""
    runs = {"native": native, "reproducible": reproducible}
    return {k: [None if c == "-" else digests(c) for c in word] for k, word in runs.items()}


def test_table_has_a_line_for_each_condition():
    text = table(ROWS, found("abcd", "rrr-"))
    head, *lines = text.splitlines()
    assert head.split()[:3] == ["device", "isa", "threads"] and len(lines) == 4
    assert lines[-1].startswith("3  gpu deterministic")
    assert digests("a")["params"][:12] in lines[0]
    assert lines[-1].split()[-2:] == ["failed", "failed"]
    assert all(digests("r")["predictions"][:12] in line for line in lines[:-1])


def test_one_digest_beside_several_is_the_proof():
    shown, lines = verdict(found("aabc", "rrrr"))
    assert shown
    assert lines[0] == "native: 3 params digests and 3 predictions digests from 4 runs"
    assert lines[1] == "reproducible: 1 params digest and 1 predictions digest from 4 runs"


@pytest.mark.parametrize(
    "native, reproducible, word",
    [("aabc", "rrrs", "depends"), ("aaaa", "rrrr", "no more"), ("aab-", "rrrr", "finished")],
)
def test_anything_else_is_not(native, reproducible, word):
    shown, lines = verdict(found(native, reproducible))
    assert not shown and word in lines[-1]


def test_predictions_count_as_much_as_parameters():
    runs = found("aabc", "rrrr")
    runs["reproducible"][2] = runs["reproducible"][2] | {"predictions": "0" * 64}
    assert not verdict(runs)[0]


def test_runs_that_began_differently_show_nothing():
    runs = found("aabc", "rrrr")
    runs["native"][1] = runs["native"][1] | {"order": "0" * 64}
    shown, lines = verdict(runs)
    assert not shown and lines[-1].endswith("(order)")
