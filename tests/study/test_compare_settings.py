"""Settings that make two sets of runs two methods are named, wherever their digests agree."""

import shutil

import pytest
from study import two_sets

from mrjax.study import compare
from mrjax.study.compare import summary, surroundings, words
from mrjax.study.report.analysis import analyse

METHOD = {"learning_rate": 0.01, "model_weight": 0.5, "width": 8}
HOW = {"dtype": "float32", "platform": "cpu", "matmul_precision": "highest", "cpu_threads": 0}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    made = two_sets.make(tmp_path_factory.mktemp("sets"), replicates=2)
    for run in (run for root in made for run in root.iterdir()):
        two_sets.change(run / "config.json", config=METHOD | HOW)
    return made


@pytest.fixture
def copies(roots, tmp_path):
    return [shutil.copytree(root, tmp_path / root.name) for root in roots]


def asked(root, **settings) -> None:
    for run in root.iterdir():
        two_sets.change(run / "config.json", config=settings)


def said(sides) -> tuple[str, str]:
    """What is compared, in words, and the caption of the summary."""
    return " ".join(words.about(sides)), summary.table(sides, analyse(sides.collected)).title


def test_equal_settings_leave_the_framework_alone(roots):
    sides = compare.load(*roots)
    told, caption = said(sides)
    assert sides.fair and not sides.settings
    assert "what differs is how the two compute" in told and "settings differ" not in caption


@pytest.mark.parametrize("same_framework", [True, False])
def test_settings_of_the_method_are_named_and_are_no_framework(copies, same_framework):
    if same_framework:
        shutil.rmtree(copies[1])
        shutil.copytree(copies[0], copies[1])
    asked(copies[1], learning_rate=0.1, model_weight=0.1, dtype="bfloat16")
    sides = compare.load(*copies)
    told, caption = said(sides)
    named = (
        "settings differ: --learning_rate 0.01 in A, 0.1 in B; --model_weight 0.5 in A, 0.1 in B"
    )
    assert named in told and named in caption
    assert not sides.fair and "what differs is how" not in told
    # They still start from the same, and are compared as pairs.
    assert sides.shared and sides.collected.study.pairing == "seed"
    assert sides.collected.study.arms[1].source == "other"


@pytest.mark.parametrize(
    "settings",
    [
        {"dtype": "bfloat16"}, {"cpu_threads": 1}, {"platform": "gpu", "device_index": 1},
        {"matmul_precision": "high"}, {"repetition": 3}, {"keep_checkpoints": 0, "preset": "paper"},
        {"loss_of_mine": 3},
    ],
)  # fmt: skip
def test_ways_to_compute_and_settings_of_one_side_are_no_method(copies, settings):
    asked(copies[0], keep_checkpoints=2, preset="tiny", repetition=0, device_index=0)
    asked(copies[1], **settings)
    sides = compare.load(*copies)
    assert sides.fair and "what differs is how the two compute" in said(sides)[0]


@pytest.mark.parametrize(
    "record, changes, source",
    [
        ("config", {"xla_deterministic": True, "cudnn_benchmark": True}, "framework"),
        ("config", {"keep_checkpoints": 0, "preset": "demo"}, "framework"),
        ("config", {"dtype": "bfloat16"}, "other"),
        ("config", {"cpu_threads": 1}, "other"),
        ("environment", {"cpu": {"model": "Another CPU"}}, "other"),
        ("environment", {"code": {"sources": "e" * 64}}, "other"),
        ("environment", {"code": {"commit": "e" * 40}}, "framework"),
    ],
)
def test_a_framework_is_the_source_only_alone(copies, record, changes, source):
    asked(copies[0], xla_deterministic=False, keep_checkpoints=2, preset="tiny")
    for run in copies[1].iterdir():
        two_sets.change(
            run / f"{record}.json", **({"config": changes} if record == "config" else changes)
        )
    assert surroundings.source(compare.load(*copies).pairs) == source
