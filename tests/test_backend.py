"""Flags of each level and arm, the text of XLA_FLAGS, and the start of JAX."""

import json
import os
import subprocess
import sys

import pytest
from helpers import ROOT

from mrjax import backend
from mrjax.backend import flagtext, levels, planning, startup
from mrjax.config import RunConfig
from mrjax.errors import UserError
from mrjax.runs import result

DETERMINISTIC = {
    "xla_gpu_deterministic_ops": "true",
    "xla_gpu_exclude_nondeterministic_ops": "true",
}


def environ_of(environ=(), **fields):
    return planning.plan(RunConfig(**fields), dict(environ)).environ


# levels and arms


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({}, {}),
        ({"xla_deterministic": True}, DETERMINISTIC),
        ({"xla_autotune": "off"}, {"xla_gpu_autotune_level": "0"}),
        # level 0 would bypass cuDNN's deterministic filter
        ({"xla_autotune": "off", "xla_deterministic": True}, DETERMINISTIC),
        ({"xla_autotune": "on"}, {"xla_gpu_autotune_level": "4"}),
        (
            {"xla_autotune": "on", "xla_autotune_file": "c.txt"},
            {"xla_gpu_autotune_level": "4", "xla_gpu_dump_autotune_results_to": "c.txt"},
        ),
        (
            {"xla_autotune": "frozen", "xla_autotune_file": "c.txt"},
            {
                "xla_gpu_load_autotune_results_from": "c.txt",
                "xla_gpu_require_complete_aot_autotune_results": "true",
            },
        ),
        ({"xla_cpu_isa": "AVX"}, {"xla_cpu_max_isa": "AVX"}),
        ({"devices": 2}, {"xla_force_host_platform_device_count": "2"}),
        ({"devices": 2, "platform": "gpu"}, {}),
    ],
)
def test_flags_of_an_arm(fields, flags):
    assert backend.xla_flags(RunConfig(**fields)) == flags
    assert flags.keys() <= levels.OWNED.keys()


def test_levels():
    assert backend.level(RunConfig()) == "not_guaranteed"
    assert backend.level(RunConfig(xla_deterministic=True)) == "run_to_run"
    assert backend.level(RunConfig(numerics="reproducible")) == "machine_to_machine"


def test_flags_without_effect_are_named():
    config = RunConfig(xla_deterministic=True, xla_autotune="off", cpu_threads=2, device_index=1)
    assert sorted(backend.without_effect(config, "cpu")) == [
        "--device_index=1 has no effect on a cpu",
        "--xla_autotune=off has no effect on a cpu",
        "--xla_deterministic has no effect on a cpu",
    ]
    assert backend.without_effect(config, "gpu") == ["--cpu_threads=2 has no effect on a gpu"]
    assert backend.without_effect(RunConfig(), "cpu") == []


# text of XLA_FLAGS


def test_parse_reads_as_xla_does():
    text = """--xla_a --xla_b=1  --xla_c="x y"\n--xla_d='p' --xla_e= --xla_b=2"""
    parsed = {"xla_a": "true", "xla_b": "2", "xla_c": "x y", "xla_d": "p", "xla_e": ""}
    assert flagtext.parse(text) == parsed
    assert flagtext.parse("") == {}


def test_a_file_of_flags_is_refused():
    with pytest.raises(UserError, match="names a file; expected flags"):
        flagtext.parse("/etc/xla_flags")


@pytest.mark.parametrize("one", ["1", "true", "True", "TRUE"])
def test_switches_that_mean_the_same(one):
    assert flagtext.same(one, "true") and not flagtext.same(one, "false")
    assert flagtext.same("0", "False") and not flagtext.same("0", one)


def test_values_that_are_no_switch_are_compared_as_text():
    assert flagtext.same("a/B", "a/B") and not flagtext.same("a/B", "a/b")
    assert not flagtext.same("", "false")


def test_merge_appends_and_leaves_the_users_text_alone():
    user = '--xla_dump_to="a b"  --xla_gpu_deterministic_ops=1'
    merged = flagtext.merge(user, DETERMINISTIC | {"xla_gpu_load_autotune_results_from": "x y"})
    assert merged == (
        f"{user} --xla_gpu_exclude_nondeterministic_ops=true "
        '--xla_gpu_load_autotune_results_from="x y"'
    )
    assert flagtext.parse(merged)["xla_gpu_load_autotune_results_from"] == "x y"
    assert flagtext.merge("", {}) == ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("--xla_gpu_deterministic_ops=false", DETERMINISTIC),
        ("--xla_gpu_deterministic_ops", {}),  # the level in the record would be wrong
        ("--xla_gpu_autotune_level=0", {}),
        ("--xla_gpu_autotune_level=4 --xla_gpu_autotune_level=1", {"xla_gpu_autotune_level": "4"}),
        ("--xla_cpu_max_isa=AVX", {"xla_cpu_max_isa": "AVX2"}),
    ],
)
def test_contradicting_flags_are_refused_by_name(text, wanted):
    name = text.split("=")[0].split()[0]
    with pytest.raises(UserError, match=f"XLA_FLAGS sets {name}=.* contradicts .*; expected"):
        flagtext.merge(text, wanted)


def test_flags_that_repeat_a_default_are_no_contradiction():
    text = "--xla_gpu_autotune_level=4 --xla_gpu_deterministic_ops=0 --xla_cpu_max_isa="
    assert flagtext.merge(text, {}) == text


# probing


def test_probe_knows_all_our_flags():
    ours = " ".join(f"--{name}={default}" for name, (default, _) in levels.OWNED.items())
    flagtext.probe(ours, os.environ)


def test_probe_names_unknown_flags():
    with pytest.raises(UserError, match="does not know --xla_bogus=3 --xla_nonsense in XLA_FLAGS"):
        flagtext.probe("--xla_bogus=3 --xla_gpu_autotune_level=4 --xla_nonsense", os.environ)
    with pytest.raises(UserError, match=r"does not know --xla_bogus in XLA_FLAGS; expected"):
        flagtext.probe("--xla_bogus", os.environ)


def test_probe_names_a_value_xla_cannot_read():
    with pytest.raises(UserError, match="sets --xla_gpu_deterministic_ops=yes; expected"):
        flagtext.probe("--xla_gpu_deterministic_ops=yes", os.environ)


# start


def test_start_of_this_process():
    started = backend.start(RunConfig(platform="cpu", cpu_threads=0, device_index=1))
    assert (started.platform, started.level, len(started.devices)) == ("cpu", "not_guaranteed", 1)
    assert started.notes == ("--device_index=1 has no effect on a cpu",)
    facts = json.loads(json.dumps(started.facts()))
    assert facts["x64"] is True and facts["gpu"] is None and facts["compilation_cache"] == "off"
    assert all(facts["versions"].values())


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"devices": 64}, r"--devices=64 but only \d+ cpu device"),
        ({"platform": "gpu"}, "--platform=gpu but JAX runs on cpu"),
        # XLA silently ignores flags that come after its start; a run must not
        ({"xla_deterministic": True}, "XLA runs with --xla_gpu_deterministic_ops=false; expected"),
        ({"xla_cpu_isa": "SSE4_2"}, "XLA runs with --xla_cpu_max_isa=; expected 'SSE4_2'"),
        ({"xla_autotune": "off"}, "XLA runs with --xla_gpu_autotune_level=4; expected '0'"),
    ],
)
def test_start_refuses_what_is_not_there(fields, match):
    with pytest.raises(UserError, match=match):
        backend.start(RunConfig(**fields))


def test_start_refuses_settings_that_came_too_late(monkeypatch):
    setting = startup._setting
    monkeypatch.setattr(startup, "_setting", lambda n: n != "enable_x64" and setting(n))
    with pytest.raises(UserError, match="JAX runs with jax_enable_x64=False; expected True"):
        backend.start(RunConfig())


def test_fast_math_is_refused_where_every_bit_counts(monkeypatch):
    seen = {"xla_cpu_enable_fast_math": "true"}
    monkeypatch.setattr(startup, "read_flags_back", lambda: seen)
    with pytest.raises(UserError, match="--xla_cpu_enable_fast_math, under which no arithmetic"):
        backend.start(RunConfig(numerics="reproducible"))
    assert "--xla_cpu_enable_fast_math=true" in backend.start(RunConfig()).xla_flags_seen


def test_choices_of_a_frozen_autotuner_are_recorded_by_content(tmp_path):
    file = tmp_path / "choices.txt"
    file.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    frozen = RunConfig(xla_autotune="frozen", xla_autotune_file=str(file))
    assert startup._choices(frozen) == known
    assert startup._choices(RunConfig(xla_autotune="on", xla_autotune_file=str(file))) is None


PROGRAM = """
import json, sys
from mrjax import backend
from mrjax.config import RunConfig
assert "jax" not in sys.modules
config = RunConfig(**json.loads(sys.argv[1]))
backend.reexec(config)
print(json.dumps(backend.start(config).facts()))
"""


def test_a_whole_start(tmp_path):
    fields = {"xla_deterministic": True, "xla_cpu_isa": "AVX", "devices": 2, "cpu_threads": 1}
    environ = dict(
        os.environ,
        XLA_FLAGS="--xla_cpu_prefer_vector_width=128",
        JAX_ENABLE_X64="0",
        JAX_COMPILATION_CACHE_DIR=str(tmp_path),
        JAX_PLATFORMS="cpu",
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(fields)],
        env=environ, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    facts = json.loads(done.stdout)
    assert facts["level"] == "run_to_run" and facts["device_count"] == 2
    assert {
        "--xla_cpu_prefer_vector_width=128",
        "--xla_cpu_max_isa=AVX",
        "--xla_gpu_deterministic_ops=true",
        "--xla_gpu_exclude_nondeterministic_ops=true",
    } <= set(facts["xla_flags_seen"])
    assert facts["x64"] is True and facts["matmul_precision"] == "highest"
    assert facts["variables"]["NPROC"] == "1" and facts["compilation_cache"] == "off"
    assert {
        f"JAX_COMPILATION_CACHE_DIR={tmp_path} of the environment is not used",
        "JAX_ENABLE_X64=0 of the environment is replaced by 1",
        "--xla_deterministic has no effect on a cpu",
    } <= set(facts["notes"])
    assert list(tmp_path.iterdir()) == []


def test_results_know_the_same_levels():
    """`runs` may not import the backend, so the names stand twice."""
    assert result.LEVELS == backend.LEVELS
