"""Run folders are read once, exactly, and never repaired; what is wrong with one is said."""

import csv
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from study import synthetic_runs as made

from mrjax.errors import UserError
from mrjax.runs import digests, result
from mrjax.study.gather import csvfiles
from mrjax.study.gather.loading import load
from mrjax.study.gather.reading import facts
from mrjax.study.gather.unplanned import load_roots
from mrjax.study.report import overview
from mrjax.study.report.analysis import analyse

FILES = (csvfiles.RESULTS, csvfiles.DIGEST_TABLE, csvfiles.TIMING, csvfiles.ENVIRONMENT)


@pytest.fixture
def study_dir(tmp_path):
    arms = [
        made.arm("init", "init"),
        made.arm("same", "repetition"),
        made.arm("infer", "threads", kind="inference"),
        made.arm("gpu", "device", problem="needs a GPU"),
    ]
    made.make(tmp_path / "s", made.study(arms, replicates=3), steps=20)
    return tmp_path / "s"


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_run_and_subject(study_dir):
    found = load(study_dir)
    csvfiles.write(study_dir, found)
    table = rows(study_dir / "results.csv")
    assert len(table) == 4 * 3 * 8
    one = table[8 + 3]  # second run of the baseline, fourth subject
    result = json.loads((study_dir / "runs/baseline/001/result.json").read_text())
    assert (one["arm"], one["label"], one["subject"]) == ("baseline", "001", "brain3")
    assert float(one["nrmse"]) == result["metrics"]["nrmse"][3]
    assert one["dice"] == "" and one["params"] == result["digests"]["params"]
    assert [p.what for p in found.problems] == ["needs a GPU"]
    assert found.planned == {"baseline": 3, "init": 3, "same": 3, "infer": 3}


def test_the_same_runs_give_the_same_bytes(study_dir, tmp_path):
    csvfiles.write(study_dir, load(study_dir))
    before = {name: (study_dir / name).read_bytes() for name in FILES}
    other = tmp_path / "elsewhere"
    shutil.copytree(study_dir, other)
    lines = (other / "runs.jsonl").read_text().splitlines(keepends=True)
    (other / "runs.jsonl").write_text("".join(reversed(lines)))
    csvfiles.write(other, load(other))
    assert {name: (other / name).read_bytes() for name in FILES} == before
    result = other / "runs/init/000/result.json"
    result.write_text(result.read_text().replace('"nrmse": [0.4', '"nrmse": [0.5', 1))
    csvfiles.write(other, load(other))
    assert (other / "results.csv").read_bytes() != before["results.csv"]


def test_results_hold_no_time_and_no_place(study_dir):
    csvfiles.write(study_dir, load(study_dir))
    for name in ("results.csv", "digests.csv"):
        text = (study_dir / name).read_text()
        assert "node1" not in text and str(study_dir) not in text
    before = (study_dir / "results.csv").read_bytes()
    result = study_dir / "runs/init/000/result.json"
    result.write_text(result.read_text().replace('"train": 4.0', '"train": 5.0'))
    csvfiles.write(study_dir, load(study_dir))
    assert (study_dir / "results.csv").read_bytes() == before
    assert rows(study_dir / "timing.csv")[3]["train_seconds"] == "5.0"


def damage(study_dir, name, old, new):
    path = study_dir / "runs/init/001" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("result.json", '"steps": 20', '"steps": ', "result.json is damaged"),
        ("result.json", '"jax"', '""', "framework"),
        ("result.json", '"nrmse": [', '"nrmse": ["0.4", ', "8 numbers"),
        ("result.json", '"steps": 20', '"steps": 21', "20 steps"),
        ("ledger.jsonl", '"step":20', '"step":19', "ascending"),
        ("ledger.jsonl", '"step":7', '"step":', "line 7 is damaged"),
        ("ledger.jsonl", '{"step":7', 'x{"step":7', "line 7 is damaged"),
        ("ledger.jsonl", '"batch":"', '"batch":"x', "ledger line"),
        ("config.json", '"digest": "', '"digest": "x', "digest"),
        ("environment.json", "{", "", "environment"),
        ("environment.json", '"Linux"', '"\\udc80"', "environment.json is damaged"),
        ("environment.json", '"Linux"', "[" * 100_000, "environment.json is damaged"),
        ("result.json", '"jax"', '"\\ud800"', "result.json is damaged"),
        ("result.json", '"jax"', "[" * 100_000, "result.json is damaged"),
        ("result.json", '"steps": 20', f'"steps": 1{"0" * 400}', "number of updates"),
        ("result.json", '"nrmse": [', f'"nrmse": [1{"0" * 400}, ', "8 numbers"),
        ("result.json", '"train": 4.0', f'"train": 1{"0" * 400}', "duration"),
        ("ledger.jsonl", '"step":7', f'"step":7{"0" * 30}', "line 7 is damaged"),
        ("ledger.jsonl", '"loss":', f'"x":{"[" * 100_000},"loss":', "line 1 is damaged"),
        ("ledger.jsonl", '"loss":', '"x":"\\ud800","loss":', "line 1 is damaged"),
        ("ledger.jsonl", '"loss_hex":"0x1.', '"loss_hex":"0x1.0p+9999","y":"0x1.', "ledger line"),
    ],
)
def test_a_damaged_run_is_named_and_left_out(study_dir, name, old, new, words):
    damage(study_dir, name, old, new)
    found = load(study_dir)
    assert [unit.label for unit in found.of("init")] == ["000", "002"]
    (problem,) = (p for p in found.problems if p.label)
    assert (problem.arm, problem.label) == ("init", "001")
    assert words in problem.what and "\n" not in problem.what


def test_a_truncated_ledger_is_damage(study_dir):
    path = study_dir / "runs/init/001/ledger.jsonl"
    path.write_text(path.read_text()[:-30])
    found = load(study_dir)
    assert len(found.of("init")) == 2
    assert "19 steps, the last is 19; expected the 20" in found.problems[1].what


def test_an_unfinished_run_is_named_with_the_end_of_its_log(study_dir):
    (study_dir / "runs/init/002/result.json").unlink()
    (study_dir / "runs/same/002/result.json").unlink()
    (study_dir / "logs").mkdir()
    (study_dir / "logs/init_002.log").write_text("step 3\nerror: loss is nan at step 4\n\n")
    found = load(study_dir)
    told = {p.arm: p.what for p in found.problems if p.label}
    assert told["init"] == "not finished; its log ends: error: loss is nan at step 4"
    assert "not started" in told["same"]


def test_no_finished_run_is_one_line(study_dir):
    for path in study_dir.glob("runs/*/*/result.json"):
        path.unlink()
    with pytest.raises(UserError, match="no finished run") as caught:
        load(study_dir)
    assert "\n" not in str(caught.value)


def test_what_a_killed_collect_left_is_removed(study_dir):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    paths = [study_dir / f".results.csv.{number}.tmp" for number in (dead.pid, os.getppid())]
    for path in paths:
        path.write_text("arm")
        path.chmod(0o444)
    csvfiles.write(study_dir, load(study_dir))
    assert [path.exists() for path in paths] == [False, True]


def test_an_unwritable_study_is_one_line(study_dir):
    (study_dir / "results.csv").mkdir()
    with pytest.raises(UserError, match="not writable"):
        csvfiles.write(study_dir, load(study_dir))


def test_curves_are_compared_with_the_baseline_of_the_same_replicate(study_dir):
    found = load(study_dir)
    init, same = found.of("init")[1].curve, found.of("same")[1].curve
    assert (init.partner, same.partner) == ("001", "001")
    assert (init.first_step, init.first_field) == (1, "loss_hex")
    assert init.difference.max() > 0 and len(init.difference) == 20
    # The digests of a run that repeats the baseline repeat too.
    assert same.first_step == 0 and not same.difference.any()
    assert found.baseline[1].curve.partner == ""
    assert found.of("infer")[0].curve is None
    assert found.of("infer")[0].reference == "runs/baseline/000"


def test_with_equal_seeds_the_baseline_is_compared_with_its_first_run(tmp_path):
    made.make(tmp_path, made.study([], 2, pairing="repetition"), steps=5)
    first, second = load(tmp_path).baseline
    assert (first.curve.partner, second.curve.partner) == ("", "000")


def parent(repetitions):
    """A cross-validation's result, Dice of patient p in repetition r being (p + r) / 10."""
    names = [f"repetition_{r:03d}" for r in range(repetitions)]
    table = {f"p{p}": [(p + r) / 10 for r in range(repetitions)] for p in range(4)}
    return made.content(np.zeros(repetitions), {}, 10) | {
        "subjects": names,
        "metrics": {"dice": [0.5] * repetitions},
        "baselines": {"threshold": {"dice": [0.4] * repetitions}},
        "children": [f"{name}/fold_{k:02d}" for name in names for k in range(2)],
        "extra": {"patients": {"network": table, "threshold": table}},
    }


def crossvalidation(folder, repetitions):
    found = parent(repetitions)
    made.write_run(folder, found, environment=made.ENVIRONMENT | {"backend": {}})
    for name in found["children"]:
        child = made.content(np.ones(2), {"params": name}, 10)
        made.write_run(folder / name, child, made.ledger_text(np.ones(10), name))
    return found


def test_a_repetition_of_a_crossvalidation_is_a_unit(tmp_path):
    crossvalidation(tmp_path / "breast" / "000", 2)
    units = load_roots([tmp_path], metric="dice").units
    assert [unit.part for unit in units] == ["repetition_000", "repetition_001"]
    assert units[1].subjects == ("p0", "p1", "p2", "p3")
    np.testing.assert_array_equal(units[1].metrics["dice"], [0.1, 0.2, 0.3, 0.4])
    folds = [made.sha("params", f"repetition_001/fold_{k:02d}") for k in range(2)]
    assert units[1].digests["params"] == digests.combine(folds)
    # The summary's process knows no backend; its folds do.
    assert units[0].environment["device"] == "cpu"
    assert len(units[0].curve.steps) == 10
    folders = [unit.training.relative_to(tmp_path / "breast" / "000") for unit in units]
    assert [str(folder) for folder in folders] == [f"repetition_00{i}/fold_00" for i in range(2)]


def test_one_repetition_needs_no_part(tmp_path):
    found = crossvalidation(tmp_path / "breast" / "000", 1)
    (unit,) = load_roots([tmp_path]).units
    assert unit.part == "" and unit.digests == found["digests"]


def test_a_step_of_a_crossvalidation_is_a_step_of_one_fold(tmp_path):
    crossvalidation(tmp_path / "breast" / "000", 1)
    table = overview.speed(load_roots([tmp_path]))
    place = [column.title for column in table.columns].index("training step [ms]")
    # 4 s for the 10 steps of both folds.
    assert table.rows[0][place] == 200.0


def test_a_foreign_environment_may_say_anything():
    empty = facts({})
    assert set(empty.values()) == {"", "0"}
    strange = {"cpu": 3, "backend": {"versions": ["x"], "xla_flags_seen": "-x"}, "resumed_with": 1}
    assert facts(strange) == empty | {"flags": "-x"}
    assert facts({"backend": {"xla_flags_seen": []}})["flags"] == "none"
    assert facts({"backend": {"device_kind": "a\nb", "gpu": {"b": 1, "a": 2}}}) == empty | {
        "device": "a b",
        "gpu": '{"a": 2, "b": 1}',
    }


def test_a_wrong_table_of_patients_is_damage(tmp_path):
    crossvalidation(tmp_path / "runs/breast/000", 1)
    planned = made.study([], 1)
    made.make(tmp_path, planned, steps=2)
    bad = parent(1)
    for value in (None, 10**400):
        bad["extra"]["patients"]["network"]["p1"] = [value]
        (tmp_path / "runs/baseline/000/result.json").write_text(json.dumps(bad))
        with pytest.raises(UserError, match=r"extra\.patients"):
            load(tmp_path)


def configure(folder, **settings):
    """Settings in a config.json of mrjax's own."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"config": settings}))
    (folder / "flags.txt").write_text("")


def left_out(study_dir) -> list[str]:
    return [p.what for p in load(study_dir).problems if p.label]


def test_a_run_in_the_folder_of_another_is_damage(study_dir):
    runs = study_dir / "runs"
    for label in ("000", "001"):
        configure(runs / "init" / label, workdir=f"/elsewhere/runs/init/{label}")
    assert not left_out(study_dir)
    shutil.rmtree(runs / "init/001")
    shutil.copytree(runs / "init/000", runs / "init/001")
    (what,) = left_out(study_dir)
    assert "init/001 holds the run of init/000; expected" in what and "remove or move" in what
    # Folders without a plan may be called anything.
    assert not load_roots([runs]).problems


def test_a_result_of_another_run_is_damage(study_dir):
    folder = study_dir / "runs/init/001"
    found = result.read(folder)
    result.write(folder, found)
    assert not left_out(study_dir)
    shutil.copy(folder / "result.json", study_dir / "runs/same/000")
    (what,) = left_out(study_dir)
    assert "same/000/result.json is of a run with other settings than config.json" in what


def test_a_run_of_ours_has_a_ledger(study_dir):
    (study_dir / "runs/init/001/ledger.jsonl").unlink()
    assert not left_out(study_dir)
    (study_dir / "runs/init/001/flags.txt").write_text("")
    (what,) = left_out(study_dir)
    assert "ledger.jsonl cannot be read" in what


def test_folders_from_anywhere_tell_inference_from_training(study_dir, tmp_path):
    runs = study_dir / "runs"
    for folder in sorted((runs / "infer").iterdir()):
        configure(folder, from_run=str(runs / "baseline/000/repetition_000"))
    found = load_roots([runs])
    assert {arm.name for arm in found.study.arms if arm.kind == "inference"} == {"infer"}
    assert {unit.reference for unit in found.of("infer")} == {"baseline/000"}
    analysis = analyse(found)
    assert [effect.arm.name for effect in analysis.effects] == ["init", "same"]
    (inference,) = analysis.inferences
    reference = inference.reference
    assert (reference.arm, reference.label, reference.part) == ("baseline", "000", "")
    shutil.copytree(runs / "infer", tmp_path / "a/again")
    alone = analyse(load_roots([runs / "infer", tmp_path / "a"], baseline="infer"))
    assert not alone.effects and [one.arm.name for one in alone.inferences] == ["again"]


def test_a_damaged_first_run_does_not_hide_the_others(study_dir):
    (study_dir / "runs/baseline/000/result.json").write_text("{")
    (problem,) = load_roots([study_dir]).problems
    assert problem.label == "000" and "damaged" in problem.what


def test_unfinished_folders_from_anywhere_are_passed_over(tmp_path):
    for label in ("000", "001"):
        made.write_run(tmp_path / "a" / label, made.content(np.ones(2), {}, 0))
    (tmp_path / "a" / "000" / "result.json").unlink()
    found = load_roots([tmp_path])
    assert [unit.label for unit in found.units] == ["001"] and not found.problems


def test_folders_from_anywhere(study_dir, tmp_path):
    made.make(tmp_path / "t", made.study([made.arm("init", "init")], 2), steps=4)
    found = load_roots([study_dir, tmp_path / "t"])
    assert {arm.name for arm in found.study.arms} == {"baseline", "infer", "init", "same"}
    assert [unit.label for unit in found.of("init")] == ["000", "000~2", "001", "001~2", "002"]
    assert [unit.replicate for unit in found.of("init")] == [0, 1, 2, 3, 4]
    assert found.study.pairing == "" and load_roots([study_dir], paired=True).study.pairing
    other = load_roots([study_dir], baseline="init")
    assert other.baseline[0].folder.parent.name == "init"
    assert {arm.name for arm in other.study.arms} == {"baseline", "baseline_", "infer", "same"}


@pytest.mark.parametrize(
    ("roots", "options", "words"),
    [
        (["absent"], {}, "is no folder"),
        ([], {}, "no finished run"),
        (["s"], {"baseline": "nonsense"}, "no run of the baseline"),
    ],
)
def test_wrong_roots_are_one_line(study_dir, tmp_path, roots, options, words):
    with pytest.raises(UserError, match=words) as caught:
        load_roots([tmp_path / root for root in roots], **options)
    assert "\n" not in str(caught.value)
