"""Every comparison is that of the statistics, on the right numbers; identical comes first."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
from study import synthetic_runs as made

from mrjax.study.gather.collected import means
from mrjax.study.gather.loading import load
from mrjax.study.report import names, questions, training
from mrjax.study.report.analysis import analyse

ARMS = (
    made.arm("bfloat16", "dtype"),
    made.arm("init", "init"),
    made.arm("threads_1", "threads"),
    made.arm("infer_baseline", "baseline", kind="inference"),
    made.arm("infer_isa", "isa", kind="inference"),
)


def shifted(run, found):
    """bfloat16 is worse by about 0.1; one inference differs a little in one subject."""
    values = found["metrics"]["nrmse"]
    if run.arm == "bfloat16":
        return found | {"metrics": {"nrmse": [v + 0.1 + 0.001 * run.replicate for v in values]}}
    if run.arm.startswith("infer"):
        values = np.linspace(0.4, 0.5, 8)
        values[0] *= 1.001 if run.arm == "infer_isa" else 1.0
        digest = {"predictions": made.sha(run.arm)}
        return found | {
            "metrics": {"nrmse": values.tolist()},
            "digests": found["digests"] | digest,
        }
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    made.make(folder, made.study(ARMS, 5), steps=5, change=shifted)
    return analyse(load(folder))


def effect(found, name):
    return next(e for e in found.effects if e.arm.name == name)


def test_tests_are_those_of_scipy_on_run_means(found):
    one = effect(found, "bfloat16")
    x, y = (means(found.collected.of(arm), "nrmse") for arm in ("baseline", "bfloat16"))
    assert one.paired and one.verdict == "shifted"
    assert one.shift.p == pytest.approx(stats.ttest_rel(y, x).pvalue)
    assert one.margin.margin == pytest.approx(0.02 * x.mean())
    assert one.spread.arm.sd == pytest.approx(np.std(y, ddof=1))
    a, b = (found.collected.of(arm)[0].metrics["nrmse"] for arm in ("baseline", "bfloat16"))
    assert one.conditional.p == pytest.approx(stats.ttest_rel(b, a).pvalue)
    assert one.conditional.label == "conditional on these two trainings"


def test_identical_arms_are_called_so_and_not_tested(found):
    one = effect(found, "threads_1")
    assert one.identical and one.verdict == "identical, bit for bit"
    assert one.shift.p is None and one.p_shift is None and one.spread.p is None
    assert one.first_steps == (0,) * 5


def test_equal_networks_with_other_numbers_are_not_identical(found):
    one = effect(found, "threads_1")
    other = dataclasses.replace(one, runs=one.runs + 1e-9)
    assert not other.identical


def test_a_draw_has_no_level_to_test(found):
    one = effect(found, "init")
    assert one.shift is None and one.spread.p is not None
    assert one.verdict == "a draw: no level to test"


def test_holm_is_over_arms_that_were_tested(found):
    tested = [e for e in found.effects if e.spread.p is not None]
    assert {e.arm.name for e in tested} == {"bfloat16", "init"}
    least = min(tested, key=lambda e: e.spread.p)
    assert least.p_spread == pytest.approx(min(1.0, 2 * least.spread.p))
    assert effect(found, "bfloat16").p_shift == effect(found, "bfloat16").shift.p


def test_inference_is_compared_with_that_under_the_baselines_flags(found):
    same, other = found.inferences
    assert same.reference.arm == "infer_baseline" and same.identical and not same.changes.any()
    assert not other.identical
    np.testing.assert_allclose(other.changes[:, 0], 0.001)
    assert not other.changes[:, 1:].any()


def test_without_such_an_arm_the_trained_run_is_the_reference(tmp_path):
    arms = [made.arm("infer_isa", "isa", kind="inference")]
    made.make(tmp_path, made.study(arms, 2), steps=5)
    (one,) = analyse(load(tmp_path)).inferences
    assert (one.reference.arm, one.reference.label) == ("baseline", "000")


def test_pairs_are_those_of_runs_that_both_exist(tmp_path):
    made.make(tmp_path, made.study([made.arm("bfloat16", "dtype")], 4), steps=5)
    (tmp_path / "runs/bfloat16/001/result.json").unlink()
    (one,) = analyse(load(tmp_path)).effects
    whole = means(load(tmp_path).baseline, "nrmse")
    np.testing.assert_array_equal(one.baseline, whole[[0, 2, 3]])
    assert one.margin.margin == pytest.approx(0.02 * whole.mean())


def test_equal_seeds_make_no_pairs(tmp_path):
    planned = made.study([made.arm("bfloat16", "dtype")], 3, pairing="repetition")
    made.make(tmp_path, planned, steps=5)
    (one,) = analyse(load(tmp_path)).effects
    assert not one.paired and one.shift.test == "Welch t-test over runs"


def test_equal_runs_are_identical_also_if_one_is_missing(tmp_path):
    planned = made.study([made.arm("same", "dtype")], 3, pairing="repetition")
    fixed = {name: made.sha(name) for name in ("init", "order", "data", "params", "predictions")}
    equal = {"metrics": {"nrmse": [0.4] * 8}, "digests": fixed}
    made.make(tmp_path, planned, steps=5, change=lambda run, found: found | equal)
    (tmp_path / "runs/same/001/result.json").unlink()
    (one,) = analyse(load(tmp_path)).effects
    assert one.identical and one.verdict == "identical, bit for bit"


def test_a_baseline_without_any_error_has_no_relative_margin(tmp_path):
    def perfect(run, found):
        values = [0.0] * 8 if run.arm == "baseline" else found["metrics"]["nrmse"]
        return found | {"metrics": {"nrmse": values}}

    made.make(tmp_path, made.study([made.arm("a", "dtype")], 3), steps=5, change=perfect)
    found = analyse(load(tmp_path))
    assert found.margin is None and found.effects[0].verdict == "shifted"
    assert questions.shift_table(found).shown()[0][4] == "–"
    assert training.figures(tmp_path, found) == ["effect_training"]


def test_a_study_without_a_baseline_has_no_effects(tmp_path):
    made.make(tmp_path, made.study([made.arm("bfloat16", "dtype")], 2), steps=5)
    for path in tmp_path.glob("runs/baseline/*/result.json"):
        path.unlink()
    found = analyse(load(tmp_path))
    assert found.effects == () and found.sigma is None and found.margin is None


def test_every_source_has_words():
    from mrjax.study.plan.sources import SOURCES

    assert set(SOURCES) <= set(names.SOURCES)


def test_changes_have_the_margins_unit():
    relative = made.study([])
    absolute = made.study([], metric="dice", margin=0.01, margin_kind="absolute")
    assert names.change(relative, 0.01, 0.5) == 2.0 and "%" in names.change_label(relative)
    assert names.change(absolute, 0.01, 0.5) == 0.01 and "%" not in names.change_label(absolute)
