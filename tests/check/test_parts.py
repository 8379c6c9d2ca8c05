"""Which commands a check consists of, and that the programs take their flags."""

import pytest

from mrjax import command as programs
from mrjax import config as configs
from mrjax.check import known, parts
from mrjax.tasks import registry
from mrjax.tasks.registry import TASKS

EVERYTHING = parts.parts(parts.SECTIONS, list(TASKS), "gpu", known.read().flags)


def named(name):
    return next(part for part in EVERYTHING if part.name == name)


def test_the_order_is_that_of_worth_and_names_are_folders_of_their_own():
    names = [part.name for part in EVERYTHING]
    assert len(set(names)) == len(names)
    first = [names.index(f"orderfree_{task}") for task in TASKS]
    assert first == list(range(len(TASKS)))
    worth = [
        "qsm_deterministic_1",
        "qsm_default_1",
        "qsm_jax_float32",
        "qsm_frozen_stored",
        "varnet_pytorch_float32",
        "qsm_pytorch_benchmark_1",
        "breast_pytorch_tf32_compiled",
    ]
    assert [name for name in names if name in worth] == worth
    assert names.index("peak") < names.index("qsm_jax_float32")


def test_what_waits_for_nothing_runs_beside_the_digests():
    alone = next(i for i, part in enumerate(EVERYTHING) if part.alone)
    assert {part.section for part in EVERYTHING[:alone]} == {"digests", "repeat"} and alone > 10


def test_a_part_that_hangs_leaves_time_for_others_on_a_gpu():
    patiences = {parts.patience(part, "gpu") for part in EVERYTHING}
    assert len(patiences) == 2 and max(patiences) < 480 / 2
    assert not parts.patience(named("qsm_default_1"), "gpu") > 480 / 4


def test_what_is_timed_or_times_algorithms_is_alone():
    assert all(part.alone for part in EVERYTHING if part.section == "speed")
    assert named("qsm_default_1").alone and named("qsm_pytorch_benchmark_2").alone
    assert named("qsm_frozen_stored").alone and not named("qsm_frozen_1").alone
    assert not named("qsm_deterministic_1").alone and not named("orderfree_qsm").alone


def test_the_two_runs_of_a_pair_differ_in_nothing_but_their_number():
    for part in EVERYTHING:
        if part.name.endswith("_1"):
            twin = named(f"{part.name[:-1]}2")
            assert twin.pair == part.pair
            assert twin.flags == tuple(
                f.replace("repetition=1", "repetition=2") for f in part.flags
            )


@pytest.mark.parametrize("part", [p for p in EVERYTHING if p.trains], ids=lambda p: p.name)
def test_programs_take_the_flags(part, tmp_path):
    (tmp_path / parts.CHOICES).write_text("stored")
    argv = parts.command(part, tmp_path, "gpu")[2:]
    known_config, presets = registry.program(part.program, part.task)
    values = programs.parse(known_config, presets, argv)
    config = configs.from_flags(known_config, presets, values)
    config.check()
    assert config.platform == "gpu" and config.needs_device
    assert config.workdir == str(tmp_path / part.name)


def test_pytorch_can_be_left_out():
    asked = {part.name for part in EVERYTHING if part.pytorch}
    assert {"qsm_pytorch_default_1", "qsm_pytorch_tf32", "breast_pytorch_float32"} <= asked
    assert not asked & {"orderfree_qsm", "qsm_jax_tf32", "peak", "qsm_default_1"}


def test_a_cpu_is_asked_for_no_choices_of_an_autotuner():
    small = parts.parts(parts.SECTIONS, list(TASKS), "cpu", [])
    assert not [part for part in small if "frozen" in part.name]
    assert all("--preset=tiny" in p.flags for p in small if p.section == "speed" and p.task)
