"""The verdicts on rows: equal, different, not known."""

import check_runs
import pytest

from mrjax.check import rows, verdict
from mrjax.check.known import Known
from mrjax.check.parts import Part
from mrjax.children import Ended

DIGESTS = Part("digests", "orderfree", "qsm", (), task="qsm")
PAIR = [Part("repeat", f"run_{n}", "qsm", (), task="qsm", pair="qsm default") for n in (1, 2)]


@pytest.fixture
def known(tmp_path):
    """Digests and ledger of an ordinary training."""
    check_runs.finish(tmp_path / "theirs")
    ledgers = {"qsm": tmp_path / "theirs" / "ledger.jsonl"}
    return Known([], {"qsm": check_runs.DIGESTS}, ledgers, [])


def found(runs, part, **wanted):
    """Row of a training with that outcome."""
    check_runs.finish(runs / part.name, **wanted)
    return {part.name: rows.of(part, Ended(0, "", None), [], 2.0, runs / part.name)}


def failed(part):
    return {part.name: rows.of(part, Ended(1, "no", None), ["no"], 2.0, part.name)}


def judged(parts, table, known, runs):
    said = {
        "digests": verdict.digests(parts, table, known, runs),
        "repeats": verdict.repeats(parts, table, runs),
    }
    return said, verdict.passed(parts, table, said)


def test_known_digests_pass(known, tmp_path):
    said, problems = judged([DIGESTS], found(tmp_path, DIGESTS), known, tmp_path)
    assert said["digests"]["qsm"]["verdict"] == "equal" and not problems


@pytest.mark.parametrize("name", ["params", "predictions"])
def test_another_digest_does_not_pass(name, known, tmp_path):
    digests = {**check_runs.DIGESTS, name: "e" * 64}
    said, problems = judged([DIGESTS], found(tmp_path, DIGESTS, digests=digests), known, tmp_path)
    assert said["digests"]["qsm"]["verdict"] == "different"
    assert said["digests"]["qsm"]["differing"] == [name]
    assert problems == ["qsm: the digests are not the known ones"]


def test_the_step_in_which_a_training_leaves_the_known_one_is_named(known, tmp_path):
    table = found(tmp_path, DIGESTS, digests=check_runs.OTHER, losses=check_runs.DRIFTING)
    said, _ = judged([DIGESTS], table, known, tmp_path)
    place = said["digests"]["qsm"]["first_difference"]
    assert (place["step"], place["field"]) == (3, "loss_hex")


@pytest.mark.parametrize("row", [{}, failed(DIGESTS)])
def test_a_training_that_did_not_finish_is_not_equal(row, known, tmp_path):
    said, problems = judged([DIGESTS], row, known, tmp_path)
    assert said["digests"]["qsm"]["verdict"] == "not known" and problems


def test_equal_pairs_are_called_identical(known, tmp_path):
    table = found(tmp_path, PAIR[0]) | found(tmp_path, PAIR[1])
    said, problems = judged(PAIR, table, known, tmp_path)
    assert said["repeats"]["qsm default"]["verdict"] == "identical" and not problems


@pytest.mark.parametrize(("level", "count"), [("not_guaranteed", 0), ("run_to_run", 1)])
def test_a_difference_matters_where_the_level_promises_none(level, count, known, tmp_path):
    table = found(tmp_path, PAIR[0], level=level)
    table |= found(tmp_path, PAIR[1], level=level, losses=check_runs.DRIFTING)
    said, problems = judged(PAIR, table, known, tmp_path)
    assert said["repeats"]["qsm default"]["verdict"] == "different"
    assert said["repeats"]["qsm default"]["first_difference"]["step"] == 3
    assert len(problems) == count


def test_equal_ledgers_with_other_predictions_differ(known, tmp_path):
    other = {**check_runs.DIGESTS, "predictions": "e" * 64}
    table = found(tmp_path, PAIR[0]) | found(tmp_path, PAIR[1], digests=other)
    said, _ = judged(PAIR, table, known, tmp_path)
    assert said["repeats"]["qsm default"]["verdict"] == "different"


def test_half_a_pair_tells_nothing(known, tmp_path):
    said, problems = judged(PAIR, found(tmp_path, PAIR[0]) | failed(PAIR[1]), known, tmp_path)
    assert said["repeats"]["qsm default"]["verdict"] == "not known"
    assert problems == ["run_2: failed"]


def test_a_pair_without_a_ledger_tells_nothing(known, tmp_path):
    table = found(tmp_path, PAIR[0]) | found(tmp_path, PAIR[1])
    (tmp_path / PAIR[1].name / "ledger.jsonl").unlink()
    said, problems = judged(PAIR, table, known, tmp_path)
    assert said["repeats"]["qsm default"]["verdict"] == "not known"
    assert len(problems) == 1 and "ledger.jsonl" in problems[0]


def test_times_of_the_first_steps_do_not_count(tmp_path):
    assert found(tmp_path, DIGESTS)["orderfree"]["step_s"] == 4.5
