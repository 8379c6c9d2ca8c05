"""The file of known digests, and the table that README shows of it."""

import json

import pytest
from helpers import ROOT, shared

from mrjax.check import known, parts
from mrjax.errors import UserError
from mrjax.runs import ledger
from mrjax.tasks.registry import TASKS

FACTS = known.read()


def test_every_task_is_known_with_its_ledger():
    assert FACTS.digests.keys() == TASKS.keys() == FACTS.ledgers.keys()
    for task, digests in FACTS.digests.items():
        assert all(len(digest) == 64 for digest in digests.values())
        assert len(ledger.read(FACTS.ledgers[task])) > 50


@pytest.mark.parametrize("task", ["qsm", "varnet", "breast"])
def test_another_vendor_gave_the_same(task):
    folder = shared(f"reference/amd_epyc/orderfree_{task}")
    found = json.loads((folder / "result.json").read_text())["digests"]
    assert FACTS.equal(task, found) and found == FACTS.digests[task]
    assert (folder / "ledger.jsonl").read_bytes() == FACTS.ledgers[task].read_bytes()
    assert not FACTS.equal(task, {**found, "params": "0" * 64})
    assert not FACTS.equal(task, {})


def test_readme_shows_the_machines():
    table = (ROOT / "README.md").read_text()
    for machine in FACTS.machines:
        said = ["yes" if t in machine["equal"] else "no" if t in machine["different"] else "not run"
                for t in TASKS]  # fmt: skip
        cells = [machine["machine"], machine["jax"], machine["python"], *said, machine["date"]]
        assert f"| {' | '.join([*cells, machine['code']])} |" in table


def test_a_new_machine_is_asked_for_what_is_known():
    (asked,) = parts.parts(["digests"], ["qsm"], "gpu", FACTS.flags)
    assert asked.flags == ("--preset=tiny", "--batch_size=8", "--numerics=reproducible")


@pytest.mark.parametrize(
    "text", ["{}", "[]", "no", '{"flags": [], "digests": {"qsm": {}}, "machines": []}']
)
def test_a_file_without_digests_is_refused(text, tmp_path):
    path = tmp_path / "known.json"
    path.write_text(text)
    with pytest.raises(UserError, match="known"):
        known.read(path)
