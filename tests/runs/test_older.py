"""A run folder that code of an earlier commit wrote is read by today's readers.

tests/data/run_3fc6757 is a run of `experiments.varnet --preset=tiny --steps=4 --checkpoint_every=2
--keep_checkpoints=1 --batch_size=2 --n_train=2 --n_test=2 --width=3 --stages=2 --window=5 --nodes=9
--xla_deterministic` by commit 3fc6757, without its images and predictions; the names of machine and
folders were taken out.
"""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from mrjax.config import to_flags
from mrjax.runs import digests, environment, jsonl, ledger, result
from mrjax.runs.folder import RunFolder
from mrjax.study import compare
from mrjax.study.compare import speed
from mrjax.study.gather import unplanned
from mrjax.tasks import exchange, trained
from mrjax.tasks.varnet import model
from mrjax.tasks.varnet.classical import Tuned
from mrjax.tasks.varnet.config import PRESETS, Config
from mrjax.tasks.varnet.inputs import ARCHITECTURE
from mrjax.train import checkpoint

ROOT = Path(__file__).parents[1] / "data" / "run_3fc6757"
FOLDER = RunFolder(ROOT / "baseline" / "000")


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_it_was_written_by_other_code():
    """Its settings lack a flag that there is today, and it records fewer variables."""
    today = {field.name for field in dataclasses.fields(Config)}
    then = set(read(FOLDER.config)["config"])
    assert then < today and "perturb_init" in today - then
    written = read(FOLDER.environment)
    assert "CUBLAS_WORKSPACE_CONFIG" not in written["backend"]["variables"]
    assert environment.differences(written, written) == []


def test_its_result():
    assert FOLDER.finished
    found = result.read(FOLDER.path)
    assert (found["experiment"], found["framework"], found["steps"]) == ("varnet", "jax", 4)
    assert found["level"] == "run_to_run"
    assert found["metrics"]["nrmse"] == [0.1967361094685687, 0.20857587647683268]
    assert list(found["baselines"]) == ["zero_filled", "cg_sense"]
    assert found["digests"]["params"].startswith("acf03d6be7d2")
    assert found["digests"]["predictions"].startswith("b79ef1565b60")
    assert found["config"] == read(FOLDER.config)["digest"]


def test_its_ledger_and_times():
    lines = ledger.read(FOLDER.ledger)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert float.fromhex(lines[-1]["loss_hex"]) == lines[-1]["loss"] == 0.006600534543395042
    assert lines[-1]["params"] == "02072f018748415b"
    assert ledger.first_difference(FOLDER.ledger, FOLDER.ledger) is None
    assert [line["step"] for line in jsonl.read(FOLDER.timing)] == [1, 2, 3, 4]


def test_its_checkpoint_is_the_network_of_its_result():
    found = checkpoint.newest(FOLDER.checkpoints)
    assert found and found[0] == 4
    kept = {k: v for k, v in found[1].items() if k.startswith(("params/", "batch_stats/"))}
    assert digests.content(kept) == result.read(FOLDER.path)["digests"]["params"]


def test_from_run_reads_its_network():
    sizes = {"width": 3, "stages": 2, "window": 5, "nodes": 9, "steps": 0}
    config = Config(**{**PRESETS["tiny"], **sizes}, from_run=str(FOLDER.path))
    config.check()
    shapes = model.build(config, "cpu").shapes
    weights, constants = trained.load("varnet", config, config.from_run, ARCHITECTURE, shapes)
    assert Tuned(**constants["tuned"]) == Tuned(iterations=20, weight=0.01)
    assert {path: leaf.shape for path, leaf in weights.params.items()} == shapes["params"]
    assert exchange.load("varnet", FOLDER.path).keys() == weights.params.keys()


def test_a_study_gathers_it():
    found = unplanned.load_roots([ROOT])
    assert not found.problems
    (unit,) = found.units
    assert (unit.arm, unit.label, len(unit.subjects)) == ("baseline", "000", 2)
    assert unit.metrics["nrmse"].mean() == pytest.approx(0.202656, abs=1e-6)
    assert unit.curve is not None and unit.curve.steps[-1] == 4
    assert unit.environment["versions"].startswith("flax=0.12.8 jax=0.10.2")
    assert unit.result["load"]["cores"] == 2


def test_it_compares_with_a_copy_of_itself(tmp_path):
    shutil.copytree(ROOT / "baseline", tmp_path / "again")
    sides = compare.load(ROOT / "baseline", tmp_path / "again")
    assert sides.fair and sides.equal == dict.fromkeys(result.DIGESTS, 1)
    assert speed.median_step(sides.pairs[0][0]) == speed.median_step(sides.pairs[0][1]) > 0


def test_its_flags_are_flags_of_today():
    """All of them are defined, and give the same settings but for what is new."""
    lines = [line for line in FOLDER.flags.read_text().splitlines() if not line.startswith("#")]
    today = to_flags(Config(**read(FOLDER.config)["config"])).splitlines()
    assert set(lines) <= set(today)
    assert {line for line in today if not line.startswith("#")} - set(lines) == {"--perturb_init=0"}
