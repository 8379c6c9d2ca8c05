"""`python -m experiments.check`, its parts in processes: known digests, wrong ones, mistakes."""

import json
import os

import pytest
from experiments_helpers import digests, refused
from programs_here import here

SMALL = (
    "--preset=tiny --steps=2 --width=1 --levels=1 --rows=16 --columns=16 --n_patients=4"
    " --numerics=reproducible"
).split()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """What is known of a small training: the content of a file of known digests."""
    folder = tmp_path_factory.mktemp("known") / "run"
    here("breast", *SMALL, "--fold=0", f"--workdir={folder}")
    return {"flags": SMALL, "digests": {"breast": digests(folder)}, "machines": []}


def check(known, folder, *flags):
    file = folder / "known.json"
    file.write_text(json.dumps(known))
    common = ["--platform=cpu", "--only=digests", "--tasks=breast", f"--known={file}"]
    done = here("check", *common, f"--out={folder / 'out'}", *flags, check=False)
    return done, json.loads((folder / "out" / "check.json").read_text())


def test_known_digests_are_found_equal(small, tmp_path):
    done, content = check(small, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert content["digests"]["breast"]["verdict"] == "equal" and content["passed"]
    assert content["machine"]["equal"] == ["breast"] and content["machine"]["machine"]
    assert "equal to the known ones" in done.stdout
    assert small["digests"]["breast"]["params"][:12] in done.stdout
    assert sorted(os.listdir(tmp_path / "out")) == ["check.json", "evidence.jsonl", "logs.txt"]  # noqa: PTH208


def test_a_wrong_known_digest_is_reported_as_not_equal(small, tmp_path):
    wrong = {**small["digests"]["breast"], "predictions": "0" * 64}
    done, content = check({**small, "digests": {"breast": wrong}}, tmp_path)
    assert done.returncode == 1
    assert content["digests"]["breast"]["differing"] == ["predictions"]
    assert "not equal to" in done.stdout and "not passed: breast" in done.stdout


def test_a_task_without_known_digests_is_refused(small, tmp_path):
    file = tmp_path / "known.json"
    file.write_text(json.dumps(small))
    flags = ["--platform=cpu", f"--known={file}", f"--out={tmp_path / 'out'}"]
    refused(here("check", *flags, check=False), "no digests of qsm")


def test_without_time_nothing_is_started(small, tmp_path):
    done, content = check(small, tmp_path, "--budget=1")
    assert done.returncode == 1
    assert [row["status"] for row in content["rows"]] == ["not run"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["--out"]),
        (["--out=x", "--only=digest"], ["digest", "repeat"]),
        (["--out=x", "--tasks=knee"], ["knee", "qsm"]),
        (["--out=x", "--known=/nowhere.json"], ["/nowhere.json"]),
        (["--out=x", "--platform=tpu"], ["tpu"]),
        (["--out=x", "more"], ["more"]),
    ],
)
def test_mistakes_end_in_one_line(flags, words, tmp_path):
    refused(here("check", *flags, check=False), *words)
