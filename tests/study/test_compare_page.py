"""The page of a comparison: everything in every form, the same bytes, nothing from the network."""

import json
import re
import shutil

import numpy as np
import pytest
from study import two_sets

from mrjax.errors import UserError
from mrjax.study import compare
from mrjax.study.compare import speed, words
from mrjax.study.report import curves
from mrjax.study.report.analysis import analyse

pytest.importorskip("jinja2", reason="needs the extra report")


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    return two_sets.make(tmp_path_factory.mktemp("sets") / "s", replicates=3)


@pytest.fixture(scope="module")
def page(roots, tmp_path_factory):
    return compare.write(tmp_path_factory.mktemp("page"), compare.load(*roots))


def text(page) -> str:
    return re.sub(r"<[^>]*>", "", re.sub(r"data:image[^\"]*", "", page.read_text()))


def test_figures_and_tables_come_in_every_form(page):
    files = {path.name for path in page.parent.iterdir()}
    for name in ("weights", "speed", "effect_training", "loss_framework"):
        assert {f"{name}.png", f"{name}.pdf"} <= files
    for name in (
        "summary", "pairs", "surroundings", "weights", "steps", "speed", "identity", "divergence",
        "effect_training", "spread_training", "conditional_training",
    ):  # fmt: skip
        assert {f"{name}.csv", f"{name}.tex"} <= files


def test_the_page_says_all_that_was_found(page):
    said = text(page)
    for phrase in (
        "3 of 3 pairs share init, order, data",
        "trained weights are equal in 0 of 3 pairs",
        "3 of 3 pairs part in step 1; what differs there first: loss (3)",
        "(a) The networks of run 000",
        "Equivalence within the margin (2 % of the baseline&#39;s mean",
        "Pitman-Morgan",
        "takes 10 ms in A and 20 ms in B, 2.00 times as long",
        "Peak memory: 900 MB in A, 300 MB in B (medians over runs). In A, memory is that of "
        "the whole process; in B, that of the whole process, JAX in it.",
        "Without a true gradient, and apart: running means",
        "torch 2.13.0 in B only",
        "the 95th percentile is one of these averages",
        "and running variances, which have one",
    ):
        assert phrase in said, phrase
    assert "nan" not in said.split()


def test_the_same_runs_give_the_same_bytes_without_the_network(page, roots, tmp_path):
    copies = [shutil.copytree(root, tmp_path / "s" / "runs" / root.name) for root in roots]
    again = compare.write(tmp_path / "again", compare.load(*copies))
    for path in page.parent.iterdir():
        assert (again.parent / path.name).read_bytes() == path.read_bytes(), path.name
    assert not re.search(r"https?://|<script|@import|<link|url\(", page.read_text())


def test_losses_are_compared_with_those_of_the_partner(roots):
    """And not with another run of A, which lies farther away."""
    found = analyse(compare.load(*roots).collected)
    for unit in found.collected.of("pytorch"):
        assert unit.curve.partner == unit.label and unit.curve.first_step == 1
    assert curves.table(found).rows[0][2:5] == (3, 0, 1.0)


def test_runs_without_steps_have_no_curves_weights_or_times(roots, tmp_path):
    copies = [shutil.copytree(root, tmp_path / root.name) for root in roots]
    for run in (run for root in copies for run in root.iterdir()):
        two_sets.change(run / "result.json", steps=0, seconds={"train": 0.0, "compile": 0.0})
        shutil.rmtree(run / "checkpoints")
        (run / "ledger.jsonl").unlink()
        (run / "timing.jsonl").unlink()
    said = text(compare.write(tmp_path / "page", compare.load(*copies)))
    assert "Weights were not compared" in said and "Loss curves" not in said
    assert "000, 001, 002: no checkpoint of the same step in both" in said


def test_memory_of_a_gpu_is_its_allocators(roots, tmp_path):
    copies = [shutil.copytree(root, tmp_path / root.name) for root in roots]
    for run in (run for root in copies for run in root.iterdir()):
        two_sets.change(run / "environment.json", backend={"platform": "gpu"})
    sides = compare.load(*copies)
    said = words.findings(sides, analyse(sides.collected), compare.distances.compute(sides))
    assert "In A and B, memory is what the framework's allocator had in use" in said[-1]


def test_a_draw_is_no_shift(roots, tmp_path):
    copies = [shutil.copytree(roots[0], tmp_path / name) for name in ("one", "other")]
    for run in copies[1].iterdir():
        two_sets.change(run / "config.json", config={"seed_init": 7})
        other = dict.fromkeys(("init", "params", "predictions"), run.name[-1] * 64)
        two_sets.change(run / "result.json", digests=other, metrics={"nrmse": [0.5] * 8})
    sides = compare.load(*copies)
    said = words.findings(sides, analyse(sides.collected), compare.distances.compute(sides))
    assert "0.5 in B; not tested, because what differs (weight initialisation) is a" in said[2]


def test_times_of_steps(roots):
    unit = compare.load(*roots).pairs[1][1]
    first, rest = speed.step_times(unit)
    assert first == 10e3 and rest.tolist() == [20.0] * 58
    assert speed.median_step(unit) == 20.0
    # A checkpoint after every third step of 20 ms.
    lines = [{"step": s, "seconds": (0.0, 0.04, 0.02)[s % 3]} for s in range(1, 31)]
    (unit.training / "timing.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    assert speed.median_step(unit) == 20.0
    (unit.training / "timing.jsonl").write_text("torn\n")
    first, rest = speed.step_times(unit)
    assert np.isnan(first) and rest.size == 0 and speed.median_step(unit) is None


def test_a_folder_that_cannot_be_written_is_one_line(roots, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="not writable"):
        compare.write(tmp_path / "file", compare.load(*roots))
