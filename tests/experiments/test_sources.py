"""Each source of variation changes the digests that it should, and no others."""

from pathlib import Path

import pytest
from experiments_helpers import changed
from micro_runs import micro
from programs_here import here

NETWORK = {"params", "predictions"}
SOURCES = {
    "qsm": {
        "--seed_order=1": {"order"} | NETWORK,
        "--seed_init=1": {"init"} | NETWORK,
        "--seed_noise=1": {"data"} | NETWORK,
        "--dtype=bfloat16": NETWORK,
        "--repetition=1": set(),
    },
    "varnet": {
        "--seed_order=1": {"order"} | NETWORK,
        "--seed_init=1": {"init"} | NETWORK,
        "--dtype=bfloat16": NETWORK,
        "--optimizer=iipg": NETWORK,
        "--noproject": NETWORK,
        "--loss=magnitude": NETWORK,
    },
}


@pytest.fixture(scope="module", params=SOURCES)
def task(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def base(task, tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp(task) / "base"
    here(task, *micro(task), f"--workdir={workdir}")
    return workdir


@pytest.mark.parametrize(
    ("task", "flag"),
    [(task, flag) for task, flags in SOURCES.items() for flag in flags],
    indirect=["task"],
)
def test_each_source_changes_its_own_digests(task, flag, base, tmp_path):
    here(task, *micro(task), flag, f"--workdir={tmp_path / 'w'}")
    assert changed(base, tmp_path / "w") == SOURCES[task][flag]
