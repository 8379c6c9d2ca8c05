"""A plan is read as it was written; what is damaged is said in one line."""

import dataclasses
import json

import pytest

from mrjax.errors import UserError
from mrjax.study.records import Arm, Run, Study, read_runs, read_study, write_study

STUDY = Study(
    name="s",
    experiment="qsm",
    baseline=("--preset=tiny",),
    arms=(
        Arm(name="baseline", source="baseline", flags=(), kind="training"),
        Arm(name="a", source="init", flags=("--seed_init={r}",), kind="training", problem="no"),
    ),
    replicates=2,
    pairing="seed",
    cross={"seed_init": (0, 1)},
    seed=0,
    platform="cpu",
    metric="nrmse",
    margin=0.02,
    margin_kind="relative",
    command="",
)
RUN = Run(
    arm="a", label="000", replicate=0, factors={"x": 1}, argv=("--a=1",), workdir="runs/a/000"
)


def test_what_was_written_is_read(tmp_path):
    runs = [RUN, dataclasses.replace(RUN, label="001", requires=RUN.workdir)]
    write_study(tmp_path, STUDY, runs)
    assert read_study(tmp_path) == STUDY
    assert read_runs(tmp_path) == runs
    before = (tmp_path / "study.json").read_bytes()
    content = json.loads(before)
    assert list(content) == sorted(content) and list(content["arms"][0]) == sorted(
        content["arms"][0]
    )
    write_study(tmp_path, read_study(tmp_path), runs)
    assert (tmp_path / "study.json").read_bytes() == before


def test_an_arm_by_its_name():
    assert STUDY.arm("a").source == "init"
    with pytest.raises(KeyError):
        STUDY.arm("b")


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("study.json", '"replicates"', '"replicate"'),
        ("study.json", '"schema_version": 1', '"schema_version": 2'),
        ("study.json", '"arms": [', '"arms": [1,'),
        (
            "study.json",
            "{",
            "",
        ),
        ("runs.jsonl", '"argv"', '"arg"'),
        ("runs.jsonl", "}", ""),
        ("study.json", '"margin": 0.02', '"margin": "0.02"'),
        ("study.json", '"replicates": 2', '"replicates": 2.5'),
        ("study.json", '"--preset=tiny"', "3"),
        ("runs.jsonl", '"arm": "a"', '"arm": "b"'),
        ("runs.jsonl", '"factors": {', '"factors": 3, "other": {'),
        ("runs.jsonl", '"replicate": 0', '"replicate": null'),
        ("runs.jsonl", '"--a=1"', '"--a=\\ud800"'),
        ("runs.jsonl", '"--a=1"', "[" * 100_000),
    ],
)
def test_damage_is_named(tmp_path, name, old, new):
    write_study(tmp_path, STUDY, [RUN])
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=name.replace(".", r"\.")) as caught:
        read_study(tmp_path), read_runs(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_unplanned_directory_is_refused(tmp_path):
    for read in (read_study, read_runs):
        with pytest.raises(UserError, match="plan"):
            read(tmp_path)


def test_runs_cut_at_the_end_of_a_line_are_damage(tmp_path):
    write_study(tmp_path, STUDY, [RUN, dataclasses.replace(RUN, label="001")])
    path = tmp_path / "runs.jsonl"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    with pytest.raises(UserError, match="1 runs, not 2"):
        read_runs(tmp_path)
