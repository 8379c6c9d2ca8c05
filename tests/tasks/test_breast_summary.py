"""The plan of a repeated cross-validation, and its summary."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from scipy import stats

from mrjax import config as configs
from mrjax.config.fields import MAX_SEED
from mrjax.tasks.breast import crossval, summary
from mrjax.tasks.breast.config import Config


def plan(**changes) -> list[crossval.Child]:
    return list(crossval.plan(Config(folds=3, repetitions=2, **changes), Path("/w")))


def test_every_fold_of_every_repetition_has_a_folder_of_its_own():
    children = plan()
    assert [c.name for c in children] == [
        f"repetition_{r:03d}/fold_{k:02d}" for r in range(2) for k in range(3)
    ]
    assert [c.config.fold for c in children] == [0, 1, 2, 0, 1, 2]
    assert [c.config.repetition for c in children] == [0, 0, 0, 1, 1, 1]
    assert children[4].config.workdir == "/w/repetition_001/fold_01"
    assert len({configs.digest(c.config) for c in children}) == 6


def test_repetitions_of_a_whole_cross_validation_are_other_runs_in_equal_folders():
    first, second = plan(), plan(repetition=1)
    assert [c.name for c in first] == [c.name for c in second]
    assert [c.config.repetition for c in second] == [2, 2, 2, 3, 3, 3]
    assert len({configs.digest(c.config) for c in first + second}) == 12


@pytest.mark.parametrize(
    ("vary", "init", "order"),
    [("none", 5, 5), ("init", 6, 5), ("order", 5, 6), ("all", 6, 6)],
)
def test_what_varies_between_repetitions(vary, init, order):
    first, second = (c.config for c in plan(vary=vary, seed=5)[::3])
    for seeds in (("init", 5, init), ("order", 5, order), ("data", 5, 5), ("fold", 5, 5)):
        stream, before, after = seeds
        assert (first.seed_for(stream), second.seed_for(stream)) == (before, after)


def test_seeds_wrap_round_and_more_repetitions_keep_the_children():
    last = plan(vary="init", seed_init=MAX_SEED)[3].config
    assert last.seed_init == 0
    many = list(crossval.plan(Config(folds=3, repetitions=9, vary="all"), Path("/w")))
    few = list(crossval.plan(Config(folds=3, repetitions=2, vary="all"), Path("/w")))
    assert many[: len(few)] == few


def test_interval_is_the_order_statistics():
    """With 12 values it reaches from the third to the tenth: P(2 < B < 10) = 0.9614."""
    values = np.random.default_rng(0).permutation(np.arange(12.0))
    assert summary.interval(values.tolist()) == (5.5, 2.0, 9.0)
    assert stats.binom(12, 0.5).cdf(9) - stats.binom(12, 0.5).cdf(2) > 0.95
    assert summary.interval([0.1, 0.2, 0.3, 0.4, 0.5]) == (0.3, None, None)
    assert summary.interval([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) == (0.35, 0.1, 0.6)


def result(subjects: list[str], network: list[float], threshold: list[float]) -> dict:
    return {
        "subjects": subjects,
        "metrics": {"dice": network},
        "baselines": {"threshold": {"dice": threshold}},
    }


def test_patients_are_gathered_by_name_over_folds():
    folds = [
        result(["b", "d"], [0.2, 0.4], [0.6, 0.7]),
        result(["a", "c"], [0.1, 0.3], [0.5, 0.8]),
        result(["a", "c"], [0.11, 0.31], [0.5, 0.8]),
        result(["b", "d"], [0.21, 0.41], [0.6, 0.7]),
    ]
    found = summary.gather(folds, 2)
    assert found.patients == ["a", "b", "c", "d"]
    assert found.network == [[0.1, 0.2, 0.3, 0.4], [0.11, 0.21, 0.31, 0.41]]
    assert found.threshold == [[0.5, 0.6, 0.8, 0.7]] * 2


def test_tables_are_the_papers():
    intervals = [summary.Interval(0.9580, 0.9524, 0.9637), summary.Interval(0.9, None, None)]
    lines = "Repetition,DSC [%],LB,UB", "Rep.01,95.80,95.24,96.37", "Rep.02,90.00,-,-"
    assert summary.as_csv(intervals).splitlines() == list(lines)
    tex = summary.as_tex(intervals)
    assert "Rep.01 & 95.80 & 95.24 & 96.37 \\\\" in tex and "DSC [\\%]" in tex
    gathered = summary.Repetitions(["a"], [[0.9], [0.9]], [[0.7], [0.7]])
    text = summary.as_text(gathered, intervals[1:])
    assert "1 patients are too few for a 95% interval" in text and "threshold" in text
    assert "too few" not in summary.as_text(gathered, intervals)


def test_the_process_of_a_cross_validation_imports_no_jax():
    code = (
        "import sys; from mrjax.tasks import program;"
        "from mrjax.tasks.breast import crossval, figures, summary;"
        "assert not {'jax', 'flax', 'optax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
