"""Sentences of the report are true of the runs it was made from."""

import numpy as np
import pytest
from study import synthetic_runs as made

from mrjax.study.gather.loading import load
from mrjax.study.report import inference, methods, overview, questions, words
from mrjax.study.report.analysis import analyse


def shifted(run, found):
    """Runs that scatter; wide ones three times as much, and one inference that differs a bit."""
    rng = np.random.default_rng(run.replicate)
    level = rng.normal(size=8) + 10 * rng.normal()
    if run.arm == "wide":
        level = 3 * level + 0.1 * np.random.default_rng(9 + run.replicate).normal(size=8)
    if run.arm.startswith("infer"):
        level = np.linspace(-9, 9, 8) + (run.arm == "infer_b") * np.arange(8)
    return found | {"metrics": {"nrmse": (0.4 + 0.001 * level).tolist()}}


@pytest.fixture
def folder(tmp_path):
    arms = (
        made.arm("wide", "isa"),
        made.arm("infer_baseline", "baseline", kind="inference"),
        made.arm("infer_b", "isa", kind="inference"),
    )
    made.make(tmp_path, made.study(arms, 5), steps=5, change=shifted)
    return tmp_path


def test_a_changed_spread_is_said_with_its_size(folder):
    (said,) = (text for text in words.findings(analyse(load(folder))) if "spread over runs" in text)
    assert "wide (3" in said and "times the baseline's)" in said


def test_tests_are_named_that_were_made(folder):
    """Runs without a partner are not compared in pairs, whatever the plan says."""
    text = methods.paragraphs(analyse(load(folder)))[2]
    assert "paired t-tests over runs, effect" in text and "Welch" not in text
    assert "two one-sided" in text and "All tests but those of equivalence are two-sided" in text
    for place, run in (("baseline", "000"), ("baseline", "001"), ("baseline", "002")):
        (folder / f"runs/{place}/{run}/result.json").unlink()
    for run in ("003", "004"):
        (folder / f"runs/wide/{run}/result.json").unlink()
    text = methods.paragraphs(analyse(load(folder)))[2]
    assert "Welch's t-test over runs, effect" in text and "paired t-tests over runs" not in text
    assert "the F test of variances" in text and "Pitman" not in text


def test_a_plan_without_margin_tests_no_equivalence(tmp_path):
    arms = [made.arm("a", "isa")]
    made.make(tmp_path, made.study(arms, 3, margin=0.0), steps=5, change=shifted)
    found = analyse(load(tmp_path))
    assert found.margin is None and found.effects[0].margin is None
    assert "equivalence: not tested" in methods.paragraphs(found)[2]
    assert questions.shift_table(found).rows


def test_columns_of_inference_say_what_they_hold(folder):
    found = analyse(load(folder))
    table = inference.table(found)
    row = dict(zip((column.title for column in table.columns), table.rows[1], strict=True))
    a, b = (found.collected.of(arm)[0].metrics["nrmse"] for arm in ("infer_baseline", "infer_b"))
    assert row["mean change of NRMSE [%]"] == pytest.approx(100 * np.mean((b - a) / a))
    low, high = map(float, row["95 % interval of the difference of NRMSE"].split(" to "))
    assert low < np.mean(b - a) < high


def test_an_arms_interpreter_and_program_are_among_its_levels(tmp_path):
    import dataclasses

    arm = dataclasses.replace(made.arm("old", "software"), python="/opt/python3.11")
    made.make(tmp_path, made.study([arm], 2), steps=5)
    rows = {row[1]: row for row in overview.sources(load(tmp_path)).rows}
    assert rows["old"][3] == "python=/opt/python3.11"
    assert rows["baseline"][3] == "--preset=tiny"


def test_means_over_some_subjects_and_runs_of_other_tasks_are_named(tmp_path):
    def change(run, found):
        values = list(found["metrics"]["nrmse"])
        if run.workdir == "runs/a/001":
            values[3] = None
        other = {"experiment": "varnet"} if run.workdir == "runs/a/000" else {}
        return found | {"metrics": {"nrmse": values}} | other

    made.make(tmp_path, made.study([made.arm("a", "isa")], 2), steps=5, change=change)
    some, foreign = overview.mixtures(load(tmp_path))
    assert "no NRMSE for some subjects" in some and some.endswith("first a 001")
    assert foreign == "1 runs are of varnet, not of qsm, first a 000"
