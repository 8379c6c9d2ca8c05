"""Covering arrays and conditions: every pair of settings meets."""

import itertools

import pytest

from mrjax.errors import UserError
from mrjax.prove.conditions import HERE, LEVELS, conditions
from mrjax.prove.covering import covering
from mrjax.prove.interpreters import ROOT, Interpreter, ask, clean

HERE_311 = Interpreter("python3.11", "3.11.7", "0.10.2", "2.4.6", "X86_V3 X86_V4", False)
HERE_312 = Interpreter("python3.12", "3.12.1", "0.12.0", "2.5.5", "", True)


def uncovered(levels, rows) -> set:
    wanted = {
        ((a, x), (b, y))
        for (a, xs), (b, ys) in itertools.combinations(levels.items(), 2)
        for x, y in itertools.product(xs, ys)
    }
    met = {pair for row in rows for pair in itertools.combinations(row.items(), 2)}
    return wanted - met


@pytest.mark.parametrize("sizes", [(3, 2, 3, 2, 2, 2, 2), (2, 2), (4, 1, 3), (3, 3, 3, 3)])
def test_every_pair_is_covered_by_few_rows(sizes):
    levels = {f"f{i}": tuple("abcd"[:n]) for i, n in enumerate(sizes)}
    rows = covering(levels)
    assert not uncovered(levels, rows)
    assert uncovered(levels, rows[:-1])
    two_largest = sorted(sizes)[-2:]
    assert len(rows) <= 2 * two_largest[0] * two_largest[1]
    assert rows == covering(levels)


def test_one_factor_takes_each_setting_once():
    assert covering({"a": ("x", "y")}) == [{"a": "x"}, {"a": "y"}]


@pytest.mark.parametrize("pythons", [[HERE_311], [HERE_311, HERE_312]])
def test_conditions_cover_every_pair_of_settings(pythons):
    rows = conditions(pythons)
    assert len(rows) >= 10
    assert len({row.name for row in rows}) == len(rows)
    assert set(rows[0].settings.values()) == {HERE} and rows[0].python == HERE_311
    cpu = [{**r.settings, "python": r.python.name} for r in rows[1:] if r.platform == "cpu"]
    assert not uncovered({**LEVELS, "python": [p.name for p in pythons]}, cpu)
    on_gpu = [row.flags() for row in rows if row.platform == "gpu"]
    assert (
        on_gpu
        == [["--platform=gpu", f"--xla_deterministic={mode}"] for mode in ("false", "true")][
            : 2 * (len(pythons) - 1)
        ]
    )


def test_a_condition_becomes_flags_and_environment(monkeypatch):
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", "X86_V4")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX")
    rows = conditions([HERE_311])
    assert rows[0].flags() == ["--platform=cpu"]
    assert not {"NPY_DISABLE_CPU_FEATURES", "XLA_FLAGS"} & set(rows[0].environ())
    for row in rows[1:]:
        kernels = row.environ().get("NPY_DISABLE_CPU_FEATURES")
        assert kernels == ("X86_V3 X86_V4" if row.settings["numpy"] == "baseline" else None)
        blas = row.environ().get("OPENBLAS_CORETYPE")
        assert blas == ("Nehalem" if row.settings["blas"] == "Nehalem" else None)
        assert row.flags() == [
            "--platform=cpu",
            f"--xla_cpu_isa={row.settings['isa']}",
            f"--cpu_threads={row.settings['threads']}",
            f"--devices={row.settings['devices']}",
            f"--conv_form={row.settings['conv']}",
        ]


def test_processes_import_this_mrjax():
    found = clean({"PYTHONPATH": "/elsewhere", "HOME": "/root", "NPROC": "1"})
    assert found == {"HOME": "/root", "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("path, word", [("/nowhere/python", "does not run"), ("false", "lacks")])
def test_what_is_no_interpreter_is_refused(path, word):
    with pytest.raises(UserError, match=word):
        ask(path)
