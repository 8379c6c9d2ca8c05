"""`python -m experiments.study compare A B` as a user runs it."""

import csv
import shutil
from pathlib import Path

import pytest
from experiments_helpers import digests, refused
from micro_runs import micro
from programs_here import here
from study import two_sets


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("study") / "s"
    return [str(root) for root in two_sets.make(folder, replicates=3)]


def compare(*words: str, check: bool = True):
    return here("study", "compare", *words, check=check, figures=True)


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_two_arms_of_a_study_are_compared_beside_them(roots):
    page = Path(roots[0]).parents[1] / "compare" / "index.html"
    assert compare(*roots).stdout.split() == [str(page)]
    assert [row["run"] for row in rows(page.parent, "pairs")] == ["000", "001", "002"]
    assert "2 % of the baseline's mean" in rows(page.parent, "summary")[1]["comparison"]


def test_sets_from_anywhere_go_where_they_are_told(roots, tmp_path):
    other = shutil.copytree(Path(roots[1]).parents[1], tmp_path / "other") / "runs" / "pytorch"
    refused(compare(roots[0], str(other), check=False), "--study")
    compare(roots[0], str(other), f"--study={tmp_path / 'd'}", "--margin=0.05", "--metric=ssim")
    summary = rows(tmp_path / "d" / "compare", "summary")
    assert summary[0]["quantity"] == "SSIM, mean of runs" and "B: pytorch" in summary[0]
    assert "5 % of the baseline's mean" in summary[1]["comparison"]


def test_mistakes_end_in_one_line(roots, tmp_path):
    out = f"--study={tmp_path / 'd'}"
    for words in ([], roots[:1], [*roots, roots[0]]):
        refused(compare(*words, out, check=False), f"compare with {len(words)} folders")
    refused(compare(roots[0], str(tmp_path / "gone"), out, check=False), "gone is no folder")
    assert not (tmp_path / "d").exists()


def test_jax_and_pytorch_start_from_the_same_and_part(tmp_path):
    pytest.importorskip("torch", reason="needs torch")
    own = ("--steps=", "--checkpoint_every=")
    flags = [flag for flag in micro("qsm") if not flag.startswith(own)]
    baseline = f"--baseline={' '.join(flags)} --steps=2 --checkpoint_every=1"
    plan = [f"--study={tmp_path}", baseline, "--replicates=1"]
    here("study", "plan", *plan, "--arm=pytorch: experiment=pytorch")
    here("study", "run", f"--study={tmp_path}", "--slots=2")
    runs = [tmp_path / "runs" / arm for arm in ("baseline", "pytorch")]
    compare(*map(str, runs))
    (pair,) = rows(tmp_path / "compare", "pairs")
    assert {pair[f"equal {name}"] for name in ("init", "order", "data")} == {"True"}
    assert pair["equal params"] == "False"
    assert digests(runs[0] / "000")["params"] != digests(runs[1] / "000")["params"]
    apart = {row["weights"]: float(row["median"]) for row in rows(tmp_path / "compare", "weights")}
    assert 0 < apart["all with a gradient"] < 1e-3 < apart["biases before normalisation"]
    differing = {(row["what"], row["entry"]) for row in rows(tmp_path / "compare", "surroundings")}
    assert {("packages", "torch"), ("framework", "framework")} <= differing
    assert not any(what == "settings" for what, _ in differing)
