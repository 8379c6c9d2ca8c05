"""Two sets of runs: matched, judged as pairs only where they are, and refused in one line."""

import json
import shutil

import numpy as np
import pytest
from scipy import stats
from study import two_sets

from mrjax.errors import UserError
from mrjax.study import compare
from mrjax.study.compare import summary, words
from mrjax.study.gather import unplanned
from mrjax.study.gather.collected import means
from mrjax.study.report.analysis import analyse


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    return two_sets.make(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def sides(roots):
    return compare.load(*roots)


@pytest.fixture
def copies(roots, tmp_path):
    """The sets, to be spoiled."""
    return tuple(shutil.copytree(root, tmp_path / "s" / "runs" / root.name) for root in roots)


def table(sides) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in summary.table(sides, analyse(sides.collected)).rows}


def test_runs_of_equal_labels_are_pairs(sides):
    assert [(a.label, b.label) for a, b in sides.pairs] == [(f"00{i}",) * 2 for i in range(4)]
    assert all((a.arm, b.arm) == ("baseline", "pytorch") for a, b in sides.pairs)
    assert sides.equal == {"init": 4, "order": 4, "data": 4, "params": 0, "predictions": 0}
    assert "4 of 4 pairs share init, order, data" in words.about(sides)[2]
    assert sides.collected.study.arm("pytorch").source == "framework"


def test_fair_pairs_are_tested_as_pairs(sides):
    found = analyse(sides.collected).effects[0]
    x, y = (means(sides.collected.of(arm), "nrmse") for arm in ("baseline", "pytorch"))
    assert found.shift.p == pytest.approx(stats.ttest_rel(y, x).pvalue)
    percent = 100 * (y - x).mean() / x.mean()
    a, b, told = table(sides)["NRMSE, mean of runs"]
    assert (a, b) == (f"{x.mean():.4g}", f"{y.mean():.4g}") and f"change {percent:+.3g} %" in told
    near = found.margin
    assert near.margin == pytest.approx(0.02 * x.mean())
    assert f"power of that test {near.power:.2f}" in table(sides)["equivalence of the mean"][2]


@pytest.mark.parametrize("digest", ["init", "order", "data"])
def test_one_pair_that_starts_otherwise_and_none_is_a_pair(copies, digest):
    two_sets.change(copies[1] / "002" / "result.json", digests={digest: "0" * 64})
    sides = compare.load(*copies)
    assert not sides.fair and sides.equal[digest] == 3
    assert "3 of 4" in words.about(sides)[-1] and "not compared as pairs" in words.about(sides)[-1]
    found = analyse(sides.collected).effects[0]
    x, y = (means(sides.collected.of(arm), "nrmse") for arm in ("baseline", "pytorch"))
    assert found.shift.p == pytest.approx(stats.ttest_ind(y, x, equal_var=False).pvalue)


def test_other_weights_at_the_end_leave_pairs_as_they_are(sides, copies):
    two_sets.change(copies[1] / "002" / "result.json", digests={"params": "0" * 64})
    assert compare.load(*copies).fair


def test_a_set_compared_with_itself_is_identical(roots):
    same = compare.load(roots[0], roots[0])
    found = analyse(same.collected).effects[0]
    assert same.arm == "B" and found.identical and same.equal["params"] == 4
    assert same.collected.study.arm("B").source == "repetition"
    told = words.findings(same, analyse(same.collected), compare.distances.compute(same))
    assert "trained weights are equal in 4 of 4 pairs, outputs in 4" in told[0]
    assert "agree in every step" in told[1] and "identical, bit for bit" in told[2]


def test_costs_are_medians_of_runs(sides):
    costs = table(sides)
    # Steps of 10 and 20 ms; the first ones, of 5 and 10 s, do not count.
    assert costs["training step, median [ms]"] == ("10", "20", "B/A 2.00")
    assert costs["peak memory [MB]"] == ("900", "300", "B/A 0.33")


@pytest.mark.parametrize(
    "load, reason",
    [
        ({"cores": 2, "begin": 0.5, "end": 5.1}, "busy in 1 of 8 runs (load up to 5.1 on 2 cores)"),
        ({"cores": 2, "begin": 2.6, "end": 1}, "busy in 1 of 8 runs (load up to 2.6 on 2 cores)"),
        (None, "how busy the machine was is not recorded for 1 of 8 runs"),
    ],
)
def test_times_of_a_busy_machine_are_no_ratio(sides, copies, load, reason):
    path = copies[1] / "002" / "result.json"
    found = {k: v for k, v in json.loads(path.read_text()).items() if k != "load"}
    path.write_text(json.dumps(found | ({"load": load} if load else {})))
    spoiled = compare.load(*copies)
    marked = table(spoiled)["training step, median [ms]"]
    assert marked == ("10", "20", "B/A 2.00 (not meaningful)")
    assert table(spoiled)["peak memory [MB]"][2] == "B/A 0.33"
    for one, expected in ((spoiled, True), (sides, False)):
        found = analyse(one.collected)
        told = " ".join(words.findings(one, found, compare.distances.compute(one)))
        for text in (told, summary.table(one, found).title, compare.speed.table(one).title):
            assert ("not meaningful" in text) is expected and (reason in text) is expected


def test_inference_is_called_what_it_is(copies, sides):
    assert "inference [s]" in table(sides)
    path = copies[0] / "002" / "result.json"
    found = json.loads(path.read_text())
    del found["seconds"]["classical"]
    path.write_text(json.dumps(found))
    assert "inference, first use and classical methods [s]" in table(compare.load(*copies))


def test_unfinished_and_unmatched_runs_are_left_out_and_named(copies):
    (copies[0] / "000" / "result.json").unlink()
    shutil.rmtree(copies[1] / "001")
    (copies[1] / "002" / "ledger.jsonl").write_text("{}\n")
    sides = compare.load(*copies)
    assert [a.label for a, _ in sides.pairs] == ["003"]
    problems = {(p.arm, p.label): p.what for p in sides.collected.problems}
    assert set(problems) == {("baseline", "000"), ("pytorch", "002")}
    assert "not finished" in problems["baseline", "000"]
    told = words.findings(sides, analyse(sides.collected), compare.distances.compute(sides))
    assert "(c) Too few runs to speak of a spread." in told
    assert any(line.startswith("(b)") and "too few runs" in line for line in told)


def test_a_damaged_first_run_is_left_out_and_named(copies):
    (copies[0] / "000" / "result.json").write_text("{")
    sides = compare.load(*copies)
    assert [a.label for a, _ in sides.pairs] == ["001", "002", "003"]
    assert [(p.arm, p.label) for p in sides.collected.problems] == [("baseline", "000")]


def test_folds_of_an_unfinished_run_are_no_runs(copies):
    fold = shutil.copytree(copies[0] / "001", copies[0] / "000" / "fold_00")
    (copies[0] / "000" / "result.json").unlink()
    assert fold not in set(unplanned.run_folders(copies[0]))
    assert [a.label for a, _ in compare.load(*copies).pairs] == ["001", "002", "003"]


def refused(*folders, words: str, **choices) -> None:
    with pytest.raises(UserError, match="expected") as caught:
        compare.load(*folders, **choices)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_what_cannot_be_compared_is_refused_in_one_line(roots, copies, tmp_path):
    refused(tmp_path / "gone", roots[1], words="no folder")
    refused(roots[0].parent, roots[1], words="in several folders")
    refused(roots[0] / "000", roots[1], words="no label is in both")
    refused(*roots, metric="dice", words="nrmse, ssim")
    (tmp_path / "empty").mkdir()
    refused(roots[0], tmp_path / "empty", words=f"no finished run in {tmp_path / 'empty'}")
    results = [copies[1] / f"00{i}" / "result.json" for i in range(4)]
    two_sets.change(results[1], subjects=["somebody", *(f"brain{n}" for n in range(1, 8))])
    refused(*copies, words="different subjects")
    for path in results:
        two_sets.change(path, experiment="varnet")
    refused(*copies, words="runs of qsm")
    for path in results:
        path.write_text("{}")
    refused(*copies, words="no pair of runs could be read")
    for path in results:
        path.unlink()
    refused(*copies, words="no finished run")


def test_numbers_do_not_depend_on_where_the_runs_lie(copies, sides):
    other = compare.load(*copies)
    assert np.array_equal(
        means(other.collected.units, "nrmse"), means(sides.collected.units, "nrmse")
    )
